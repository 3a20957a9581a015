"""Clients that say too much, too little, or too slowly."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from lanes.server import serve
from lanes.server.asgi import protocol
from lanes.server.state import body_room
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, Start

JSON = {"Content-Type": "application/json"}
CONNECTIONS = Path("/proc/net/tcp")
HEAD = b"POST /api/lanes/a/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@contextlib.asynccontextmanager
async def talking(
    served: Served, said: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which that was said before the server, which shares this event loop, could look at it."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(served.url).port))
    connection.sendall(said)
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /"])
async def test_a_head_that_does_not_end(served: Served, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.1)
    async with talking(served, said) as (reader, _):
        answer = await reader.read()  # up to the end of the connection
    assert answer.startswith(b"HTTP/1.1 200") == (b"healthz" in said)


async def test_a_head_that_is_too_long(served: Served) -> None:
    async with talking(served) as (reader, writer):
        with contextlib.suppress(OSError):
            writer.write(HEAD)
            for _ in range(1_000):
                writer.write(b"X-Much: " + b"x" * 1_000 + b"\r\n")
                await writer.drain()
        with contextlib.suppress(OSError):
            assert (await reader.read()).startswith(b"HTTP/1.1 431")
    assert (await served.client.get("/healthz")).status_code == 200


async def test_a_body_that_does_not_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_S", 0.1)
    async with talking(served) as (reader, writer):
        writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"text": ')
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"too_slow"' in answer


async def test_a_client_that_leaves_in_its_body_stores_nothing(served: Served) -> None:
    async with talking(served) as (_, writer):
        writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"text": ')
        await writer.drain()
    assert (await served.client.get("/api/lanes/a")).status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(served: Served, said: bytes) -> None:
    async with talking(served) as (reader, writer):
        writer.write(said)
        answer = await reader.read(100)
    assert answer.startswith(b"HTTP/1.1 400")


HOSTILE = {
    "X-Lanes-Run": "1; DROP TABLE lanes",
    "Idempotency-Key": "",
    "Accept": "text/event-stream" * 100,
    "X-Lanes-Session": "%FF",
    "Authorization": "Bearer \xff",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_headers_are_only_text(served: Served, name: str) -> None:
    body = b'{"text": "hi"}'
    head = f"{name}: {HOSTILE[name]}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    async with talking(served) as (reader, writer):
        writer.write(HEAD + head.encode("latin-1") + body)
        answer = await reader.read(12)
    assert answer in (b"HTTP/1.1 400", b"HTTP/1.1 200", b"HTTP/1.1 202")
    assert (await served.client.get("/api/status")).status_code == 200


LARGE = b'{"text": "%b"}' % (b"x" * 100_000)


@contextlib.asynccontextmanager
async def sending(
    served: Served, size: bytes = b"Content-Length: %d" % len(LARGE)
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a large message has come but for its last byte."""
    chunked = b"" if b"Length" in size else b"%x\r\n" % len(LARGE)
    async with talking(served, HEAD + size + b"\r\n\r\n" + chunked + LARGE[:-1]) as both:
        yield both


async def refused(served: Served) -> httpx.Response | None:
    """The refusal of a large message; None: it was accepted."""
    answer = await served.client.post("/v1/chat/completions", content=LARGE, headers=JSON)
    return answer if answer.status_code == 503 else None


async def test_F724_large_bodies_wait_for_one_another(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_room, "MOST_BYTES", 2 * len(LARGE))
    async with sending(served) as (reader, writer), sending(served):
        with monkeypatch.context() as hasty:
            hasty.setattr(body_room, "PATIENCE_S", 0.0)
            await until(lambda: refused(served), "both to be read")
        third = asyncio.create_task(served.client.post("/api/lanes/b/messages", content=LARGE, headers=JSON))
        assert (await served.post("/api/lanes/c/messages", {"text": "a small one passes"})).status_code == 202
        assert not third.done()
        writer.write(LARGE[-1:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        assert (await third).status_code == 202
    assert (await served.client.post("/api/lanes/d/messages", content=LARGE, headers=JSON)).status_code == 202


@pytest.mark.parametrize("size", [b"Content-Length: %d" % len(LARGE), b"Transfer-Encoding: chunked"])
async def test_F724_a_large_body_whose_turn_does_not_come(
    served: Served, monkeypatch: pytest.MonkeyPatch, size: bytes
) -> None:
    monkeypatch.setattr(body_room, "MOST_BYTES", len(LARGE) // 2)  # a larger one is read alone
    monkeypatch.setattr(body_room, "PATIENCE_S", 0.0)
    async with sending(served, size):
        answer = await until(lambda: refused(served), "it to be read")
        assert answer is not None
        assert answer.headers["retry-after"] == "2"
        assert "large bodies" in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [b"false", b"true"])
async def test_F725_a_request_that_waits_is_only_in_the_database(served: Served, stream: bytes) -> None:
    await served.post("/api/pause")
    body = b'{"messages": [{"role": "user", "content": "remember me"}], "stream": %b}' % stream
    head = HEAD.replace(b"/api/lanes/a/messages", b"/v1/chat/completions") + b"X-Lanes-Session: a\r\n"

    def kept() -> int:
        return sum(type(each) is dict and each.get("content") == "remember me" for each in every_object())

    def every_object() -> Iterator[object]:
        for each in gc.get_objects():
            yield each
            if type(each) is list:  # a dict of nothing but texts is not tracked itself
                yield from each

    async with talking(served, head + b"Content-Length: %d\r\n\r\n" % len(body) + body):
        await until(lambda: served.desk.lanes(), "the message")
        await until(lambda: not kept(), "the request to be forgotten")


async def test_an_idle_connection_is_kept_for_longer_than_a_proxy_keeps_it(served: Served) -> None:
    """Else a request that a proxy or a client sends just as the gateway closes its connection gets no answer."""
    async with talking(served, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as (reader, writer):
        await reader.readuntil(b"}")
        mine = writer.get_extra_info("sockname")
        there = [each for each in gc.get_objects() if type(each) is protocol.BoundedProtocol and each.client == mine]
        closing = there[0].timeout_keep_alive_task
        assert closing is not None
        assert closing.when() - asyncio.get_running_loop().time() > 600


def connections() -> list[list[str]]:
    """What the system says of each."""
    return [line.split() for line in CONNECTIONS.read_text().splitlines()]


@pytest.mark.skipif(not CONNECTIONS.exists(), reason="the system does not show the timers of connections")
async def test_F55_the_system_finds_out_that_the_machine_of_a_waiting_client_is_gone(served: Served) -> None:
    """That sends no end of its connection, and nothing is sent to it while it waits."""
    await served.post("/api/pause")
    body = b'{"text": "waits"}'
    head = HEAD.replace(b"messages", b"messages?wait=60") + b"Content-Length: %d\r\n\r\n" % len(body)
    async with talking(served, head + body) as (_, writer):
        await until(lambda: served.desk.lanes(), "the message")
        there, here = (f"0100007F:{writer.get_extra_info(end)[1]:04X}" for end in ("peername", "sockname"))
        (timer,) = (row[5] for row in connections() if row[1:3] == [there, here])
        kind, until_it = timer.split(":")
        assert kind == "02", "no timer that asks whether the other end is there"
        assert int(until_it, 16) <= 6_000, "a minute, in hundredths of a second"


@contextlib.asynccontextmanager
async def not_reading(served: Served) -> AsyncIterator[socket.socket]:
    """A client that asks for more of the journal than the system takes for it, and reads nothing."""
    await served.post("/api/pause")
    for _ in range(2):
        sent = await served.desk.send("much", "x" * 8_000_000)
        await served.desk.drop(sent.id)  # the journal keeps its text
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", urlsplit(served.url).port))
        client.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: 0\r\n\r\n")
        await until(lambda: followers(served, 1), "the client to be answered")
        yield client


def of_server(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the server itself."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")]


async def followers(served: Served, number: int) -> bool:
    return f"lanes_journal_followers {number}\n" in (await served.client.get("/metrics")).text


async def test_F727_a_client_that_reads_nothing_is_disconnected(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with not_reading(served) as client:
        monkeypatch.setattr(protocol, "READ_S", 0.0)
        await until(lambda: followers(served, 0), "the client to be forgotten")
        said = b""
        while piece := client.recv(1_000_000):
            said = piece
        assert not said.endswith(b"\r\n0\r\n\r\n"), "it was told that this is the end"
    assert not of_server(caplog)


async def test_F727_a_gateway_stops_quietly_beside_clients_that_neither_read_nor_send(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "STOP_S", 0.05)
    served = await start()
    async with not_reading(served), talking(served) as (reader, writer):
        writer.write(HEAD + b'Content-Length: 100\r\nExpect: 100-continue\r\n\r\n{"text": ')
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        served.stop.set()
        await served.serving
        assert b"HTTP/1.1 503" in await reader.read()
    assert not of_server(caplog)
