"""The write-ahead log (WAL): when it is checkpointed, and how it is kept short.

SQLite up to 3.51.2 can lose later writes when a checkpoint runs during a commit: the checkpoint reads the length of
the WAL, the commit restarts the WAL from its beginning, and the checkpoint then records frames as copied that did not
exist (fixed in 3.44.6, 3.50.7 and 3.51.3). So no checkpoint here runs without the write lock: automatic checkpoints
are off, one connection takes the lock, and a second one copies (``PASSIVE``, which does not wait).

A checkpoint runs after a commit that leaves 12,000 frames (24 MB in a new file) in the WAL, when nothing was written
for a while, and when the store is closed. The next commit then restarts the WAL, unless a reader still uses it. Two
things prevent the restart: one long reader (a transaction left open in a shell, a backup), and readers that always
overlap. Against the second, a gateway that finds the WAL large blocks writers for a moment: a reader that begins then
does not need the WAL any more. Against the first, only the end of that reader helps, so it is reported.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from lanes_storage import errors
from lanes_storage.sqlite.file.identity import FileGuard
from lanes_storage.sqlite.file.locking import begin
from lanes_storage.sqlite.file.paths import Files
from lanes_storage.tuples import NamedTuple

#: Pages in the WAL at which it is checkpointed. This is much rarer than SQLite's default: a page that changed ten times
#: since the last checkpoint is written only once, and of a hundred full batches of messages at most one waits for it.
LONG_LOG_FRAMES = 12_000
#: The WAL is truncated from this size on, the same as ``journal_size_limit``. A smaller one is overwritten.
LARGE_LOG_BYTES = 67_108_864
#: Seconds between two attempts while a reader keeps the same WAL in use.
THROTTLE_S = 0.25
#: A store is idle after this long without a commit; also the time between two checkpoints of an idle store.
IDLE_S = 1.0
IDLE_EVERY_S = 60.0
#: How long to wait for the write lock, and for the current readers.
TIMEOUT_S = 0.1
_PAUSE_S = 0.005

#: Errors that may prevent the maintenance of the WAL, which is retried later. OSError: the WAL cannot be read.
LATER = (sqlite3.Error, errors.StorageError, OSError)

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class Checkpoint(NamedTuple):
    """The result of a checkpoint: the frames of the WAL, and how many of them are in the file now."""

    frames: int
    copied: int

    @property
    def complete(self) -> bool:
        return self.copied == self.frames


class Stuck(NamedTuple):
    """Which WAL cannot restart because of readers, and how many of its frames are in the file.

    Two checks give the same value if one reader was active all the time; if readers come and go, more frames can
    be copied each time.
    """

    log: bytes
    copied: int


def log_of(path: Path) -> Path:
    return Files.of(path).log


def log_bytes(path: Path) -> int:
    """The size of the WAL of a database in bytes; 0 if there is none."""
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def checkpoint(writing: sqlite3.Connection, second: sqlite3.Connection) -> Checkpoint | None:
    """Checkpoint as far as readers allow, under the write lock. Returns None if another process writes.

    It needs two connections, because a connection with a write transaction cannot checkpoint. Raises sqlite3.Error.
    """
    try:
        begin(writing, timeout_s=TIMEOUT_S)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return None
        raise
    try:
        busy, frames, copied = second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        writing.execute("ROLLBACK")
    return None if busy else Checkpoint(frames, copied)


class WriteAheadLog:
    """The WAL of one store, maintained by its writer. For one thread.

    ``second`` opens another read-write connection. Opening and closing the WAL file is safe: unlike the database
    and the shared memory, it has no locks that could be lost.
    """

    def __init__(self, guard: FileGuard, writing: sqlite3.Connection, second: Callable[[], sqlite3.Connection]) -> None:
        self._guard = guard
        self._writing = writing
        self._open_second = second
        self.second: sqlite3.Connection | None = None
        self._descriptor = os.open(guard.files.log, os.O_RDONLY | os.O_CLOEXEC)
        self._pending = False
        self._far = 0  # the position of the last frame's salt in a long WAL, and the salt of an older WAL found there
        self._older: bytes | None = None
        self._tried: tuple[bytes, float] | None = None  # which log, and when
        self._idle_at = float("-inf")

    def committed(self) -> None:
        """Called after a commit, when its callers have their results: checkpoint if the WAL has become long.

        A failure does not concern those callers: the WAL stays longer, and the next call retries.
        """
        self._pending = True
        with contextlib.suppress(*LATER):
            if not self._is_long():
                return
            log, now = self.salt(), time.monotonic()
            if self._tried is None or self._tried[0] != log or now - self._tried[1] >= THROTTLE_S:
                self._tried = log, now
                self.checkpoint()

    def idle_in_s(self) -> float | None:
        """After how many seconds without a commit ``idle`` has something to do; None if it never has."""
        return max(IDLE_S, self._idle_at + IDLE_EVERY_S - time.monotonic()) if self._pending else None

    def idle(self) -> None:
        """Called when nothing was written for a while: checkpoint as much as is possible now."""
        self._idle_at = time.monotonic()
        with contextlib.suppress(*LATER):
            self.checkpoint()

    def checkpoint(self) -> Checkpoint | None:
        """Checkpoint as far as readers allow, under the write lock. Returns None if another process has the lock.

        Raises sqlite3.Error, StorageError.
        """
        with self._guard.lock.held(TIMEOUT_S) as held:
            return self._checkpoint() if held else None

    def shorten(self) -> Stuck | None:
        """Restart the WAL, waiting for the current readers. Returns None if that is done, or if another process writes.

        Writers are blocked meanwhile. So a reader that begins after the checkpoint reads only the file, and the WAL can
        restart as soon as the earlier readers have ended. Raises sqlite3.Error, StorageError.
        """
        before, until, pause = self.salt(), time.monotonic() + TIMEOUT_S, _PAUSE_S
        with self._guard.lock.held(TIMEOUT_S) as held:
            while held and (found := self._checkpoint()) is not None:
                time.sleep(pause)  # current readers end, and new ones do not need the WAL
                if found.complete and self._restarted(before):
                    return None
                if time.monotonic() > until:
                    return Stuck(before, found.copied)
                pause *= 2
        return None

    def _checkpoint(self) -> Checkpoint | None:
        self._guard.check()
        if self.second is None:
            self.second = self._open_second()
        found = checkpoint(self._writing, self.second)
        if found is not None:
            self._pending = not found.complete
        return found

    def _restarted(self, before: bytes) -> bool:
        """Commit a write that changes no data; returns whether it went to the start of the WAL."""
        begin(self._writing, timeout_s=TIMEOUT_S)
        try:
            (version,) = self._writing.execute("PRAGMA user_version").fetchone()
            self._writing.execute(f"PRAGMA user_version = {version}")
            self._writing.execute("COMMIT")
        finally:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
        return self.salt() != before

    def close(self) -> None:
        """Checkpoint as much as possible now, and close."""
        try:
            if self._pending:
                self.idle()
        finally:
            os.close(self._descriptor)
            if self.second is not None:
                self.second.close()

    def salt(self) -> bytes:
        """The salt of the current WAL, which changes at each restart; empty before the first."""
        return os.pread(self._descriptor, 8, 16)

    def _is_long(self) -> bool:
        """Whether the current WAL has LONG_LOG_FRAMES frames. After its end there are frames of older WALs, with other
        salts."""
        if os.pread(self._descriptor, 8, self._far) == self._older:
            return False
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        page_bytes = int.from_bytes(header[8:12], "big")
        self._far = _HEADER_BYTES + (LONG_LOG_FRAMES - 1) * (_FRAME_HEADER_BYTES + page_bytes) + 8
        salt = os.pread(self._descriptor, 8, self._far)
        is_long = salt != b"" and salt == header[16:24]
        self._older = None if is_long else salt
        return is_long
