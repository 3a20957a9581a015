"""The blocking store, for commands; its reader is also used by threads of a process with an event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

from lanes_storage import errors
from lanes_storage.interface import Query, Reads, Step
from lanes_storage.sqlite.file.connect import open_reader, translate, translated
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.identity import FileGuard
from lanes_storage.sqlite.file.interrupts import interruptible
from lanes_storage.sqlite.file.locking import retry_while_locked
from lanes_storage.sqlite.file.transaction import SqliteTransaction

T = TypeVar("T")

_VERSION = Query("PRAGMA data_version", {}, lambda rows: int(rows[0][0]))


class SqliteReader:
    """A read-only connection, for one blocking thread."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection | None = None, guard: FileGuard | None = None
    ) -> None:
        self.name = str(path)
        self._connection: sqlite3.Connection | None = connection or open_reader(path)
        self._guard = guard  # None: the file is not watched for a replacement

    def read(self, query: Query[T]) -> T:
        connection = self._open()
        with translated(self.name, self._guard):
            return _read(connection, query)

    def look(self, look: Callable[[Reads], T]) -> T:
        connection = self._open()
        with translated(self.name, self._guard):
            connection.execute("BEGIN")  # all queries read the snapshot of the first one
            try:
                return look(partial(_read, connection))
            finally:
                if connection.in_transaction:  # some disk errors have already ended it
                    connection.execute("ROLLBACK")

    def version(self) -> int:
        return self.read(_VERSION)

    def interruptible(self) -> AbstractContextManager[None]:
        """Within the block, Ctrl-C interrupts a long statement and raises KeyboardInterrupt."""
        return interruptible(self._open())

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise errors.StoreClosed(self.name)
        if self._guard is not None:
            self._guard.check_process()
        return self._connection


def _read(connection: sqlite3.Connection, query: Query[T]) -> T:
    return query.shape(retry_while_locked(lambda: connection.execute(query.sql, query.params).fetchall()))


class SqliteStore(SqliteReader):
    """A database for one blocking thread: each step is a separate transaction."""

    def __init__(
        self, path: Path, *, create: bool = False, upgrade: bool | None = None, synchronous: str = "full"
    ) -> None:
        self._file = SqliteFile.open(path, create=create, upgrade=upgrade, synchronous=synchronous)
        super().__init__(path, self._file.connection, self._file.guard)

    def write(self, step: Step[T]) -> T:
        connection = self._open()
        changes = connection.total_changes
        try:
            with SqliteTransaction(connection, self._file.guard) as tx:
                result = step(tx)
        except (sqlite3.Error, MemoryError) as error:
            raise translate(self.name, error) from error
        if connection.total_changes != changes:
            self._file.log.committed()
        return result

    def close(self) -> None:
        self._connection = None
        self._file.close()
