"""The waits of runs whose clients poll for a message: one wait in the database, and not one for each request."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from lanes_storage.errors import StorageError
from lanes_storage.threads import kept

#: How long a wait goes on after a request whose time was over, in seconds: longer than a client takes to come again.
LEASE_S = 5.0


class PolledWaits:
    """``end`` stores that a run no longer waits for a message. For the event loop."""

    def __init__(self, end: Callable[[int, int], Coroutine[Any, Any, object]]) -> None:
        self._end = end
        self._left: dict[tuple[int, int], asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def take(self, run: int, message: int) -> bool:
        """Whether that wait goes on since an earlier request; whoever takes it must end it or leave it."""
        timer = self._left.pop((run, message), None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def leave(self, run: int, message: int) -> None:
        """Let the wait go on for the next request; it ends after ``LEASE_S`` if none comes."""
        self.take(run, message)
        loop = asyncio.get_running_loop()
        self._left[run, message] = loop.call_later(LEASE_S, self._expire, run, message)

    def _expire(self, run: int, message: int) -> None:
        del self._left[run, message]
        kept(self._ending, self._end_quietly(run, message), "lanes-wait-ends")

    async def _end_quietly(self, run: int, message: int) -> None:
        with suppress(StorageError):  # it ends with the run, or with this process
            await self._end(run, message)

    def close(self) -> None:
        """Leave what still waits to the end of this process."""
        for timer in self._left.values():
            timer.cancel()
        self._left.clear()
