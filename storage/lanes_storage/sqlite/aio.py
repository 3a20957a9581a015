"""The store of an event loop: group commits by the writer thread, point reads on the event loop, other reads of the
engine by aiosqlite, and queries for people on separate connections."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite

from lanes_storage import errors
from lanes_storage.interface import Params, Query, Reads, Row, Step
from lanes_storage.sqlite.file.connect import on_error, translated
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.identity import in_threads
from lanes_storage.sqlite.file.wal import LARGE_LOG_BYTES, Stuck, log_bytes
from lanes_storage.sqlite.point_reads import PointReads, ReadCost
from lanes_storage.sqlite.store import SqliteReader
from lanes_storage.sqlite.writer import Listeners, Writer
from lanes_storage.threads import in_one_thread, let_end, to_its_end

T = TypeVar("T")

#: The most queries that run at once; the next ones wait.
MAX_CONNECTIONS = 4
#: SQLite calls a check after this many steps, about every ten milliseconds, and stops a query that nobody waits for any
#: more. The check needs the GIL, which the event loop must release for it, so it is not called more often.
CHECK_AFTER_STEPS = 200_000
#: A small cache: such a query reads most pages only once.
CACHE_KB = 4_096


class BroadReads:
    """A few connections for queries that may take long, each opened when it is first needed. For one event loop.

    They delay neither the engine, which has its own connection and thread, nor the query of another client.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._path = file.guard.files.path
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="lanes-broad-reads")
        self._idle: list[sqlite3.Connection] = []  # threads share it without a lock: ``pop`` and ``append`` are atomic
        self._closed = threading.Event()

    async def read(self, query: Query[T]) -> T:
        """Run a query; it is interrupted if its caller is cancelled. Raises StorageError."""
        return await self.look(lambda read: read(query))

    async def look(self, look: Callable[[Reads], T]) -> T:
        """Run several queries on one snapshot, as a single job."""
        if self._closed.is_set():
            raise errors.StoreClosed(str(self._path))
        self._file.guard.check_process()
        cancelled = threading.Event()
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, look, cancelled)
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            cancelled.set()
            running.add_done_callback(_ignore_result)
            raise
        return running.result()

    def close(self) -> None:
        """Interrupt the running queries and close every connection. Not from the event loop. May be called twice."""
        self._closed.set()
        self._threads.shutdown()
        while self._idle:
            self._idle.pop().close()

    def _run(self, look: Callable[[Reads], T], cancelled: threading.Event) -> T:
        if self._closed.is_set() or cancelled.is_set():
            raise errors.StoreClosed(str(self._path))
        connection = self._take()
        # Polled by SQLite: an interrupt from outside could arrive just before the query begins, and have no effect.
        connection.set_progress_handler(lambda: cancelled.is_set() or self._closed.is_set(), CHECK_AFTER_STEPS)
        try:
            return SqliteReader(self._path, connection, self._file.guard).look(look)
        except errors.StorageError:
            if cancelled.is_set() or self._closed.is_set():
                raise errors.StoreClosed(str(self._path)) from None
            raise
        finally:
            connection.set_progress_handler(None, 0)
            self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        connection = self._file.reader()
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return connection


def _ignore_result(running: "asyncio.Future[T]") -> None:
    """Retrieve the exception of an abandoned query, since asyncio logs exceptions that nobody retrieves."""
    if not running.cancelled():
        running.exception()


GAUGE = ReadCost()


class AsyncSqliteStore:
    """Implements ``AsyncStore``. Create one with ``open``."""

    def __init__(self, file: SqliteFile, point_reads: PointReads) -> None:
        self._file = file
        in_threads.add(file.guard)
        self._path = file.guard.files.path
        self.name = str(self._path)
        self.changes_file = file.guard.files.log
        self._point_reads = point_reads
        self._listeners = Listeners()
        self._writer = Writer(file, self._listeners.notify, asyncio.get_running_loop())
        self._reader = aiosqlite.Connection(file.reader, iter_chunk_size=64)
        self._broad = BroadReads(file)
        self._stuck: Stuck | None = None  # what prevented the last attempt to shorten a large WAL
        self._closed = False

    @classmethod
    async def open(
        cls, path: Path, *, create: bool = False, synchronous: str = "full", gauge: ReadCost = GAUGE
    ) -> "AsyncSqliteStore":
        """Open the file; see ``connect.open_writer`` for what is created, upgraded and refused.

        ``gauge`` measures how slow reads are.
        """
        store = cls(*await _opened(path, create, synchronous, gauge))
        try:
            # A daemon thread: the process must be able to exit if its event loop never closes this. Before aiosqlite
            # 0.22 the connection itself is the thread.
            cast("threading.Thread", getattr(store._reader, "_thread", store._reader)).daemon = True
            await to_its_end(store._reader)  # opened in the thread that uses it
        except BaseException:
            await to_its_end(store.close())
            raise
        return store

    async def write(self, step: Step[T]) -> T:
        return await self._writer.submit(step, asyncio.get_running_loop())

    def write_blocking(self, step: Step[T], timeout: float | None = None) -> T:
        future = self._writer.submit_blocking(step)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    async def read(self, query: Query[T]) -> T:
        if query.broad:
            return await self._broad.read(query)
        rows, _ = await self._fetch(query.sql, query.params, point=query.point)
        return query.shape(rows)

    async def look(self, look: Callable[[Reads], T]) -> T:
        return await self._broad.look(look)

    async def version(self) -> int:
        rows, on_loop = await self._fetch("PRAGMA data_version", {}, point=True)
        return 2 * int(rows[0][0]) + on_loop  # each of the two connections has a separate counter

    def reader(self) -> SqliteReader:
        return SqliteReader(self._path, self._file.reader(), self._file.guard)

    def check(self) -> None:
        self._file.guard.check()

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    def shorten_log(self) -> str | None:
        if self._closed:
            raise errors.StoreClosed(self.name)
        stuck = None
        if log_bytes(self._path) > LARGE_LOG_BYTES:
            # a separate connection: the writer does not wait for readers
            with contextlib.closing(SqliteFile.open(self._path)) as file:
                stuck = file.shorten()
        before, self._stuck = self._stuck, stuck
        if stuck is None or stuck != before:
            return None
        megabytes = log_bytes(self._path) // 1_000_000
        return (
            f"the log of {self._path} has {megabytes} MB and can not be emptied: a process never stops reading"
            " it. Look for an open transaction in a shell, or a backup under way"
        )

    async def _fetch(self, sql: str, params: Params, *, point: bool) -> tuple[list[Row], bool]:
        """The rows, and whether they were read on the event loop."""
        if self._closed:
            raise errors.StoreClosed(self.name)
        self._file.guard.check_process()
        with translated(self.name, self._file.guard):
            rows = self._point_reads.fetch(sql, params) if point else None
            on_loop = rows is not None
            if rows is None:
                rows = list(await self._reader.execute_fetchall(sql, params))
        return rows, on_loop

    async def close(self) -> None:
        self._closed = True
        try:
            await asyncio.wrap_future(in_one_thread(self._writer.close))
        finally:
            if self._file.guard.at_home:  # in a forked child, the threads of these connections do not exist
                self._point_reads.close()
                await self._reader.close()
                await asyncio.wrap_future(in_one_thread(self._broad.close))
                in_threads.discard(self._file.guard)
                let_end()


_Opened = tuple[SqliteFile, PointReads]


async def _opened(path: Path, create: bool, synchronous: str, gauge: ReadCost) -> _Opened:
    """Open the file in a thread. If the caller is cancelled meanwhile, that thread closes the file again."""
    opening = in_one_thread(_open, path, create, synchronous, gauge)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_again)
        raise


def _open(path: Path, create: bool, synchronous: str, gauge: ReadCost) -> _Opened:
    file = SqliteFile.open(path, create=create, synchronous=synchronous)
    with on_error(file.close):
        return file, PointReads(file, gauge)


def _close_again(opening: "Future[_Opened]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        file, point_reads = opening.result()
        point_reads.close()
        file.close()
