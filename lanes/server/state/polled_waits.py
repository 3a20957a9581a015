"""The waits of runs whose clients poll for a message: one stored wait for all requests, not one for each."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from lanes_storage.errors import StorageError
from lanes_storage.threads import kept

#: How long a wait stays open after a request that timed out, in seconds: longer than a client takes to ask again.
LEASE_S = 5.0


class PolledWaits:
    """``end`` stores that a run no longer waits for a message. For the event loop."""

    def __init__(self, end: Callable[[int, int], Coroutine[Any, Any, object]]) -> None:
        self._end = end
        self._left: dict[tuple[int, int], asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def take(self, run: int, message: int) -> bool:
        """Take over the wait that an earlier request left open, if there is one. The caller must end or leave it."""
        timer = self._left.pop((run, message), None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def leave(self, run: int, message: int) -> None:
        """Leave the wait open for the next request. It ends after ``LEASE_S`` if none comes."""
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
        """Cancel the timers. Open waits end with this process."""
        for timer in self._left.values():
            timer.cancel()
        self._left.clear()
