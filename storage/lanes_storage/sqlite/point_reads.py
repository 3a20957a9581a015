"""Point reads on the thread of the event loop.

Finding a row by its key takes a tenth of the time of two thread switches. These reads block the event loop, so they
never wait: if another process holds a lock, or if the disk is slow, the read goes to the thread for other reads.
"""

import contextlib
import itertools
import os
import resource
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lanes_storage.interface import Params, Row
from lanes_storage.sqlite.file.file import SqliteFile

Timer = Callable[[], float]


def fetched_blocks() -> int:
    """How many blocks were read from the disk for this thread so far."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock


class ReadCost(NamedTuple):
    """How the cost of a read is measured: in seconds, and in blocks that were fetched from the disk.

    On systems that do not count blocks (other than Linux), each call returns another number.
    """

    timer: Timer = time.perf_counter
    blocks: Callable[[], int] = fetched_blocks if hasattr(resource, "RUSAGE_THREAD") else itertools.count().__next__


#: A read that takes longer and reads from the disk is slow. One that reads nothing from the disk has waited for the
#: processor or the GIL: two thread switches would only make that worse.
SLOW_S = 0.002
#: The total time of slow reads after which reads move to the thread; each fast read reduces the total a little.
MOST_S = 0.02
FORGIVEN_S = 0.0001
#: How long reads stay on the thread: the first time, and at most.
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0

_BLOCK_BYTES = 4_096


class ReadPace:
    """Decides whether reads are fast enough for the event loop's thread, or another thread that must not be blocked."""

    def __init__(self, gauge: ReadCost, cold_s: float = 0.0) -> None:
        """``cold_s``: how long an uncached read from the disk took, in seconds."""
        self._timer, self._blocks = gauge
        self._fetched: int | None = None  # the number of blocks at the last long read
        self._debt_s = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        self._again_at = float("-inf")
        if cold_s > SLOW_S:
            self._back_off(self._timer())

    def begin(self) -> float | None:
        """The start time of a read, or None if the read must run on the other thread."""
        now = self._timer()
        return now if now >= self._again_at else None

    def end(self, began: float) -> None:
        now = self._timer()
        took_s = now - began
        if took_s > SLOW_S and self._read_disk():
            self._debt_s += took_s
            if self._debt_s > MOST_S:
                self._back_off(now)
        elif self._debt_s > 0:
            self._debt_s -= FORGIVEN_S
            if self._debt_s <= 0:
                self._backoff_s = FIRST_BACKOFF_S

    def _read_disk(self) -> bool:
        """Whether blocks were read from the disk since the last long read. For the first long read, that is assumed."""
        before, self._fetched = self._fetched, self._blocks()
        return self._fetched != before

    def back_off_long(self) -> None:
        """Called when another process keeps a lock: SQLite has waited a long time for it, so do not try again soon."""
        self._backoff_s = LONGEST_BACKOFF_S
        self._back_off(self._timer())

    def _back_off(self, now: float) -> None:
        """Use the other thread for a while. After that, half of the allowance counts as used, so that a disk that is
        still slow is detected soon."""
        self._again_at = now + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        self._debt_s = MOST_S / 2


class PointReads:
    """A connection for the thread of an event loop."""

    def __init__(self, file: SqliteFile, gauge: ReadCost) -> None:
        """Call it from another thread: it may block. Raises StorageError."""
        self._connection = file.reader()
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._pace = ReadPace(gauge, cold_read_s(file.guard.files.log, gauge.timer))

    def fetch(self, sql: str, params: Params) -> list[Row] | None:
        """The rows, or None if they cannot be read without waiting. Raises sqlite3.Error."""
        began = self._pace.begin()
        if began is None:
            return None
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.OperationalError as error:
            match error.sqlite_errorcode & 0xFF:
                case sqlite3.SQLITE_BUSY:  # another process has a lock
                    return None
                case sqlite3.SQLITE_PROTOCOL:  # another process still has the lock after ten seconds of attempts
                    self._pace.back_off_long()
                    return None
            raise
        finally:
            self._pace.end(began)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._connection.close()


def cold_read_s(log: Path, timer: Timer) -> float:
    """How long it takes to read a block of the WAL from the disk: the median of three. 0 if there is no WAL.

    Closing the WAL is safe: closing any other file of the database would drop its locks, but the WAL has none.
    """
    took = []
    with contextlib.suppress(OSError), log.open("rb", buffering=0) as blocks:
        size = os.fstat(blocks.fileno()).st_size
        for at in (size // 4 * part // _BLOCK_BYTES * _BLOCK_BYTES for part in (1, 2, 3)):
            if hasattr(os, "posix_fadvise"):  # not on macOS, where this would measure reads from the page cache
                os.posix_fadvise(blocks.fileno(), at, _BLOCK_BYTES, os.POSIX_FADV_DONTNEED)
            began = timer()
            os.pread(blocks.fileno(), _BLOCK_BYTES, at)
            took.append(timer() - began)
    return sorted(took)[len(took) // 2] if took else 0.0
