"""Waiting for the write lock without starvation, and a second lock in addition to SQLite's own.

SQLite's own wait backs off up to a tenth of a second. While seven other processes write without a pause, a waiting
process then gets the lock only by luck, and gives up after seconds in which they wrote thousands of times. The wait
here retries after a few milliseconds, at random intervals, so that processes do not retry in step. A process that
writes without a pause would still win most of the time, since it takes the lock back sooner. So on Linux a process that
has waited for a tenth of a second stands in line, and no transaction that came later begins before its own.

SQLite's locks are POSIX locks: the kernel drops all locks of a process on a file as soon as any part of the process
closes any descriptor of that file, for example code that reads all files of a folder. So a process that writes,
checkpoints or opens the file also holds a ``flock`` on a side file, which no other close drops. And on Linux each
process locks the same bytes a second time, through SQLite's own descriptors, with locks that no other close drops.

SQLite reads any log that it finds beside a file. So the side file stores which database the log belongs to.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
import struct
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lanes_storage import errors
from lanes_storage.sqlite.file.paths import Files, Names, Seen, own_like, seen

T = TypeVar("T")

#: How long a writer waits for another process before it raises DatabaseLocked.
BUSY_TIMEOUT_MS = 5_000
#: Seconds between two attempts to get the lock: at least, at most.
RETRY_S = (0.0005, 0.004)
#: After how many seconds a waiting process stands in line, and how long it lets those before it go first: one of them
#: may be stopped.
IN_LINE_AFTER_S, RESPECT_S = 0.1, 1.0
#: How long opening the file waits for a transaction: short, so that a stopped process does not block readers.
OPENING_TIMEOUT_S = 0.5
#: Seconds before each further check of which processes use the file under another name.
_LOOK_AGAIN_S = (0.05, 0.25)

#: Bytes of the shared memory that SQLite locks: one while writing, one while the file is open.
_WRITE_BYTE, _OPEN_BYTE = 120, 128
#: The bytes of the database that SQLite locks while the file is open: the first, and how many.
_SHARED_BYTES = 0x40000002, 510
#: ``struct flock``. A process in line locks one byte of the side file: its offset is the start of the wait, in µs.
_FLOCK = "hhqqi4x" if sys.platform == "linux" and sys.maxsize > 2**32 else None
_NOT_PERMITTED = (errno.EACCES, errno.EPERM, errno.EROFS)
_REFUSED = dict.fromkeys(_NOT_PERMITTED, errors.DatabaseReadOnly) | {errno.ENOSPC: errors.DatabaseFull}
#: The side file has inode and generation of itself and of the log; and in the last 21 bytes the inode of the database.
_PAIR, _OF_DATABASE = "{:020} {:020} {:020} {:020} {:020}\n", 21
#: ``FS_IOC_GETVERSION``: the generation, a random number. A file that is restored may get its old inode, but not this.
_GENERATION = 0x80087601 if _FLOCK else None


class SideLock:
    """The lock on the side file, held through a separate descriptor. For one thread at a time.

    Its ``mark`` shows others under which name this process has opened the database, even if files were moved since.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._path = str(files.side)
        self._names = Names(files.side)
        self.database = str(files.path)
        self._descriptor = -1
        self._in_line = False
        self._file: Seen = None
        self._open()
        self._mark = -1
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # not allowed in some sandboxes
                self._mark = os.memfd_create(mark(files.side))
        _open_locks.add(self)

    def take(self) -> bool:
        """Take the lock without waiting; returns False if another process has it. Raises StorageError."""
        if not self.is_open:  # the previous attempt to open it failed
            self._open()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (current,) = self._names.look()
        except BlockingIOError:
            return False
        except OSError as error:
            raise errors.DatabaseUnavailable(
                self.database, f"{self._path} cannot be locked: {error.strerror}"
            ) from error
        if current == self._file:
            return True
        self._open()  # the side file was deleted: other processes lock the new one of that name
        return self.take()

    def pair(self) -> None:
        """Store that the present log belongs to the present database. Call it while both are open."""
        paired = self._paired().encode()
        with contextlib.suppress(OSError):  # the file of another user, a full disk
            if os.pread(self._descriptor, len(paired), 0) != paired:
                os.pwrite(self._descriptor, paired, 0)

    @property
    def mispaired(self) -> bool:
        """Whether the log belongs to another database file, in whose place this one was put. If the side file or the
        log is another one too, as after copying all files, they count as one database."""
        now, paths = self._paired(), (self._files.database, self._files.log)
        stored = os.pread(self._descriptor, len(now), 0).decode(errors="replace")
        same_log = stored[:-_OF_DATABASE] == now[:-_OF_DATABASE]
        return same_log and stored != now and all(path.exists() and path.stat().st_size for path in paths)

    def _paired(self) -> str:
        log, database = (0, 0), seen(str(self._files.database))  # not opened: its close would drop SQLite's locks
        with contextlib.suppress(OSError):
            descriptor = os.open(self._files.log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                log = _which(descriptor)
            finally:
                os.close(descriptor)
        return _PAIR.format(*_which(self._descriptor), *log, database[1] if database else 0)

    def check_log(self) -> None:
        """Raise DatabaseReplaced if the log belongs to another file: SQLite would mix both."""
        if self.mispaired:
            log = self._files.log.name
            error = errors.DatabaseReplaced(self.database, f"{log} is the log of another file, which was here before")
            error.fix = (
                f"put that file back; or, to use this one, end the process that has the other one open"
                f" (`lanes doctor` names it) and move {log} and {self._files.memory.name} away"
            )
            raise error

    def release(self) -> None:
        """Release the lock. Does nothing if it is not held."""
        if self.is_open:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def wait_in_line(self, since: float) -> None:
        """Stand in line, as waiting since ``since`` (``time.monotonic``), once that is long enough ago."""
        if not self._in_line and time.monotonic() - since > IN_LINE_AFTER_S:
            self._in_line = True
            self._line(fcntl.F_RDLCK, int(since * 1e6), 1)

    def leave_line(self) -> None:
        """No longer stand in line."""
        if self._in_line:
            self._in_line = False
            self._line(fcntl.F_UNLCK, 0, 0)  # all of the file

    def is_next(self, since: float) -> bool:
        """Whether no other process in line has waited longer. One beyond the timeout is stopped, and does not count."""
        first = max(0, int((since - BUSY_TIMEOUT_MS / 1000) * 1e6))
        return self._line(fcntl.F_WRLCK, first, int(since * 1e6) - first, test=True) == fcntl.F_UNLCK

    def _line(self, kind: int, first: int, length: int, *, test: bool = False) -> int:
        return _ofd_lock(self._descriptor, kind, first, length, test=test) if self.is_open else fcntl.F_UNLCK

    def close(self) -> None:
        """Release the lock and close the descriptors. May be called twice."""
        for descriptor in (self._descriptor, self._mark):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._mark = -1

    @property
    def is_open(self) -> bool:
        """Whether its descriptor is open, so that taking the lock does not open a file."""
        return self._descriptor >= 0

    @contextlib.contextmanager
    def held(self, timeout_s: float) -> Iterator[bool]:
        """Hold the lock for a block, or yield False if another process kept it for ``timeout_s``. This does not wait
        for those in line; but transactions that came later wait for it, once it stands there."""
        since = time.monotonic()
        try:
            while not (taken := self.take()) and time.monotonic() < since + timeout_s:
                self.wait_in_line(since)
                _pause()
        finally:
            self.leave_line()
        try:
            yield taken
        finally:
            if taken:
                self.release()

    @contextlib.contextmanager
    def opening(self, memory: Path) -> Iterator[bool]:
        """Hold the lock while the file is opened, which may rebuild the shared memory during a transaction.

        Yields False, without a longer wait, if a long transaction has it and SQLite's own lock protects that
        transaction. Raises DatabaseLocked.
        """
        with self.held(OPENING_TIMEOUT_S) as taken:
            if not taken and not _protected(memory):
                raise errors.DatabaseLocked(self.database)
            yield taken

    def _make_or_open(self) -> int:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            own_like(self._files.database, descriptor)
            return descriptor
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in _NOT_PERMITTED:
                raise
            # The file of another user: a read-only descriptor is enough for a lock.
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def _open(self) -> None:
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1
        self._in_line = False
        try:
            self._descriptor = self._make_or_open()
        except (FileNotFoundError, NotADirectoryError) as error:
            if not Path(self._path).parent.is_dir():
                raise errors.DatabaseReplaced(self.database, "its folder was deleted or moved away") from error
            raise errors.DatabaseReadOnly(self.database) from error  # the file does not exist and cannot be created
        except OSError as error:
            if (refused := _REFUSED.get(error.errno or 0)) is not None:
                raise refused(self.database) from error
            raise errors.DatabaseUnavailable(self.database, f"{self._path}: {error.strerror}") from error
        stat = os.fstat(self._descriptor)
        self._file = stat.st_dev, stat.st_ino


def _which(descriptor: int) -> tuple[int, int]:
    """The inode of an open file, and its generation: 0 if the file system has none."""
    generation = bytes(8)
    if _GENERATION is not None:
        with contextlib.suppress(OSError):
            generation = fcntl.ioctl(descriptor, _GENERATION, generation)
    return os.fstat(descriptor).st_ino, int(struct.unpack("I4x", generation)[0])


def mark(side: Path) -> str:
    """The name of an empty file in memory, by which a process shows that it has the database of this side file open.
    Unlike the names of its open files, it stays when they are moved. A long path is cut to its end."""
    return os.fsdecode(os.fsencode(f"lanes:{side}")[-200:])


def _ofd_lock(descriptor: int, kind: int, first: int, length: int, *, test: bool = False) -> int:
    """Take, release or ask for an "open file description" lock, which stays until its own descriptor is closed.

    Returns the kind of lock that is in the way. Where the system or a sandbox has none, nothing is ever in the way.
    """
    if _FLOCK is None:
        return fcntl.F_UNLCK
    request = struct.pack(_FLOCK, kind, os.SEEK_SET, first, length, 0)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK if test else fcntl.F_OFD_SETLK, request)
    except OSError:
        return fcntl.F_UNLCK
    return int(struct.unpack(_FLOCK, answer)[0])


def keep_open(files: Files) -> None:
    """Lock a second time what SQLite locks while the files are open, through its own descriptors: they close last.

    Otherwise another process, once SQLite's locks are lost, would consider itself the only user: it would recreate the
    shared memory, which ends this process with SIGBUS, or delete the log. Call it after a connection has opened it.
    """
    spans = {seen(str(files.memory)): (_OPEN_BYTE, 1), seen(str(files.database)): _SHARED_BYTES}
    if None in spans or not files.log.exists():  # no log, so nothing is shared; or the files are being replaced
        return
    with contextlib.suppress(OSError):  # the system does not show open files
        for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            with contextlib.suppress(OSError):  # closed meanwhile
                stat = os.fstat(number)
                if span := spans.get((stat.st_dev, stat.st_ino)):
                    _ofd_lock(number, fcntl.F_RDLCK, *span)


#: A forked child inherits the descriptors, and would keep the lock of its parent after the parent's death.
_open_locks: "weakref.WeakSet[SideLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)


def begin(connection: sqlite3.Connection, lock: SideLock | None = None, timeout_s: float | None = None) -> None:
    """Open a transaction that holds the write lock and the side lock.

    Raises sqlite3.OperationalError and DatabaseLocked after ``timeout_s`` (BUSY_TIMEOUT_MS).
    """
    if lock is None:
        retry_while_locked(lambda: connection.execute("BEGIN IMMEDIATE"), timeout_s)
        return
    since = time.monotonic()

    def attempt() -> None:
        lock.wait_in_line(since)
        respects = time.monotonic() - since <= RESPECT_S
        if (respects and not lock.is_next(since)) or not lock.take():
            raise errors.DatabaseLocked(lock.database)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            lock.release()
            raise

    try:
        retry_while_locked(attempt, timeout_s)
    finally:
        lock.leave_line()


def retry_while_locked(attempt: Callable[[], T], timeout_s: float | None = None) -> T:
    """Retry a function while another process holds the lock, for at most ``timeout_s`` (BUSY_TIMEOUT_MS)."""
    until = time.monotonic() + (BUSY_TIMEOUT_MS / 1000 if timeout_s is None else timeout_s)
    while True:
        try:
            return attempt()
        except (sqlite3.OperationalError, errors.DatabaseLocked) as error:
            others = isinstance(error, errors.DatabaseLocked) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not others or time.monotonic() > until:
                raise
        _pause()


def _pause() -> None:
    from random import uniform  # imported here: only a process that waits needs it

    time.sleep(uniform(*RETRY_S))


def holders(memory: Path, side: Path) -> list[int]:
    """The processes that hold the write lock, as Linux lists them; empty on other systems."""
    found = [pid for kind, pid, first, last in _listed(memory) if kind == "WRITE" and first <= _WRITE_BYTE <= last]
    found += [pid for kind, pid, _, _ in _listed(side) if kind == "WRITE" and pid not in found]
    return found


def _protected(memory: Path) -> bool:
    """Whether SQLite's own locks are in place, so that opening the file cannot disturb a writer; True if unknown."""
    if not Path("/proc/locks").exists():
        return True
    return any(first <= _OPEN_BYTE <= last for _, _, first, last in _listed(memory))


def used_elsewhere(database: Path, memory: Path) -> list[int]:
    """The processes that use a database under another name, and so with another WAL, as far as Linux shows them.

    Every process that has the database open holds a lock on it, and one on the ``-shm`` file of the name it uses.
    """
    found = _elsewhere(database, memory)
    for pause_s in _LOOK_AGAIN_S:  # a process that is opening or closing the file has only one of the two for a moment
        if found:
            time.sleep(pause_s)
            found &= _elsewhere(database, memory)
    return sorted(found)


def _elsewhere(database: Path, memory: Path) -> set[int]:
    here = {pid for _, pid, *_ in _listed(memory)}
    others = {pid for _, pid, *_ in _listed(database)} - here
    # locks can be lost, and another file system may have the same numbers: so check what the process has open
    return {pid for pid in others if _has_open(pid, database) and not _has_open(pid, memory)}


def _has_open(pid: int, path: Path) -> bool:
    with contextlib.suppress(OSError):  # gone, hidden
        target = path.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.path.samestat(descriptor.stat(), target):
                    return True
    return False


def _listed(path: Path) -> list[tuple[str, int, int, float]]:
    """Kind, process, first and last byte of each lock on a file."""
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:  # 1: POSIX  ADVISORY  WRITE 4711 08:01:131074 120 120
        words = line.split()
        if len(words) == 8 and words[5].split(":")[-1] == inode and int(words[4]) > 0:
            last = float("inf") if words[7] == "EOF" else int(words[7])
            found.append((words[3], int(words[4]), int(words[6]), last))
    return found
