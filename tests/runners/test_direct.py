"""What is loaded, and when, to ask a provider without a proxy."""

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
assert "httpx" not in sys.modules, "it is for proxies"
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


@pytest.mark.parametrize(
    ("variable", "direct"),
    [("HTTPS_PROXY", False), ("ALL_PROXY", False), ("LANES_NO_SUCH", True), ("NO_PROXY", True), ("FTP_PROXY", True)],
)
async def test_only_what_no_proxy_is_named_for_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch, variable: str, direct: bool
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    made = HttpClient()
    assert made.way("http://127.0.0.1:9/v1") is made.way("http://[::1]/") is None, "it is loaded with the first request"
    assert (made.way("https://elsewhere/v1") is None) == direct
    await made.aclose()
