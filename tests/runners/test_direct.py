"""What is loaded, and when, to ask a provider, and for whom a proxy stands between."""

import subprocess
import sys

import pytest

from lanes.runners.http.client import HttpClient
from tests.kit.asking import ask
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server

STARTED = """
import asyncio, sys
from lanes.runners.http.client import HttpClient
asyncio.run(HttpClient().aclose())
assert "httpx" not in sys.modules, "it is for commands"
assert "aiohttp" not in sys.modules, "the start of a gateway waits for it"
"""


SHORT = """
import asyncio, os, resource, sys
from lanes.host import descriptors
from lanes.runners.http.client import HttpClient, NoDescriptor

async def main():
    client = HttpClient()
    assert "aiohttp" not in sys.modules
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        async with client.post("http://127.0.0.1:9/v1", b"{}", {}, lambda: None):
            raise AssertionError("it was sent")
    except NoDescriptor:
        assert descriptors.short()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await client.aclose()

asyncio.run(main())
"""


def test_a_start_does_not_wait_for_the_library() -> None:
    subprocess.run([sys.executable, "-c", STARTED], check=True, timeout=60)


def test_F120_no_descriptor_for_the_library_itself_is_no_failure_of_a_provider() -> None:
    subprocess.run([sys.executable, "-c", SHORT], check=True, timeout=60)


async def test_a_body_of_many_pieces_arrives_whole(client: HttpClient) -> None:
    text = "漢x" * 1_000_000
    heard: list[str] = []

    async def answer(call: Call) -> None:
        heard.append(call.body["messages"][-1]["content"])
        await call.say(STREAM, chunk("heard", "stop") + DONE)

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url), text)).text == "heard"
    assert heard == [text]


PROXY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("named", "url", "proxy"),
    [
        ({"HTTPS_PROXY": PROXY}, "https://elsewhere/v1", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://elsewhere/v1", None),
        ({"ALL_PROXY": PROXY}, "https://elsewhere/v1", PROXY),
        ({"ALL_PROXY": "me:secret@127.0.0.1:9"}, "http://elsewhere/v1", "http://me:secret@127.0.0.1:9"),
        ({"ALL_PROXY": PROXY}, "http://127.0.0.1:9/v1", None),
        ({"ALL_PROXY": PROXY}, "http://[::1]/", None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "here.example, .inside"}, "https://a.here.example/v1", None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "here.example:8080"}, "https://here.example:8080/v1", None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "here.example:8080"}, "https://here.example/v1", PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "*"}, "https://elsewhere/v1", None),
        ({"NO_PROXY": PROXY, "FTP_PROXY": PROXY}, "https://elsewhere/v1", None),
    ],
)
async def test_only_what_no_proxy_is_named_for_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch, named: dict[str, str], url: str, proxy: str | None
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert HttpClient().proxy(url) == proxy
