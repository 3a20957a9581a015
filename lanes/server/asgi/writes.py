"""What an answer writes in one turn of the event loop leaves in as few pieces as that takes: each write is a call of
the system, and wakes the client."""

import asyncio
from typing import Any

#: So much waits for the end of the turn at most; what comes beside a body of this size costs nothing.
MOST_BYTES = 65_536
_HEAD = b"HTTP/1.1 "


class TurnTransport:
    """A transport whose first write of a turn leaves at once, and what follows with the end of the turn.

    A head waits for its body: the two are written apart, mostly in the same turn. All else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._waiting: list[bytes] = []
        self._size = 0
        self._in_turn = False  # the end of this turn will be noticed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write with the rest of this turn."""
        gathers = self._in_turn or data.startswith(_HEAD)
        if not self._in_turn:
            self._in_turn = True
            self._call_soon(self._end_turn)
        self._waiting.append(data)
        self._size += len(data)
        if not gathers or self._size > MOST_BYTES:  # then as well, so that the transport can say that it has enough
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            waiting, self._waiting, self._size = self._waiting, [], 0
            if not self._transport.is_closing():
                self._transport.write(b"".join(waiting))

    def close(self) -> None:
        """Write what waits, and close behind it."""
        self.flush()
        self._transport.close()

    def _end_turn(self) -> None:
        self._in_turn = False
        self.flush()
