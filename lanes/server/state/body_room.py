"""Room in memory for the bodies of requests, of all connections together."""

import asyncio

#: The bytes of all large bodies that are read, or not stored yet. A larger one is read alone.
MOST_BYTES = 256 * 1024 * 1024
#: The longest time that a request waits for its turn.
PATIENCE_S = 30.0


class BodyRoom:
    """Gives room to one request after another. Until then nothing is read from its connection, so that its client
    waits. Belongs to the event loop."""

    def __init__(self) -> None:
        self._used = 0
        self._line = asyncio.Lock()  # so that smaller bodies do not pass a large one for ever
        self._released = asyncio.Event()

    async def take(self, size: int) -> int:
        """Wait for room for a body; returns what to give back. Raises TimeoutError."""
        size = min(size, MOST_BYTES)
        async with asyncio.timeout(PATIENCE_S), self._line:
            while self._used + size > MOST_BYTES:
                self._released.clear()
                await self._released.wait()
            self._used += size
        return size

    def give(self, size: int) -> None:
        """The body is stored, or not needed any more."""
        self._used -= size
        self._released.set()
