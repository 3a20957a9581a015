"""Connections for broad queries, separate from the connection of the engine. Each query can be interrupted.

A query over hundreds of thousands of lanes takes long. It must not delay the engine, which has its own connection and
thread, nor the query of another client, so there are several of these connections.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lanes_storage import errors
from lanes_storage.interface import Query, Reads
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.store import SqliteReader

T = TypeVar("T")

#: The most queries that run at once; the next ones wait.
MAX_CONNECTIONS = 4
#: SQLite calls a check after this many steps, about every ten milliseconds, and stops a query that nobody waits for any
#: more. The check needs the GIL, which the event loop must release for it, so it is not called more often.
CHECK_AFTER_STEPS = 200_000
#: A small cache: such a query reads most pages only once.
CACHE_KB = 4_096


class BroadReads:
    """A few read connections, each opened when it is first needed. For one event loop."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._path = file.guard.files.path
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="lanes-broad-reads")
        self._idle: list[sqlite3.Connection] = []  # threads take one, or add one, in one step
        self._closed = threading.Event()

    async def read(self, query: Query[T]) -> T:
        """Run a query; it is interrupted if its caller is cancelled. Raises StorageError."""
        return await self.look(lambda read: read(query))

    async def look(self, look: Callable[[Reads], T]) -> T:
        """Run several queries, one after another, as a single job."""
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
    """Read the result, for which nobody waits: otherwise asyncio logs an exception that was never retrieved."""
    if not running.cancelled():
        running.exception()
