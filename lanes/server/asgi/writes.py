"""Joins what a response writes in one turn of the event loop: each write is a system call, and wakes the client."""

import asyncio
from typing import Any

#: The most bytes held back until the end of the turn: for a larger body, one more write costs little.
MOST_BYTES = 65_536
_HEAD = b"HTTP/1.1 "


class TurnTransport:
    """A transport that sends the first write of a turn at once, and further ones at the end of the turn.

    A head waits for its body: they are separate writes, mostly in the same turn. All other methods are unchanged.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._waiting: list[bytes] = []
        self._size = 0
        self._written = 0
        self._in_turn = False  # the end of the turn is scheduled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, together with the rest of this turn."""
        gathers = self._in_turn or data.startswith(_HEAD)
        if not self._in_turn:
            self._in_turn = True
            self._call_soon(self._end_turn)
        self._waiting.append(data)
        self._size += len(data)
        if not gathers or self._size > MOST_BYTES:  # too much is sent now, so that the transport can pause the writer
            self.flush()

    def flush(self) -> None:
        """Send the waiting data."""
        if self._waiting:
            waiting, self._waiting, self._size = self._waiting, [], 0
            if not self._transport.is_closing():
                data = b"".join(waiting)
                self._written += len(data)
                self._transport.write(data)

    @property
    def sent(self) -> int | None:
        """How many bytes the system has taken for the client; None if it has taken all."""
        left: int = self._transport.get_write_buffer_size()
        return self._written - left if left else None

    def close(self) -> None:
        """Send the waiting data, then close."""
        self.flush()
        self._transport.close()

    def _end_turn(self) -> None:
        self._in_turn = False
        self.flush()
