"""A database file that a store has open."""

import contextlib
import os
import sqlite3
import weakref
from pathlib import Path

from lanes_storage import errors
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.connect import (
    check_first,
    check_names,
    check_users,
    connect_reading,
    connect_writing,
    on_error,
    open_writer,
    touch,
    translated,
)
from lanes_storage.sqlite.file.identity import FileGuard, check_fork
from lanes_storage.sqlite.file.locking import SideLock, keep_open
from lanes_storage.sqlite.file.paths import Files, seen
from lanes_storage.sqlite.file.wal import LARGE_LOG_BYTES, LATER, Stuck, WriteAheadLog, log_bytes


class SqliteFile:
    """The write connection, the guard of its commits, and the maintenance of the WAL. For one thread.

    Create one with ``open``. ``reader`` and ``guard.check`` may be used from any thread.
    """

    _closed = True  # until ``__init__`` has finished, for ``__del__``

    def __init__(self, connection: sqlite3.Connection, keeper: sqlite3.Connection, guard: FileGuard) -> None:
        self.connection = connection
        self.guard = guard
        self._keeper = keeper  # while it is open, no close in this process deletes the WAL
        self.log = WriteAheadLog(guard, connection, lambda: connect_writing(guard.files.database))
        self._closed = False
        _open_files.add(self)

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, upgrade: bool | None = None, synchronous: str = "full"
    ) -> "SqliteFile":
        """Open the file; see ``connect.open_writer`` for what is created, upgraded and refused."""
        check_fork()  # before the lock is taken, which every other process would wait for
        name = str(path)
        upgrade = create if upgrade is None else upgrade
        with translated(name), contextlib.ExitStack() as undo:
            touch(path, create=create)
            young = path.stat().st_size == 0
            if young:
                versions.creation()  # imports SQLModel, which is slow: done before the lock is taken
            files = Files.of(path)
            if not young and not files.side.exists():
                check_first(files.database, create=create, upgrade=upgrade)
            lock = SideLock(files)
            undo.callback(lock.close)
            with lock.opening(files.memory) as taken:
                before = seen(name)
                check_names(files)
                lock.check_log()
                if young and path.stat().st_size == 0:
                    # Shared memory without a database belongs to a deleted file, and that one may still be in use.
                    if not taken:
                        raise errors.DatabaseLocked(name)
                    files.memory.unlink(missing_ok=True)
                keeper = connect_reading(files.database)
                undo.callback(keeper.close)
                check_users(files, keeper)
                version = keeper.execute("PRAGMA user_version").fetchone()
                connection = open_writer(path, create=create, upgrade=upgrade, synchronous=synchronous)
                undo.callback(connection.close)
                connection.execute("PRAGMA busy_timeout = 0")  # from here on, ``locking`` does the waiting
                # this opens the WAL, in a new file too
                created = keeper.execute("PRAGMA user_version").fetchone() != version
                keep_open(files)
                guard = FileGuard(files, lock)
                if before != seen(name):
                    raise errors.DatabaseReplaced(name, "it was replaced while it was opened")
                lock.pair()
                opened = cls(connection, keeper, guard)
            undo.pop_all()
        if created:
            opened.log.idle()  # so that a plain copy of a new file is not empty
            if log_bytes(path) > LARGE_LOG_BYTES:  # after an upgrade; otherwise each opening of the file reads it all
                with contextlib.suppress(*LATER):
                    opened.shorten()
        return opened

    def reader(self) -> sqlite3.Connection:
        """Another connection, for reading. Raises StorageError."""
        with translated(str(self.guard.files.path)):
            self.guard.check_process()
            try:
                connection = connect_reading(self.guard.files.database)
            except sqlite3.Error:
                self.guard.check()  # "it was deleted" is more useful than "it cannot be opened"
                raise
            with on_error(connection.close):
                self.guard.check()
            return connection

    def shorten(self) -> Stuck | None:
        """See ``WriteAheadLog.shorten``. Raises StorageError."""
        with translated(str(self.guard.files.path)):
            return self.log.shorten()

    def close(self) -> None:
        """Checkpoint the WAL and close. May be called twice, and in a forked child, where it does nothing."""
        if self._closed or not self.guard.at_home:
            return
        self._closed = True
        try:
            self.log.close()
        finally:
            self.connection.close()
            self._keeper.close()
            self.guard.lock.close()

    def __del__(self) -> None:
        """Close the connections of a dropped object before the keeper. Python would close the keeper first; then
        closing the last connection would delete the WAL."""
        if self._closed or not self.guard.at_home:
            return
        try:
            for connection in (self.log.second, self.connection):
                if connection is not None:
                    connection.close()
        except sqlite3.ProgrammingError:  # it belongs to another thread
            _kept_open.append(self._keeper)

    def _leave_open(self) -> None:
        """In a forked child: SQLite connections must not be closed there, not even by Python's garbage collector."""
        import ctypes  # a slow import, needed only here

        for connection in (self.connection, self._keeper, self.log.second):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


_open_files: "weakref.WeakSet[SqliteFile]" = weakref.WeakSet()
_kept_open: list[sqlite3.Connection] = []


def _leave_open_in_child() -> None:
    for file in list(_open_files):
        file._leave_open()


os.register_at_fork(after_in_child=_leave_open_in_child)
