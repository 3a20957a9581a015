"""Notices changes of the database, for all waiters of one event loop.

The store reports commits of this process at once. Commits of other processes are found by polling the version of the
database, which is cheap, and only while there is a waiter.
"""

import asyncio

from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore
from lanes_storage.threads import call_off

#: Seconds between two polls of the version while there is a waiter.
LOOK_EVERY_S = 0.02
#: Seconds between two polls of a database that cannot be read.
REFUSED_S = 0.5


class Changes:
    """Wakes waiters after a commit of any process."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Future[None] = self._loop.create_future()
        self._seen: int | None = None  # the version at the last poll, kept between waits
        self._waiters = 0
        self._poll: asyncio.Task[None] | None = None
        self._unlisten = store.on_commit(self.notify)

    def mark(self) -> "asyncio.Future[None]":
        """A mark to take before reading: a later ``wait`` with it returns at once if something changed in between."""
        return self._next

    async def wait(self, seconds: float, since: "asyncio.Future[None] | None" = None) -> bool:
        """Wait for the next change (since a mark), at most so many seconds; returns whether there was one."""
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
        """Stop polling, and wake the waiters: what they read next tells them that the store is closed."""
        self._unlisten()
        if self._poll is not None:
            await call_off(self._poll)
        self.notify()

    def notify(self) -> None:
        """Wake all waiters. From the event loop only."""
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
            self.notify()  # the waiters read next, and get the error themselves
            await asyncio.sleep(REFUSED_S)
            return
        if version != self._seen:
            self._seen = version
            self.notify()
