"""Wakes up when another process has committed: Linux reports each write to a file (inotify), so no fast polling is
needed.

The watched file is the WAL, which changes with every commit. The event comes when the pages are written, a moment
before the commit is visible, and no second event follows. So after an event the sleeper polls a few times. A slow poll
remains as a fallback, for file systems without events.
"""

import contextlib
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lanes.engine.background.loop import LoopPause

#: How many seconds a loop sleeps at most, with and without wake-ups.
NET_S = 0.1
POLL_S = 0.02
#: Minimum rest after a wake-up, however much is committed: this long, and this multiple of the round's duration.
REST_S = 0.005
REST_ROUNDS = 9
#: The longest minimum rest.
LONGEST_REST_S = 0.015
#: Seconds between the polls after an event; for a slower disk, the fallback applies.
LOOKS_S = (0.001, 0.001, 0.002, 0.004, 0.008, 0.008, 0.008, 0.008)

_IN_MODIFY, _IN_ATTRIB, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x2, 0x4, 0x400, 0x800
_WATCHED = _IN_MODIFY | _IN_ATTRIB | _IN_DELETE_SELF | _IN_MOVE_SELF
_EVENT_BYTES = 16  # events of a file have no name


def pause_on(path: Path | None, new: Callable[[], bool]) -> tuple[LoopPause, float]:
    """A pause that ends when the file has changed and ``new`` returns true, and the longest time to sleep with it.

    A plain pause if there is no file, or the system cannot watch it.
    """
    if path is not None and sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # no free watch, or a libc without inotify
            return InotifyPause(path, new), NET_S
    return LoopPause(), POLL_S


class InotifyPause(LoopPause):
    """A pause that also ends when the file has changed and ``new`` returns true. Raises OSError if the system has no
    watch left; ``sleep`` raises what ``new`` raises."""

    def __init__(self, path: Path, new: Callable[[], bool]) -> None:
        import ctypes

        self._new = new
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._path = os.fsencode(path)
        self._inotify: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._waker, self._woken_by = socket.socketpair()
        self._watched = False
        self._looks: Iterator[float] = iter(())
        self._was_woken = True
        self._woke_at = time.monotonic()
        self._rest = select.poll()
        self._rest.register(self._woken_by, select.POLLIN)
        self._any = select.poll()
        self._any.register(self._woken_by, select.POLLIN)
        self._any.register(self._inotify, select.POLLIN)

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if self._was_woken:
            rest = min(seconds, LONGEST_REST_S, max(REST_S, REST_ROUNDS * (time.monotonic() - self._woke_at)))
            self._rest.poll(rest * 1000)
        self._watch()
        self._was_woken = self._listen(until)
        self._woke_at = time.monotonic()

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # closed: no thread sleeps any more
            self._waker.send(b"!")

    def close(self) -> None:
        os.close(self._inotify)
        self._waker.close()
        self._woken_by.close()

    def _listen(self, until: float) -> bool:
        """Wait for a change, for that time, or for ``wake``; returns whether a change may have ended the wait.

        The change may be another commit than the announced one, so polling for that continues afterwards.
        """
        while (left := until - time.monotonic()) > 0:
            pause = next(self._looks, None)
            if pause is None:
                self._any.poll(left * 1000)
            elif self._rest.poll(pause * 1000):
                return False
            if self._read_events():
                self._looks = iter(LOOKS_S)
            elif pause is None:
                return False
            if self._new():
                return True
        return True

    def _watch(self) -> None:
        """Watch the file that the path names now; if it is missing, try again later."""
        if not self._watched:
            self._watched = self._libc.inotify_add_watch(self._inotify, self._path, _WATCHED) >= 0

    def _read_events(self) -> bool:
        """Read the pending events; returns whether there were any."""
        found = False
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._inotify, 256 * _EVENT_BYTES):
                found = True
                masks = (events[at + 4 : at + 8] for at in range(0, len(events), _EVENT_BYTES))
                if any(int.from_bytes(mask, sys.byteorder) != _IN_MODIFY for mask in masks):
                    self._watched = False  # the path may name another file now
        return found
