"""Waiting for the write lock, fairly enough that nobody starves, and a second lock beside SQLite's own.

The engine's own wait sleeps longer with each try, up to a tenth of a second, so that a process which waits meets
seven others that write without a pause only by luck, and gives up after seconds in which they wrote thousands of
times. This one looks again after a few milliseconds, always, at moments that differ from process to process.

SQLite's locks are POSIX locks: the system drops all that a process holds on a file as soon as any part of it closes
any descriptor of that file, such as a program that reads the files of a folder. So whoever writes, copies the log back
or opens the file holds a ``flock`` on a side file as well, which no close of anything else drops.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from lanes_storage import errors
from lanes_storage.sqlite.names import Names, Seen

T = TypeVar("T")

#: How long a writer waits for another process before it says that the file is locked.
BUSY_TIMEOUT_MS = 5_000
#: Between two looks at the lock, in seconds: from, to.
LOOK_AGAIN_S = (0.0005, 0.004)
#: How long who opens the file waits for a transaction under way. Who looks shall not be held up by a stopped process.
OPENING_PATIENCE_S = 0.5
#: Between two looks at who uses the file under another name.
_LOOK_TWICE_S = 0.05

#: Bytes of the shared memory that SQLite locks: by whoever writes, and by whoever has it open.
_WRITE_BYTE, _OPEN_BYTE = 120, 128
_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)


class SideLock:
    """The lock on the side file, taken through a descriptor of its own. For one thread at a time."""

    def __init__(self, path: Path, database: str) -> None:
        self._path = str(path)
        self._names = Names(path)
        self.database = database
        self._descriptor = -1
        self._file: Seen = None
        self._open()
        _ours.add(self)

    def take(self) -> bool:
        """Take it now; False: somebody else has it. Raises StorageError."""
        if not self.is_open:  # the last time that failed
            self._open()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (named,) = self._names.look()
        except BlockingIOError:
            return False
        except OSError as error:
            raise errors.DatabaseUnavailable(
                self.database, f"{self._path} cannot be locked: {error.strerror}"
            ) from error
        if named == self._file:
            return True
        self._open()  # somebody deleted the side file: the others lock the one that has the name now
        return self.take()

    def release(self) -> None:
        """Give it back. Harmless when it is not held."""
        if self.is_open:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give it back for good. Harmless twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def is_open(self) -> bool:
        """Whether it can be taken without being opened again."""
        return self._descriptor >= 0

    @contextlib.contextmanager
    def held(self, patience_s: float) -> Iterator[bool]:
        """Hold it for a block, after so many seconds at most; False: somebody else kept it."""
        until = time.monotonic() + patience_s
        while not (taken := self.take()) and time.monotonic() < until:
            _look_again()
        try:
            yield taken
        finally:
            if taken:
                self.release()

    @contextlib.contextmanager
    def opening(self, memory: Path) -> Iterator[bool]:
        """Hold it while the file is opened, which may rebuild the shared memory under a transaction.

        A transaction that lasts is not waited for where SQLite's own lock protects it: False. Raises DatabaseLocked.
        """
        with self.held(OPENING_PATIENCE_S) as taken:
            if not taken and not _protected(memory):
                raise errors.DatabaseLocked(self.database)
            yield taken

    def _open(self) -> None:
        self.close()
        try:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno not in _MAY_NOT:
                    raise
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)  # another user's: enough to lock it
        except (FileNotFoundError, NotADirectoryError) as error:
            if not Path(self._path).parent.is_dir():
                raise errors.DatabaseReplaced(self.database, "its folder was deleted or moved away") from error
            raise errors.DatabaseReadOnly(self.database) from error  # there is none, and none may be made
        except OSError as error:
            if error.errno in _MAY_NOT:
                raise errors.DatabaseReadOnly(self.database) from error
            raise errors.DatabaseUnavailable(self.database, f"{self._path}: {error.strerror}") from error
        found = os.fstat(self._descriptor)
        self._file = found.st_dev, found.st_ino


#: A child that was forked has the descriptors as well, and would keep what its parent held when that dies.
_ours: "weakref.WeakSet[SideLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_ours):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)


def begin(connection: sqlite3.Connection, lock: SideLock | None = None, patience_s: float | None = None) -> None:
    """Open a transaction that holds the write lock, and the side lock with it.

    Raises sqlite3.OperationalError and DatabaseLocked after ``patience_s`` (BUSY_TIMEOUT_MS).
    """
    patiently(partial(_begin, connection, lock), patience_s)


def _begin(connection: sqlite3.Connection, lock: SideLock | None) -> None:
    if lock is not None and not lock.take():
        raise errors.DatabaseLocked(lock.database)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        if lock is not None:
            lock.release()
        raise


def patiently(attempt: Callable[[], T], patience_s: float | None = None) -> T:
    """Do what meets the lock of another process again and again, for so long at most (BUSY_TIMEOUT_MS)."""
    until = time.monotonic() + (BUSY_TIMEOUT_MS / 1000 if patience_s is None else patience_s)
    while True:
        try:
            return attempt()
        except (sqlite3.OperationalError, errors.DatabaseLocked) as error:
            others = isinstance(error, errors.DatabaseLocked) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not others or time.monotonic() > until:
                raise
        _look_again()


def _look_again() -> None:
    from random import uniform  # only who has to wait pays for it

    time.sleep(uniform(*LOOK_AGAIN_S))


def holders(memory: Path, side: Path) -> list[int]:
    """The processes that keep others from writing, as the kernel of Linux lists them; empty where it does not tell."""
    found = [pid for kind, pid, first, last in _listed(memory) if kind == "WRITE" and first <= _WRITE_BYTE <= last]
    found += [pid for kind, pid, _, _ in _listed(side) if kind == "WRITE" and pid not in found]
    return found


def _protected(memory: Path) -> bool:
    """Whether SQLite's own locks stand, so that opening the file disturbs nobody who writes; True where none tells."""
    if not Path("/proc/locks").exists():
        return True
    return any(first <= _OPEN_BYTE <= last for _, _, first, last in _listed(memory))


def used_elsewhere(database: Path, memory: Path) -> list[int]:
    """The processes that use a database under another name, and so with another log, as far as Linux tells.

    Whoever uses it has a lock on it all the time, and one on the shared memory of the name that it knows.
    """
    found = _elsewhere(database, memory)
    if found:
        time.sleep(_LOOK_TWICE_S)  # who is just opening or closing it has one of the two for a moment
        found &= _elsewhere(database, memory)
    return sorted(found)


def _elsewhere(database: Path, memory: Path) -> set[int]:
    here = {pid for _, pid, *_ in _listed(memory)}
    others = {pid for _, pid, *_ in _listed(database)} - here
    # locks fall, and other file systems have the same numbers: it counts what a process has open
    return {pid for pid in others if _has_open(pid, database) and not _has_open(pid, memory)}


def _has_open(pid: int, path: Path) -> bool:
    with contextlib.suppress(OSError):  # gone, hidden
        meant = path.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.path.samestat(descriptor.stat(), meant):
                    return True
    return False


def _listed(path: Path) -> list[tuple[str, int, int, float]]:
    """Kind, process, first and last byte of each lock on a file."""
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:  # 1: POSIX  ADVISORY  WRITE 4711 08:01:131074 120 120
        words = line.split()
        if len(words) == 8 and words[5].split(":")[-1] == inode and int(words[4]) > 0:
            last = float("inf") if words[7] == "EOF" else int(words[7])
            found.append((words[3], int(words[4]), int(words[6]), last))
    return found
