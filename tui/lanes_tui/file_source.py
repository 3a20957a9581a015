"""The source that reads and acts on a database file, by the desk.

The file may vanish, be replaced or refuse to be read while the dashboard runs. Then the desk is closed, ``Lost``
is raised, and the next call opens the file that is there by then.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from lanes.config import Config
from lanes.desk import Desk
from lanes.errors import NotAllowed
from lanes.finding import find
from lanes.records import Drain, Event, Hit, Lane, LaneDetail, Message, Status
from lanes.verbs.verb import Verb
from lanes_storage import open_async_store, reads
from lanes_storage.errors import StorageError, StoreClosed
from lanes_storage.moment import Clock, Now, system_clock
from lanes_storage.records import LaneFilter, LaneOrder
from lanes_storage.sqlite import path_of
from lanes_storage.sqlite.identity import missing
from lanes_tui.marks import Mark
from lanes_tui.paced import Paced
from lanes_tui.source import BY_ATTENTION, AsOf, Lost, Window


@dataclass(slots=True, eq=False)
class _Opened:
    """A desk, which file it has open, and how many calls are at it just now."""

    desk: Desk
    file: tuple[int, int]
    users: int = 0
    left: bool = False  # nobody comes any more: the last user closes it


class FileSource:
    """Implements ``Source``. Belongs to the event loop that uses it first; opens the file at the first call."""

    def __init__(
        self,
        url: str,
        *,
        actor: str,
        read_only: bool = False,
        clock: Clock = system_clock,
        config: Config | None = None,
    ) -> None:
        self._url = url
        self._actor = actor
        self._read_only = read_only
        self._clock = clock
        self._config = config
        self._opening = asyncio.Lock()
        self._closed = False
        self._opened: _Opened | None = None
        self._totals: Paced[int] = Paced()
        self._statuses: Paced[AsOf[Status]] = Paced()

    @property
    def name(self) -> str:
        return self._url

    @property
    def actor(self) -> str:
        return self._actor

    @property
    def read_only(self) -> bool:
        return self._read_only

    def now(self) -> Now:
        return self._clock()

    async def version(self) -> int:
        async with self._at_work() as desk:
            return await desk.store.version()

    async def window(self, chosen: LaneFilter, offset: int, limit: int, *, order: LaneOrder = BY_ATTENTION) -> Window:
        async with self._at_work() as desk:
            now = self._clock()
            rows = await desk.lanes(chosen, order=order, limit=limit, offset=offset)
            known = offset + len(rows)
            if len(rows) == limit or (offset and not rows):  # else the end was seen, and nothing is to be counted
                total = await self._totals.answer((desk, chosen._replace(at=0)), lambda: desk.lanes_total(chosen))
                known = max(known, total) if rows else total
        return Window(now, offset, rows, known)

    async def place(self, chosen: LaneFilter, key: str, *, order: LaneOrder = BY_ATTENTION) -> int | None:
        async with self._at_work() as desk:
            return await desk.store.read(reads.lane_place(chosen, key, order=order))

    async def total(self, chosen: LaneFilter) -> int:
        async with self._at_work() as desk:
            return await desk.lanes_total(chosen)

    async def find(
        self, chosen: LaneFilter, part: str, key: str | None, *, step: int = 0, order: LaneOrder = BY_ATTENTION
    ) -> Hit | None:
        async with self._at_work() as desk:
            return await desk.perform(find(chosen, part, key, step=step, order=order))

    async def marks(self, chosen: LaneFilter, limit: int) -> list[Mark]:
        async with self._at_work() as desk:
            return [Mark(*found) for found in await desk.store.read(reads.lane_epochs(chosen, limit))]

    async def status(self) -> AsOf[Status]:
        async with self._at_work() as desk:

            async def read() -> AsOf[Status]:
                return AsOf(self._clock(), await desk.status())

            return await self._statuses.answer(desk, read)

    async def detail(self, key: str) -> AsOf[LaneDetail]:
        async with self._at_work() as desk:
            return AsOf(self._clock(), await desk.detail(key))

    async def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        async with self._at_work(acting=verb.changes) as desk:
            return await desk.call(verb, desk.context(self._actor), **params)

    async def retry(self, key: str, *, epoch: int) -> Message:
        async with self._at_work(acting=True) as desk:
            return await desk.retry_last(key, actor=self._actor, epoch=epoch)

    async def events(self, *, key: str | None = None, limit: int) -> list[Event]:
        async with self._at_work() as desk:
            return await desk.events(key=key, limit=limit, newest=True)

    async def dead_letters(self, limit: int) -> list[Message]:
        async with self._at_work() as desk:
            found = await desk.store.read(reads.dead_letters(limit))
        return [Message.of(message) for message in found if message.retried_as is None]

    async def export(self, chosen: LaneFilter, order: LaneOrder, limit: int) -> list[Lane]:
        async with self._at_work() as desk:
            return await desk.lanes(chosen, order=order, limit=limit)

    async def send(self, key: str, text: str) -> Message:
        async with self._at_work(acting=True) as desk:
            return await desk.send(key, text, actor=self._actor)

    async def drop(self, message_id: int) -> Message:
        async with self._at_work(acting=True) as desk:
            return await desk.drop(message_id, actor=self._actor)

    async def retry_message(self, message_id: int) -> Message:
        async with self._at_work(acting=True) as desk:
            return await desk.retry(message_id, actor=self._actor)

    async def prune_dead_letters(self, until: int) -> int:
        async with self._at_work(acting=True) as desk:
            return await desk.prune_dead_letters(max(0, self._clock().wall - until), actor=self._actor)

    async def drain(self, owner_id: int) -> Drain:
        async with self._at_work(acting=True) as desk:
            (owner,) = await desk.drain(owner_id, by=self._actor)
        return owner.draining or Drain(self._actor, None)

    async def close(self) -> None:
        self._closed = True  # what is still on its way opens nothing any more
        async with self._opening:
            await self._leave(self._opened)

    @contextlib.asynccontextmanager
    async def _at_work(self, *, acting: bool = False) -> AsyncIterator[Desk]:
        """The desk of the file that is there now. Raises Lost, and NotAllowed for an action that may not be."""
        if acting and self._read_only:
            raise NotAllowed("this dashboard is read-only")
        opened: _Opened | None = None
        try:
            opened = await self._open()
            opened.users += 1
            yield opened.desk
        except StorageError as error:
            if not acting:  # what an action met may be its own affair; the next look judges the file
                await self._leave(opened)
            raise Lost(f"{error}: {error.fix}") from error
        finally:
            if opened is not None:
                opened.users -= 1
                await self._close_if_left(opened)

    async def _open(self) -> _Opened:
        """The desk that is open, or a new one where the file is another one by now."""
        async with self._opening:
            if self._closed:
                raise StoreClosed(self._url)
            there = await asyncio.to_thread(self._file_there)
            if self._opened is not None and self._opened.file == there:
                return self._opened
            await self._leave(self._opened)
            if there is None:
                raise await asyncio.to_thread(missing, path_of(self._url))
            store = await open_async_store(self._url, create=False)
            self._opened = _Opened(Desk(store, self._clock, self._config), there)
            return self._opened

    async def _leave(self, opened: _Opened | None) -> None:
        """Use it no more. Calls that are at it end first, so that none finds it closed under its hands."""
        if opened is None:
            return
        opened.left = True
        if self._opened is opened:
            self._opened = None
        await self._close_if_left(opened)

    async def _close_if_left(self, opened: _Opened) -> None:
        if opened.left and opened.users == 0:
            await opened.desk.close()

    def _file_there(self) -> tuple[int, int] | None:
        """What names the file itself, whatever its path comes to mean; None where there is none."""
        try:
            found = path_of(self._url).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
