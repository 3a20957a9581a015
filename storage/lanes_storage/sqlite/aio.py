"""The store of an event loop: group commits by the writer thread, reads of the engine through aiosqlite, and beside
them what people look for."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiosqlite

from lanes_storage import errors
from lanes_storage.interface import Params, Query, Row, Step
from lanes_storage.sqlite.browsing import Browsing
from lanes_storage.sqlite.connect import READ_PRAGMAS, open_writer, translated
from lanes_storage.sqlite.log import log_of, shorten_log
from lanes_storage.sqlite.store import SqliteReader
from lanes_storage.sqlite.writer import Writer

T = TypeVar("T")


class AsyncSqliteStore:
    """Implements ``AsyncStore``. Make one with ``open``."""

    def __init__(
        self, path: Path, writer: Writer, reader: aiosqlite.Connection, listeners: list[Callable[[], None]]
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._browsing = Browsing(path)
        self._listeners = listeners
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, create: bool = False, synchronous: str = "full") -> "AsyncSqliteStore":
        """Open the file; see ``connect.open_writer`` for what is made, upgraded and refused."""
        connection = await asyncio.to_thread(open_writer, path, create=create, synchronous=synchronous)
        listeners: list[Callable[[], None]] = []

        def committed() -> None:
            for listener in listeners:
                listener()

        writer = Writer(str(path), connection, committed)
        try:
            with translated(str(path)):
                reader = await aiosqlite.connect(path, isolation_level=None)
                try:
                    for pragma in (*READ_PRAGMAS, "PRAGMA query_only = ON"):
                        await reader.execute(pragma)
                except BaseException:  # cancelled, too: a thread that is left keeps the process from ending
                    await reader.close()
                    raise
        except BaseException:
            await asyncio.to_thread(writer.close)
            raise
        return cls(path, writer, reader, listeners)

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def changes_file(self) -> Path | None:
        return log_of(self._path)

    async def write(self, step: Step[T]) -> T:
        return await self._writer.submit(step, asyncio.get_running_loop())

    def write_blocking(self, step: Step[T], timeout: float | None = None) -> T:
        return self._writer.submit_blocking(step).result(timeout)

    async def read(self, query: Query[T]) -> T:
        if query.broad:
            return await self._browsing.read(query)
        return query.shape(await self._fetch(query.sql, query.params))

    async def version(self) -> int:
        return int((await self._fetch("PRAGMA data_version", {}))[0][0])

    def reader(self) -> SqliteReader:
        """A reader of its own for a thread."""
        return SqliteReader(self._path)

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every commit of this process, in the writer thread. It must be quick."""
        self._listeners.append(listener)

    def shorten_log(self) -> str | None:
        with contextlib.suppress(errors.DatabaseLocked):  # somebody writes or shortens it just now
            return shorten_log(self._path)
        return None

    async def _fetch(self, sql: str, params: Params) -> list[Row]:
        if self._closed:
            raise errors.StoreClosed(self.name)
        with translated(self.name):
            return list(await self._reader.execute_fetchall(sql, params))

    async def close(self) -> None:
        self._closed = True
        try:
            await asyncio.to_thread(self._writer.close)
        finally:
            await self._reader.close()
            await asyncio.to_thread(self._browsing.close)
