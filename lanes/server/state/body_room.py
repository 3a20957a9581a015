"""The memory budget for large request bodies, shared by all connections."""

import asyncio

#: The most bytes of large bodies that are being read or not stored yet. A body larger than that is read alone.
MOST_BYTES = 256 * 1024 * 1024
#: The longest time that a request waits for its turn (s).
PATIENCE_S = 30.0


class BodyRoom:
    """Grants memory to requests in order of arrival. Nothing is read from the connection of one that waits, so that its
    client waits, too. Belongs to the event loop."""

    def __init__(self) -> None:
        self._used = 0
        self._line = asyncio.Lock()  # first come, first served: small bodies must not starve a large one
        self._released = asyncio.Event()

    async def take(self, size: int) -> int:
        """Wait for room for a body; returns the bytes to give back. Raises TimeoutError after ``PATIENCE_S``."""
        size = min(size, MOST_BYTES)
        async with asyncio.timeout(PATIENCE_S), self._line:
            while self._used + size > MOST_BYTES:
                self._released.clear()
                await self._released.wait()
            self._used += size
        return size

    def give(self, size: int) -> None:
        """Give back the room of a body that is stored, or not needed any more."""
        self._used -= size
        self._released.set()
