"""A provider that keeps each request byte by byte, and answers what it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Asked:
    """One request, as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def raw(self) -> str:
        """All of it as text."""
        return f"{self.method} {self.target} {self.headers} {self.body!r}"


@dataclass(slots=True)
class Mirror:
    """What it was asked. ``status`` and ``body`` are its answer, or ``pieces`` of a stream: an event is waited for, and
    None breaks the connection off. ``encoding`` is what it says of a body."""

    status: int
    body: bytes
    encoding: str | None
    pieces: Sequence[bytes | asyncio.Event | None] | None
    requests: list[Asked] = field(default_factory=list)
    url: str = ""


@contextlib.asynccontextmanager
async def mirror(
    *,
    status: int = 200,
    body: bytes = b'{"ok": true}',
    encoding: str | None = None,
    pieces: Sequence[bytes | asyncio.Event | None] | None = None,
) -> AsyncIterator[Mirror]:
    """Serve on loopback."""
    seen = Mirror(status, body, encoding, pieces)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                seen.requests.append(await _read(reader))
                await _answer(seen, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    method, target, _ = first.split(" ")
    body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
    return Asked(method, target, headers, body)


async def _answer(seen: Mirror, writer: asyncio.StreamWriter) -> None:
    more = "x-from: the provider\r\nretry-after: 7\r\nconnection: close\r\n"
    if seen.pieces is None:
        more += "" if seen.encoding is None else f"content-encoding: {seen.encoding}\r\n"
        head = f"HTTP/1.1 {seen.status} x\r\ncontent-type: application/json\r\n{more}"
        content = b"" if seen.requests[-1].method == "HEAD" else seen.body
        writer.write(f"{head}content-length: {len(seen.body)}\r\n\r\n".encode() + content)
        await writer.drain()
        return
    writer.write(
        f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{more}\r\n".encode()
    )
    for piece in seen.pieces:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
        elif piece is None:
            writer.transport.abort()
            return
        else:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
