"""Noticing that the database changed, for everything in one event loop that waits.

Commits of this process are told by the store at once. Those of other processes are found by asking the engine
for its version, which costs about nothing, and only while somebody waits.
"""

import asyncio
import contextlib

from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore

#: How often the version is asked for while somebody waits.
LOOK_EVERY_S = 0.02
#: Between two looks at a database that can not be read.
REFUSED_S = 0.5


class Changes:
    """Wakes waiters when something was committed, by whomever."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Future[None] = self._loop.create_future()
        self._seen: int | None = None  # the version that the last look met, kept between waits
        self._waiters = 0
        self._poll: asyncio.Task[None] | None = None
        self._unlisten = store.on_commit(self.notify)

    def mark(self) -> "asyncio.Future[None]":
        """Taken before reading: a later ``wait`` with it returns at once when something changed in between."""
        return self._next

    async def wait(self, seconds: float, since: "asyncio.Future[None] | None" = None) -> bool:
        """Wait for the next change (since a mark), at most so many seconds; whether there was one."""
        awaited = self._next if since is None else since
        if awaited.done():
            return True
        self._waiters += 1
        if self._poll is None:
            self._poll = self._loop.create_task(self._look(), name="lanes-changes")
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(awaited)
        except TimeoutError:
            return False
        finally:
            self._waiters -= 1
        return True

    async def close(self) -> None:
        """Stop looking; whoever waits sleeps to its end."""
        self._unlisten()
        if self._poll is not None:
            self._poll.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poll
        self._next.cancel()

    def notify(self) -> None:
        """Wake everyone who waits. From the event loop only."""
        woken, self._next = self._next, self._loop.create_future()
        if not woken.done():
            woken.set_result(None)

    async def _look(self) -> None:
        try:
            while self._waiters:
                await self._look_once()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._poll = None

    async def _look_once(self) -> None:
        try:
            version = await self._store.version()
        except StorageError:
            self.notify()  # whoever waits reads next, and meets the error itself
            await asyncio.sleep(REFUSED_S)
            return
        if version != self._seen:
            self._seen = version
            self.notify()
