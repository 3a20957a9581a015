"""The source for a database file, read and changed through a desk.

The file may vanish, be replaced or become unreadable while the dashboard runs. Then the desk is closed, ``Lost`` is
raised, and the next call opens the file that is there at that time. Another file than the first one is shown, but never
acted on.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lanes.config import Config
from lanes.desk import Desk
from lanes.verbs.verb import Verb
from lanes_storage import open_async_store
from lanes_storage.clock import Clock, system_clock
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.sqlite import path_of
from lanes_storage.sqlite.file.connect import check_first, translated
from lanes_storage.sqlite.file.identity import missing
from lanes_tui.sources.source import Lost, Source


@dataclass(slots=True, eq=False)
class _Opened:
    """A desk, the file that it has open, and the number of calls in progress."""

    desk: Desk
    file: tuple[int, int]
    users: int = 0
    left: bool = False  # no new calls: the last one in progress closes the desk


class FileSource(Source):
    """A database file. Belongs to the event loop that uses it first; opens the file at the first call."""

    def __init__(
        self,
        url: str,
        *,
        actor: str,
        read_only: bool = False,
        clock: Clock = system_clock,
        config: Config | None = None,
    ) -> None:
        super().__init__(url, actor=actor, read_only=read_only, clock=clock)
        self._config = config
        self._opening = asyncio.Lock()
        self._closed = False
        self._opened: _Opened | None = None
        self._first: tuple[int, int] | None = None

    @property
    def replaced(self) -> bool:
        return self._opened is not None and self._opened.file != self._first

    async def version(self) -> int:
        async with self._using_desk() as desk:
            return await desk.store.version()

    async def _call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        async with self._using_desk(acting=verb.changes) as desk:
            return await desk.call(verb, desk.context(self.actor), **params)

    async def _call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any], None]:
        async with contextlib.AsyncExitStack() as stack:
            desk = await stack.enter_async_context(self._using_desk(acting=True))
            calls = desk.call_each(verb, desk.context(self.actor), params)
            await stack.enter_async_context(contextlib.aclosing(calls))
            async for answer in calls:
                yield answer

    async def close(self) -> None:
        self._closed = True  # calls that are still on their way open nothing any more
        async with self._opening:
            await self._leave(self._opened)

    @contextlib.asynccontextmanager
    async def _using_desk(self, *, acting: bool = False) -> AsyncIterator[Desk]:
        """The desk on the file that is there now. Raises Lost."""
        opened: _Opened | None = None
        try:
            opened = await self._open()
            opened.users += 1
            if acting:
                await asyncio.to_thread(self._check_file, opened.file)
            yield opened.desk
        except StorageError as error:
            if not acting:  # the error may concern only this action; the next read shows the state of the file
                await self._leave(opened)
            raise Lost(f"{error}: {error.fix}") from error
        finally:
            if opened is not None:
                opened.users -= 1
                await self._close_if_left(opened)

    async def _open(self) -> _Opened:
        """The open desk, or a new one if the file at the path is another one."""
        async with self._opening:
            if self._closed:
                raise StoreClosed(self.name)
            there = await asyncio.to_thread(self._file_there)
            if self._opened is not None and self._opened.file == there:
                return self._opened
            await self._leave(self._opened)
            if there is None:
                raise await asyncio.to_thread(missing, path_of(self.name))
            store = await open_async_store(self.name, create=False)
            self._opened = _Opened(Desk(store, self._clock, self._config), there)
            self._first = self._first or there
            return self._opened

    def _check_file(self, there: tuple[int, int]) -> None:
        """Refuse to act in another file than the first one, since what the person saw may be from that one; and in one
        that a newer program has upgraded. Raises StorageError."""
        if there != self._first:
            raise DatabaseReplaced(self.name, "the file was replaced since this dashboard started")
        with translated(self.name):
            check_first(path_of(self.name), create=False, upgrade=False)

    async def _leave(self, opened: _Opened | None) -> None:
        """Stop using the desk. Calls in progress end first, so that none uses a closed desk."""
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
        """The identity of the file (device and inode), independent of its path; None if there is no file."""
        try:
            found = path_of(self.name).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
