"""Waiting for messages to end: one query for all waiters, after each change of the database."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable

from lanes.host.changes import Changes
from lanes.records import Message
from lanes_storage import reads, records
from lanes_storage.errors import StorageError, StoreClosed
from lanes_storage.interface import AsyncStore
from lanes_storage.threads import call_off

#: The pause between two queries, so that a burst of commits costs one query.
REST_S = 0.002
#: How long to wait for a change before querying anyway, in case a change was missed.
LOOK_ANYWAY_S = 1.0
#: The waiters get the error after this many failed reads in a row, REFUSED_S apart.
MOST_REFUSALS = 5
REFUSED_S = 1.0


class Endings:
    """Gives waiters their message once it has reached a terminal state, whichever process ended it."""

    def __init__(self, store: AsyncStore, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._waiting: defaultdict[int, set[asyncio.Future[Message]]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def wait(self, message_id: int, timeout: float | None) -> Message | None:
        """The message once it has ended; None if it has not within ``timeout`` seconds."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message_id].add(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="lanes-endings")
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            return None
        finally:
            waiting = self._waiting.get(message_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[message_id]

    async def close(self) -> None:
        """Stop polling. Remaining waiters get the end of their message, or StoreClosed."""
        if self._task is not None:
            await call_off(self._task)
        with contextlib.suppress(Exception):  # the waiters get StoreClosed
            self._resolve(await self._ended(tuple(self._waiting)))
        self._fail(StoreClosed(self._store.name))

    async def _look(self) -> None:
        refusals = 0
        while self._waiting:
            mark = self._changes.mark()
            ids = tuple(self._waiting)
            try:
                ended = await self._ended(ids)
            except Exception as error:
                refusals += 1
                may_pass = isinstance(error, StorageError) and not isinstance(error, StoreClosed)
                if not may_pass or refusals >= MOST_REFUSALS:
                    self._fail(error)
                    return
                await asyncio.sleep(REFUSED_S)
                continue
            refusals = 0
            self._resolve(ended)
            await asyncio.sleep(REST_S)
            if self._waiting.keys() <= set(ids) - {message.id for message in ended}:
                await self._changes.wait(LOOK_ANYWAY_S, mark)

    async def _ended(self, ids: tuple[int, ...]) -> list[records.MessageRow]:
        return await self._store.read(reads.ended_among(ids))

    def _resolve(self, ended: Iterable[records.MessageRow]) -> None:
        for row in ended:
            message = Message.of(row)
            for future in self._waiting.get(row.id, ()):
                if not future.done():
                    future.set_result(message)

    def _fail(self, error: Exception) -> None:
        """Polling has ended: the waiters get the error."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
