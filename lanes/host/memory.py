"""Returns memory to the system after large requests: the C library keeps freed memory that is fragmented.

A request of several megabytes is copied several times, with different sizes, by several threads. The free memory
afterwards is in fragments that seldom fit the next request; the C library returns them to the system on demand.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

#: How many bytes the process must have grown since the last time.
GROWN = 8 << 20

_STATUS = Path("/proc/self/statm")


def occupied() -> int:
    """The resident memory of this process, in bytes; 0 if unknown."""
    try:
        return int(_STATUS.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def give_back() -> None:
    """Return free memory to the system. Does nothing with a C library that cannot do it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Memory:
    """Returns free memory from time to time, if the process has grown. For one thread."""

    def __init__(self, occupied: Callable[[], int] = occupied, give_back: Callable[[], None] = give_back) -> None:
        self._occupied = occupied
        self._give_back = give_back
        self._least: int | None = None  # the smallest size since the last time

    def look(self) -> None:
        """Return memory, if the process has grown."""
        has = self._occupied()
        if self._least is None or has < self._least:
            self._least = has
        elif has - self._least > GROWN:
            self._give_back()
            self._least = self._occupied()
