"""Point reads on the thread of the event loop itself: to find a row by its key takes a tenth of two hand-overs.

Nothing else goes on there meanwhile, so nothing is waited for: a lock that another process has is left to the thread
that reads everything else, and so is every read once the disk turns out to be slow.
"""

import contextlib
import os
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from lanes_storage.interface import Params, Row
from lanes_storage.sqlite.file import SqliteFile

Timer = Callable[[], float]

#: A read that takes longer is slow.
SLOW_S = 0.002
#: What slow reads may take together before they go to the thread; each quick one makes up for a little of it.
MOST_S = 0.02
FORGIVEN_S = 0.0001
#: How long they stay there: at first, and at most.
FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0

#: What is said of a lock that another process has, or of many attempts to get one.
_OTHERS_TURN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
_BLOCK_BYTES = 4_096


class Pace:
    """Whether reads are quick enough for a thread that must not be held up."""

    def __init__(self, timer: Timer, cold_s: float = 0.0) -> None:
        """``cold_s``: what a read from the disk took, in seconds."""
        self._timer = timer
        self._debt_s = 0.0
        self._rest_s = FIRST_REST_S
        self._again_at = float("-inf")
        if cold_s > SLOW_S:
            self._rest(timer())

    def begin(self) -> float | None:
        """A read may begin: when that was. None: it belongs elsewhere."""
        now = self._timer()
        return now if now >= self._again_at else None

    def end(self, began: float) -> None:
        """The read is over."""
        now = self._timer()
        took_s = now - began
        if took_s > SLOW_S:
            self._debt_s += took_s
            if self._debt_s > MOST_S:
                self._rest(now)
        elif self._debt_s > 0:
            self._debt_s -= FORGIVEN_S
            if self._debt_s <= 0:
                self._rest_s = FIRST_REST_S

    def _rest(self, now: float) -> None:
        """From then on half of what is bearable is used up: a disk that is still slow shows that soon."""
        self._again_at = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        self._debt_s = MOST_S / 2


class AtOnce:
    """A connection for the thread of an event loop. ``timer`` tells seconds."""

    def __init__(self, file: SqliteFile, timer: Timer = time.perf_counter) -> None:
        """Not on that thread: this may wait. Raises StorageError."""
        self._connection = file.reader()
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._pace = Pace(timer, cold_read_s(file.guard.files.log, timer))

    def fetch(self, sql: str, params: Params) -> list[Row] | None:
        """The rows; None: they can not be read here and now. Raises sqlite3.Error."""
        began = self._pace.begin()
        if began is None:
            return None
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _OTHERS_TURN:
                return None
            raise
        finally:
            self._pace.end(began)

    def close(self) -> None:
        """Harmless twice."""
        self._connection.close()


def cold_read_s(log: Path, timer: Timer) -> float:
    """How long it takes to read a block of the log from the disk: in the middle of three. 0 where there is none.

    Any other close of a file of the database would drop its locks; the log has none.
    """
    took = []
    with contextlib.suppress(OSError), log.open("rb", buffering=0) as blocks:
        size = os.fstat(blocks.fileno()).st_size
        for at in (size // 4 * part // _BLOCK_BYTES * _BLOCK_BYTES for part in (1, 2, 3)):
            if hasattr(os, "posix_fadvise"):  # not on macOS: there it says what memory costs
                os.posix_fadvise(blocks.fileno(), at, _BLOCK_BYTES, os.POSIX_FADV_DONTNEED)
            began = timer()
            os.pread(blocks.fileno(), _BLOCK_BYTES, at)
            took.append(timer() - began)
    return statistics.median(took) if took else 0.0
