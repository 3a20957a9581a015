"""Giving back what large requests have left: the C library keeps what was freed, between what is still in use.

A request of megabytes is copied several times on its way, at sizes that differ, by several threads. What is free
afterwards lies in pieces, which the next request seldom fits; the library gives them back to the system when asked.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from lanes_storage.moment import Now

#: It is asked when the process occupies so much more than after the last time, in bytes.
GROWN = 8 << 20
#: Between two looks.
LOOK_EVERY_MS = 1_000

_STATUS = Path("/proc/self/statm")


def occupied() -> int:
    """The memory that this process occupies, in bytes; 0 where the system does not say."""
    try:
        return int(_STATUS.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def give_back() -> None:
    """Give back what is free. Does nothing with a library that can not."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Memory:
    """Gives back now and then what is free, where there may be much of it. For one thread."""

    def __init__(self, occupied: Callable[[], int] = occupied, give_back: Callable[[], None] = give_back) -> None:
        self._occupied = occupied
        self._give_back = give_back
        self._least: int | None = None  # since the last time
        self._next_mono = 0

    def look(self, now: Now) -> None:
        """Give back, when it is time for a look and the process has grown."""
        if now.mono < self._next_mono:
            return
        self._next_mono = now.mono + LOOK_EVERY_MS
        has = self._occupied()
        if self._least is None or has < self._least:
            self._least = has
        elif has - self._least > GROWN:
            self._give_back()
            self._least = self._occupied()
