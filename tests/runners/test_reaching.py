"""How a provider is reached: its own headers, query and fields, its proxy, its certificates."""

import asyncio
import json
import ssl
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.runners.http.client import HttpClient, Through, endpoint
from lanes.runners.http.failures import AttemptFailed
from tests.kit.asking import ask, refused
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server

TLS = Path(__file__).parents[1] / "fixtures" / "tls"


async def test_what_its_own_settings_add(client: HttpClient) -> None:
    """As Azure and OpenRouter need it."""
    calls: list[Call] = []

    async def answer(call: Call) -> None:
        calls.append(call)
        await call.say(STREAM, chunk("x", "stop"), DONE)

    async with raw_server(answer) as url:
        more: dict[str, Any] = {
            "headers": {"X-Title": "lanes"},
            "extra_body": {"provider": {"order": ["a"]}, "messages": []},
        }
        await ask(client, provider(url, api_key="sk-1", api_key_header="API-Key", **more))
    (call,) = calls
    assert (call.headers["x-title"], call.headers["api-key"]) == ("lanes", "sk-1")
    assert "authorization" not in call.headers
    assert (call.body["provider"], call.body["messages"], call.body["stream"]) == ({"order": ["a"]}, [], True)


async def test_F464_what_a_provider_repeats_of_its_address_and_headers_is_no_secret(client: HttpClient) -> None:
    secret = "s3cr3t/0815/4711"

    async def answer(call: Call) -> None:
        said = json.dumps({"error": {"message": f"bad: {call.target} {secret} {call.headers['x-vendor-auth']}"}})
        await call.say(b"HTTP/1.1 400 no\r\nconnection: close\r\n\r\n" + said.encode())

    async with raw_server(answer) as url:
        named: dict[str, Any] = {"query": {"key": secret, "v": "1"}, "headers": {"X-Vendor-Auth": "Basic dXNlcjpwYXNz"}}
        failure = await refused(client, provider(url, **named))
    assert failure.message.endswith("bad: /v1/chat/completions?key=***&v=1 *** Basic ***")


async def test_its_key_goes_where_its_dialect_has_it(client: HttpClient) -> None:
    calls: list[Call] = []

    async def answer(call: Call) -> None:
        calls.append(call)
        call.writer.close()

    async with raw_server(answer) as url:
        ways: list[tuple[str, dict[str, Any]]] = [("messages", {}), ("messages", {"api_key_header": "Authorization"})]
        for dialect, more in [*ways, ("responses", {})]:
            await refused(client, provider(url, api_key="sk-1", dialect=dialect, **more))
    assert [(call.headers.get("x-api-key"), call.headers.get("authorization")) for call in calls] == [
        ("sk-1", None), (None, "Bearer sk-1"), (None, "Bearer sk-1"),
    ]  # fmt: skip
    assert [call.headers.get("anthropic-version") for call in calls] == ["2023-06-01", "2023-06-01", None]


def test_the_address_of_a_route() -> None:
    query = (("api-version", "2026-01-01"), ("a", "b c"))
    assert (
        endpoint("https://h/openai/", "responses", query) == "https://h/openai/responses?api-version=2026-01-01&a=b+c"
    )
    assert endpoint("https://h/v1", "messages") == "https://h/v1/messages"


async def test_through_its_own_proxy(client: HttpClient) -> None:
    asked: list[bytes] = []

    async def proxied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        writer.write(STREAM + chunk("by proxy", "stop") + DONE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxied, "127.0.0.1", 0)
    through = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client.prepare("one", Through(through))
    assert (await ask(client, provider("http://127.0.0.1:9/v1", proxy=through))).text == "by proxy"
    assert asked == [b"POST http://127.0.0.1:9/v1/chat/completions HTTP/1.1"]
    server.close()


@pytest.mark.parametrize("opens", [True, False])
async def test_through_a_tunnel_of_its_proxy(client: HttpClient, opens: bool) -> None:
    """The request itself goes out once the tunnel stands: only then the wait for its answer begins."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(STREAM + chunk("in the tunnel", "stop") + DONE)
        await writer.drain()
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        before.extend(phases)
        if not opens:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", port)
        ways = [(reader, there[1]), (there[0], writer)]
        await asyncio.gather(*(_passed_on(*way) for way in ways))

    phases: list[str] = []
    before: list[str] = []  # when the proxy was asked
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    port, trusted = server.sockets[0].getsockname()[1], str(TLS / "cert.pem")
    through = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    client.prepare("one", Through(through, trusted))
    reached = provider(f"https://127.0.0.1:{port}/v1", proxy=through, ca_file=trusted)
    if opens:
        assert (await ask(client, reached, begins=lambda cause, _: phases.append(cause))).text == "in the tunnel"
        assert asked[1] == b"POST /v1/chat/completions HTTP/1.1"
        assert phases[:2] == ["connect_timeout", "first_byte_timeout"]
    else:
        failure = await refused(client, reached)
        assert (failure.cause, failure.message) == ("unreachable", "not reachable: its proxy answers HTTP 407")
    assert asked[0] == f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode()
    assert before == phases[:1]
    server.close()
    proxy.close()


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_F817_a_provider_whose_proxy_opens_no_tunnel_got_no_request(client: HttpClient, answer: bytes) -> None:
    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    through = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    client.prepare("one", Through(through))
    failure = await refused(client, provider("https://elsewhere.example/v1", proxy=through))
    assert failure.cause == "unreachable"
    assert failure.message.startswith("not reachable: ")
    proxy.close()


async def test_F820_a_proxy_that_refuses_the_password_says_nothing_of_the_message(client: HttpClient) -> None:
    """Of a provider without encryption, it answers the request itself."""

    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    async with raw_server(answer) as through:
        client.prepare("one", Through(through))
        failure = await refused(client, provider("http://elsewhere.example/v1", proxy=through))
    assert (failure.cause, failure.message) == ("unreachable", "HTTP 407")


@pytest.mark.parametrize("encrypted", [False, True])
async def test_F816_the_name_and_the_password_of_a_proxy_go_out_in_utf_8(
    monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """As curl sends them."""
    came: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
    monkeypatch.setenv("ALL_PROXY", f"http://m%C3%BCller:5%E2%82%AC%40@127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    client = HttpClient()
    await refused(client, provider(f"http{'s' if encrypted else ''}://elsewhere.example/v1"))
    (head,) = came
    sent = b64encode("müller:5€@".encode()).decode()
    assert f"\r\nproxy-authorization: basic {sent}\r\n".lower().encode() in head.lower()
    assert (b"\r\nauthorization:" in head.lower()) is False
    await client.aclose()
    proxy.close()


@pytest.mark.parametrize(
    "named",
    [
        "http://me:s3cr3t/x@h:3128",
        "http://me:s3cr3t#x@h:3128",
        "http://me:[s3cr3t]@h:3128",
        "http://me:s3cr3t\u2100@h:3128",
        "http://me:s3cr3t@h:99999",
        "http://me:s3cr3t@h:0",
        "socks5://me:s3cr3t@h:1080",
        "http://",
    ],
)
def test_F816_a_proxy_of_the_environment_that_is_none_is_refused_at_the_start_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", named)
    with pytest.raises(ConfigError, match="it is not the address of an HTTP proxy") as refusal:
        HttpClient()
    assert "s3cr3t" not in "".join(traceback.format_exception(refusal.value))


def test_F819_a_proxy_of_another_kind_for_what_has_its_own_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Desktops name all three."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://h:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://h:1080")
    assert HttpClient().proxy("https://elsewhere.example/v1") == "http://h:3128"


@pytest.fixture
async def heads() -> AsyncIterator[tuple[str, list[bytes]]]:
    """The address of what answers as a provider and as a proxy, and the heads of the requests that came there."""
    came: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(STREAM + chunk("heard", "stop") + DONE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    server.close()


@pytest.mark.parametrize("proxied", [False, True])
async def test_F463_a_header_that_is_not_ascii_goes_out_as_utf_8_on_each_way(
    client: HttpClient, heads: tuple[str, list[bytes]], proxied: bool
) -> None:
    here, came = heads
    client.prepare("one", Through(here))
    asked = provider("http://h.example/v1", proxy=here) if proxied else provider(f"{here}/v1")
    assert (await ask(client, asked, extra={"x-title": "Café 漢字", "x-half": "ha\ud800lf"})).text == "heard"
    assert "\r\nx-title: Café 漢字\r\n".encode() in came[0].replace(b"X-Title", b"x-title")
    assert b"half\r\n" in came[0]


@pytest.mark.parametrize("proxied", [False, True])
async def test_F463_a_header_that_cannot_be_sent_is_the_requests_own_fault_on_each_way(
    client: HttpClient, heads: tuple[str, list[bytes]], proxied: bool
) -> None:
    here, came = heads
    client.prepare("one", Through(here))
    asked = provider("http://h.example/v1", proxy=here) if proxied else provider(f"{here}/v1")
    with pytest.raises(AttemptFailed) as failed:
        await ask(client, asked, extra={"x-title": "a\r\nx-smuggled: b"})
    assert failed.value.cause == "bad_request"
    assert came == []


async def test_trusted_by_its_own_certificates(client: HttpClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(STREAM + chunk("trusted", "stop") + DONE)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    trusted = str(TLS / "cert.pem")
    client.prepare("one", Through(None, trusted))
    assert (await ask(client, provider(url, ca_file=trusted))).text == "trusted"
    failure = await refused(client, provider(url))
    assert failure.cause == "unreachable"
    assert failure.message.endswith(" (see `ca_file` of provider first)")
    server.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_are_none_are_a_matter_of_configuration(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="provider 'one': its ca_file"):
        HttpClient().prepare("one", Through(None, str(file)))


def test_the_file_says_all_of_it(tmp_path: Path) -> None:
    data = {
        "runner": [{"name": "r", "kind": "provider", "providers": ["one"]}],
        "provider": [
            {
                "name": "one", "base_url": "http://h/v1", "model": "m", "headers": {"x-a": "b"}, "query": {"v": "1"},
                "extra_body": {"a": {"b": [1]}}, "proxy": "http://h:3128", "ca_file": "ca.pem", "max_tokens": 5,
                "api_key_header": "api-key",
            }
        ],
    }  # fmt: skip
    made = from_data(data, env={}).providers["one"]
    assert (made.headers, made.query, made.extra_body) == ({"x-a": "b"}, {"v": "1"}, {"a": {"b": [1]}})
    assert (made.proxy, made.max_tokens, made.api_key_header) == ("http://h:3128", 5, "api-key")
    assert made.ca_file is not None
    assert Path(made.ca_file).is_absolute()
    assert json.dumps([setting.to_json() for setting in from_data(data, env={}).settings()])
