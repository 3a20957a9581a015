"""What an answer writes in one turn of the event loop leaves in one piece: each write is a call of the system, and
wakes whoever reads."""

import asyncio
from typing import Any

#: So much waits for the end of the turn at most; what comes beside a body of this size costs nothing.
MOST_BYTES = 65_536


class TurnTransport:
    """A transport that is written to once a turn. Everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write with the rest of this turn."""
        if not self._waiting:
            self._call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > MOST_BYTES:  # now, so that the transport can say that it has enough
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
