"""Keeps a silent stream alive by events of its dialect: some clients do not count comments as a sign of life."""

import asyncio
import contextlib
import json
from types import TracebackType

from lanes.runners.passing.exchange import Exchange

#: How many seconds of silence pass before each sign of life.
EVERY_S = 15.0
_COMMENT = b": still here\n\n"
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class Keepalive:
    """Sends signs of life to the client while the provider is silent, between two of its events. They do not end that
    silence: the timeouts still count."""

    def __init__(self, exchange: Exchange, dialect: str) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._last = self._loop.time()

    def __enter__(self) -> "Keepalive":
        if self._exchange.follower is not None and not self._exchange.sized:
            self._timer = self._loop.call_later(EVERY_S, self._due)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def over(self) -> None:
        """The silence is over: the provider has sent something."""
        self._last = self._loop.time()

    def _due(self) -> None:
        left = self._last + EVERY_S - self._loop.time()
        if left <= 0:
            follower = self._exchange.follower
            if follower is not None and follower.between and follower.plain and (frame := self._frame()):
                self._sending = self._loop.create_task(self._send(frame))
            self._last, left = self._loop.time(), EVERY_S
        self._timer = self._loop.call_later(left, self._due)

    async def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # the client has left, which its connection notices itself
            await self._exchange.beside(frame)

    def _frame(self) -> bytes:
        if self._dialect == "messages":
            return _PING
        follower = self._exchange.follower
        if follower is None or follower.response is None:  # chat, or no response that could be in progress
            return _COMMENT
        response = {"id": follower.response, "object": "response", "status": "in_progress", "output": []}
        event = {"type": "response.in_progress", "response": response, "sequence_number": follower.sequence}
        return f"event: response.in_progress\ndata: {json.dumps(event)}\n\n".encode()
