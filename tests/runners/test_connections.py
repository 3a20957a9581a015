"""Connections to providers: kept, left, never trusted for more than they said; and the way through a proxy."""

import asyncio
import base64
import contextlib

import pytest

from lanes.errors import ConfigError
from lanes.runners import exchange, pool
from lanes.runners.address import target_of
from lanes.runners.http import HttpClient
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server
from tests.kit.until import until

BODY = chunk("x", "stop") + DONE
KEEP = {"x-test": "keep"}


def bounded(*more: str) -> bytes:
    """An answer after which its connection may be used again."""
    head = ["HTTP/1.1 200 OK", "content-type: text/event-stream", f"content-length: {len(BODY)}", *more, "", ""]
    return "\r\n".join(head).encode() + BODY


class Counted:
    """Answers, and counts the connections on which it was asked."""

    def __init__(self, said: bytes = bounded()) -> None:
        self.connections: set[object] = set()
        self._said = said

    async def __call__(self, call: Call) -> None:
        self.connections.add(call.writer.get_extra_info("peername"))
        await call.say(self._said)


@pytest.mark.parametrize("said", [bounded("connection: close"), STREAM + BODY, bounded() + b"HTTP/1.1 200 more\r\n"])
async def test_a_connection_that_is_not_to_be_used_again(client: HttpClient, said: bytes) -> None:
    counted = Counted(said)
    async with raw_server(counted) as url:
        for _ in range(3):
            assert (await ask(client, provider(url), extra=KEEP)).text == "x"
    assert len(counted.connections) == 3


async def test_a_connection_that_its_server_has_left_is_not_used_again(client: HttpClient) -> None:
    counted = Counted()
    async with raw_server(counted) as url:
        assert (await ask(client, provider(url))).text == "x"  # the server closes it behind the answer
        assert (await ask(client, provider(url))).text == "x"
    assert len(counted.connections) == 2


async def test_at_most_so_many_are_kept_and_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEPT_IDLE", 2)
    monkeypatch.setattr(pool, "KEPT_IDLE_S", 0.3)
    open_now = 0
    together = asyncio.Event()

    async def answer(call: Call) -> None:
        nonlocal open_now
        open_now += 1
        if open_now == 5:
            together.set()
        await together.wait()
        await call.say(bounded())
        await call.until_left()
        open_now -= 1

    async with raw_server(answer) as url, contextlib.aclosing(HttpClient()) as client:
        await asyncio.gather(*(ask(client, provider(url)) for _ in range(5)))
        await until(lambda: open_now <= 2, "three connections to be closed at once")
        await until(lambda: open_now == 0, "the others to be closed")


async def test_an_answer_that_is_not_read_is_not_taken_in_for_ever(client: HttpClient) -> None:
    taken = 0

    async def answer(call: Call) -> None:
        nonlocal taken
        await call.say(STREAM)
        with contextlib.suppress(ConnectionError):
            while True:
                await call.say(b": nothing\n\n" * 10_000)
                taken += 1

    async with raw_server(answer) as url:
        before, settled = -1, 0
        async with client.post(f"{url}/x", b"", {}, lambda: None) as unread:
            while settled < 20:  # the sockets are full when nothing more has gone out in many turns
                await asyncio.sleep(0.01)
                settled = settled + 1 if taken == before else 0
                before = taken
            chunks = unread.chunks()
            assert len(await anext(chunks)) < 2 * exchange.MOST_UNREAD_BYTES
            await anext(chunks)  # it goes on
            await chunks.aclose()


async def test_hints_before_the_answer(client: HttpClient) -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\ncontent-type: text/html\r\nlink: </a>\r\n\r\n"
    async with raw_server(lambda call: call.say(early + bounded())) as url:
        assert (await ask(client, provider(url))).text == "x"


async def test_lines_that_end_with_a_line_feed_alone(client: HttpClient) -> None:
    async with raw_server(lambda call: call.say(bounded().replace(b"\r\n", b"\n"))) as url:
        assert (await ask(client, provider(url))).text == "x"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"x-much: " + b"x" * 300_000, "a head of more than"),
        (bounded("content-encoding: br"), "encoded as 'br'"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", ""),
    ],
)
async def test_what_is_no_answer(client: HttpClient, said: bytes, words: str) -> None:
    async with raw_server(lambda call: call.say(said)) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.GARBAGE
    assert words in failure.message


@pytest.mark.parametrize("key", ["sk-one\r\nx-two: 2", "sk-é"])
async def test_a_key_that_no_header_can_hold(client: HttpClient, key: str) -> None:
    async with raw_server(Counted()) as url:
        failure = await refused(client, provider(url, api_key=key))
    assert failure.cause is AttemptCause.BAD_REQUEST
    assert key not in failure.message


async def test_who_asks_may_stand_in_the_address(client: HttpClient) -> None:
    said: list[str] = []

    async def answer(call: Call) -> None:
        said.append(call.headers["authorization"])
        await call.say(bounded())

    async with raw_server(answer) as url:
        known = url.replace("://", "://me:p%40ss@")
        await ask(client, provider(known))
        await ask(client, provider(known, api_key="sk-1"))
    assert said == ["Basic " + base64.b64encode(b"me:p@ss").decode(), "Bearer sk-1"]


@pytest.mark.parametrize(
    ("address", "target", "host"),
    [
        ("http://h/v1/a", b"/v1/a", b"h"),
        ("http://h:80/a?b=c d", b"/a?b=c%20d", b"h"),
        ("https://h:80/a%2Fb/é", b"/a%2Fb/%C3%A9", b"h:80"),
        ("http://[::1]:8000/a", b"/a", b"[::1]:8000"),
        ("https://bücher.example/a", b"/a", b"xn--bcher-kva.example"),
    ],
)
def test_what_goes_over_the_wire(address: str, target: bytes, host: bytes) -> None:
    found = target_of(address)
    assert (found.target, found.host) == (target, host)


async def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")[0])
        writer.write(bounded("connection: close"))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with contextlib.aclosing(HttpClient()) as client:
        assert (await ask(client, provider("http://far.invalid/v1"))).text == "x"
    assert asked == ["POST http://far.invalid/v1/chat/completions HTTP/1.1"]
    server.close()


async def test_certificates_that_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        HttpClient()
