"""HTTP servers written by hand, for answers that no well-behaved server gives."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Call:
    """One connection on which a request came: what was asked, and the means to answer it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    target: str = ""  # what the first line of the request asks for
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    async def say(self, *pieces: bytes) -> None:
        """Send bytes, each piece on its own; what follows is done before a client in this loop hears the last one."""
        for piece in pieces:
            await asyncio.sleep(0)
            self.writer.write(piece)
            await self.writer.drain()

    async def until_left(self) -> None:
        """Wait until the client closes the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    def reset(self) -> None:
        """Close with a TCP reset."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Answering = Callable[[Call], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(answer: Answering) -> AsyncIterator[str]:
    """Serve on loopback; ``answer`` is called for each request, and its connection closed behind it."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = Call(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while await _request(call):
                await answer(call)
                if "keep" not in call.headers.get("x-test", ""):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, which is its right
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(call: Call) -> bool:
    head = await call.reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    call.target = first.split(" ")[1]
    call.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await call.reader.readexactly(int(call.headers.get("content-length", "0")))
    call.body = json.loads(body) if body else None
    return True


def event(data: Any) -> bytes:
    """One server-sent event with a JSON object in it."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """One chunk of a chat stream, as an event."""
    if text is not None:
        delta["content"] = text
    return event({"model": "raw-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
