"""The write-ahead log: when it is copied back into the file, and why it stays short.

SQLite up to 3.51.2 can lose everything that is written after a checkpoint which ran beside a commit: the checkpoint
reads how long the log is, a commit begins the log again from its start, and the checkpoint then notes as copied what
was never there (fixed in 3.44.6, 3.50.7 and 3.51.3). So no checkpoint here runs without the write lock: automatic ones
are switched off, a connection takes the lock, and a second one copies (``PASSIVE``, which waits for nobody).

That is done after a commit that leaves 4,000 frames (16 MB) in the present log, when nothing is written for a while,
and when the store is closed. The next commit then writes the log from its start, unless somebody still reads from it.
Two things keep it from that: one reader that stays (a transaction left open in a shell, a backup), and readers that
always overlap. Against the second, a gateway that finds the log large keeps others from writing for a moment: who
begins to read then needs the log no longer. Against the first nothing helps but the end of that reader, so it is said.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lanes_storage import errors
from lanes_storage.sqlite.identity import Files, Guard
from lanes_storage.sqlite.locking import begin

#: So many pages in the log are copied back: a quarter as often as by default, since a page that changed ten times
#: since then is written once.
LONG_LOG_FRAMES = 4_000
#: From this size on the log is cut back. The same as ``journal_size_limit``: below it, it is simply written over.
LARGE_LOG_BYTES = 67_108_864
#: Between two attempts while a reader keeps the same log in use.
THROTTLE_S = 0.25
#: Without a commit for so long, a store is idle; and between two copies that are made for that reason.
IDLE_S = 1.0
IDLE_EVERY_S = 60.0
#: How long the write lock is waited for, and the readers of the moment.
PATIENCE_S = 0.1
_PAUSE_S = 0.005

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class Copied(NamedTuple):
    """What a checkpoint left: the frames of the log, and how many of them are in the file now."""

    frames: int
    copied: int

    @property
    def whole(self) -> bool:
        return self.copied == self.frames


class Stuck(NamedTuple):
    """What a reader keeps of a log that shall begin again: which log, and the frames that are in the file.

    A reader that was there all the time keeps the same from one look to the next; of readers that come and go, each
    lets more be copied.
    """

    log: bytes
    copied: int


def log_of(path: Path) -> Path:
    """The log of a database."""
    return Files.of(path).log


def log_bytes(path: Path) -> int:
    """The size of the log of a database; 0 where there is none."""
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def copy_back(writing: sqlite3.Connection, second: sqlite3.Connection) -> Copied | None:
    """Copy the log into the file as far as readers allow, under the write lock. None: somebody else writes.

    Two connections, since one that writes can not copy. Raises sqlite3.Error.
    """
    try:
        begin(writing, patience_s=PATIENCE_S)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return None
        raise
    try:
        busy, frames, copied = second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        writing.execute("ROLLBACK")
    return None if busy else Copied(frames, copied)


class Log:
    """The log of one store, which its writer looks after. For one thread.

    ``second`` opens another connection that may write. Opening and closing the log itself is safe: unlike the
    database and the shared memory, it carries no lock that would fall.
    """

    def __init__(self, guard: Guard, writing: sqlite3.Connection, second: Callable[[], sqlite3.Connection]) -> None:
        self._guard = guard
        self._writing = writing
        self._open_second = second
        self.second: sqlite3.Connection | None = None
        self._descriptor = os.open(guard.files.log, os.O_RDONLY | os.O_CLOEXEC)
        self._uncopied = False
        self._far = (
            0  # where the salt of the last frame of a long log would stand, and what stood there of an older one
        )
        self._older: bytes | None = None
        self._tried: tuple[bytes, float] | None = None  # which log, and when
        self._idle_at = float("-inf")

    def committed(self) -> None:
        """After a commit: copy the log back when it has become long. Raises sqlite3.Error, StorageError."""
        self._uncopied = True
        if not self._is_long():
            return
        log, now = self.salt(), time.monotonic()
        if self._tried is None or self._tried[0] != log or now - self._tried[1] >= THROTTLE_S:
            self._tried = log, now
            self.copy()

    def idle_in_s(self) -> float | None:
        """After how long without a commit there is something to do; None: never."""
        return max(IDLE_S, self._idle_at + IDLE_EVERY_S - time.monotonic()) if self._uncopied else None

    def idle(self) -> None:
        """Nothing was written for a while: let the file have everything. Raises sqlite3.Error, StorageError."""
        self._idle_at = time.monotonic()
        self.copy()

    def copy(self) -> Copied | None:
        """Copy back what readers allow, under the write lock. None: somebody else has it.

        Raises sqlite3.Error, StorageError.
        """
        with self._guard.lock.held(PATIENCE_S) as held:
            return self._copy() if held else None

    def shorten(self) -> Stuck | None:
        """Begin the log again from its start, waiting for the readers of the moment. None: done, or somebody writes.

        Nobody writes meanwhile, so that who begins to read once all is copied reads the file alone, and the log is free
        as soon as those have ended who began before. Raises sqlite3.Error, StorageError.
        """
        before, until, pause = self.salt(), time.monotonic() + PATIENCE_S, _PAUSE_S
        with self._guard.lock.held(PATIENCE_S) as held:
            while held and (found := self._copy()) is not None:
                time.sleep(pause)  # who reads the log now ends, and who begins now needs it no longer
                if found.whole and self._begun_again(before):
                    return None
                if time.monotonic() > until:
                    return Stuck(before, found.copied)
                pause *= 2
        return None

    def _copy(self) -> Copied | None:
        self._guard.check()
        if self.second is None:
            self.second = self._open_second()
        found = copy_back(self._writing, self.second)
        if found is not None:
            self._uncopied = not found.whole
        return found

    def _begun_again(self, before: bytes) -> bool:
        """Write something that changes nothing; whether that went to the start of the log."""
        begin(self._writing, patience_s=PATIENCE_S)
        try:
            (version,) = self._writing.execute("PRAGMA user_version").fetchone()
            self._writing.execute(f"PRAGMA user_version = {version}")
            self._writing.execute("COMMIT")
        finally:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
        return self.salt() != before

    def close(self) -> None:
        """Let the file have everything, as far as that can be done now, and end."""
        try:
            if self._uncopied:
                with contextlib.suppress(sqlite3.Error, errors.StorageError):  # it is in the log, and stays there
                    self.copy()
        finally:
            os.close(self._descriptor)
            if self.second is not None:
                self.second.close()

    def salt(self) -> bytes:
        """What tells this log from the one that is written over it next; empty before the first."""
        return os.pread(self._descriptor, 8, 16)

    def _is_long(self) -> bool:
        """Whether the present log has so many frames: behind its end stand those of older ones, with other salts."""
        if os.pread(self._descriptor, 8, self._far) == self._older:
            return False
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        page_bytes = int.from_bytes(header[8:12], "big")
        self._far = _HEADER_BYTES + (LONG_LOG_FRAMES - 1) * (_FRAME_HEADER_BYTES + page_bytes) + 8
        salt = os.pread(self._descriptor, 8, self._far)
        is_long = salt != b"" and salt == header[16:24]
        self._older = None if is_long else salt
        return is_long
