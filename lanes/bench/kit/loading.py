"""A lightweight HTTP client, so that the client is not what is measured."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """The results of many requests."""

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies_ms) / self.seconds


def request(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def load(port: int, connections: int, requests: Iterator[bytes], seen: Callable[[bytes], None] | None = None) -> Load:
    """Send requests over several connections; each sends the next one as soon as it has its whole answer."""
    return asyncio.run(_load(port, connections, requests, seen))


@contextmanager
def held_open(port: int, requests: Iterable[bytes]) -> Iterator[None]:
    """Streams that stay open during the block, each on its own connection; they are opened one after the other."""
    with ExitStack() as ending:
        for one in requests:
            stream = ending.enter_context(socket.create_connection(("127.0.0.1", port)))
            stream.sendall(one)
            seen = b""
            while b"data: " not in seen:
                chunk = stream.recv(65536)
                if not chunk:
                    raise RuntimeError(f"the server ended a stream: {seen[:200]!r}")
                seen += chunk
        yield


async def _load(port: int, connections: int, requests: Iterator[bytes], seen: Callable[[bytes], None] | None) -> Load:
    result = Load(0.0)

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for one in requests:
            started = time.perf_counter()
            writer.write(one)
            result.statuses.add(await _answer(reader, seen))
            result.latencies_ms.append(1000 * (time.perf_counter() - started))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(connections)))
    result.seconds = time.perf_counter() - started
    return result


async def _answer(reader: asyncio.StreamReader, seen: Callable[[bytes], None] | None) -> int:
    """Read one whole answer; returns its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, lower = int(head[9:12]), head.lower()
    at = lower.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
        return status
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunk = await reader.readexactly(size + 2)
        if seen is not None:
            seen(chunk)
    await reader.readexactly(2)
    return status
