"""One response on its way to a client, with the means to misbehave that servers normally lack."""

import asyncio
import time
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

#: The ASGI extension under which ``server`` gives the application the function that kills a connection.
KILL_EXTENSION = "lanes.kill"


class Wire:
    """Sends the bytes of one response; ``tempo`` divides every pause in it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, tempo: float) -> None:
        self._kill: Callable[[bool], None] = scope["extensions"][KILL_EXTENSION]
        self._receive, self._send = receive, send
        self._tempo = tempo
        self.was_reset = False
        self.finished_ns: int | None = None  # when the last byte was handed over, by the monotonic clock

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the status line and the headers."""
        pairs = {"content-type": content_type, "cache-control": "no-store"} | dict(headers or {})
        raw = [(name.encode(), value.encode()) for name, value in pairs.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last part of the body and end the response cleanly."""
        self.finished_ns = time.monotonic_ns()  # from now on the client may know that it is over
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def pause(self, seconds: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(seconds / self._tempo)

    async def silence(self) -> None:
        """Send nothing any more, until the connection ends."""
        await asyncio.Event().wait()

    async def reset(self) -> None:
        """Answer with a TCP reset, whatever was sent before."""
        self.was_reset = True
        self._kill(True)
        await self.silence()

    async def left(self) -> None:
        """Wait until the connection has ended."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def abandon(self) -> None:
        """Drop the connection without a word: the provider itself is stopping."""
        self._kill(False)
        await self.left()
