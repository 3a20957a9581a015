"""Waking up when another process has committed: Linux tells of each write to a file, so nobody has to ask all the time.

What is watched is the write-ahead log, which changes with every commit. The word comes when the pages are written, a
moment before the commit can be seen, and no second one follows: so after a word the sleeper looks, a few times, whether
there is anything new. A slow poll stays as the net, for file systems that say nothing.
"""

import contextlib
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lanes.engine.loop import Nap, PlainNap

#: How long a loop sleeps at most where it is woken, and where nothing wakes it.
NET_S = 0.1
POLL_S = 0.02
#: After a word, before the next is heard, however much is committed: so long, and so many times what the round took.
REST_S = 0.005
REST_ROUNDS = 9
#: The longest of these rests.
LONGEST_REST_S = 0.015
#: Between the looks after a word; a disk that is slower than all of them is left to the net.
LOOKS_S = (0.001, 0.001, 0.002, 0.004, 0.008, 0.008, 0.008, 0.008)

_IN_MODIFY, _IN_ATTRIB, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x2, 0x4, 0x400, 0x800
_WATCHED = _IN_MODIFY | _IN_ATTRIB | _IN_DELETE_SELF | _IN_MOVE_SELF
_EVENT_BYTES = 16  # without a name, which only events of folders have


def nap_on(path: Path | None, new: Callable[[], bool]) -> tuple[Nap, float]:
    """A nap that ends when the file has changed and there is anything ``new``, and how long to sleep with it at most.

    A plain one where there is no file.
    """
    if path is not None and sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # no room for another watch, or a libc without it
            return FileNap(path, new), NET_S
    return PlainNap(), POLL_S


class FileNap:
    """Implements ``Nap``. Raises OSError where the system gives no watch; ``sleep`` raises what ``new`` raises."""

    def __init__(self, path: Path, new: Callable[[], bool]) -> None:
        import ctypes

        self._new = new
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._path = os.fsencode(path)
        self._inotify: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._bell, self._ear = socket.socketpair()
        self._watched = False
        self._looks: Iterator[float] = iter(())
        self._woken = True
        self._woke_at = time.monotonic()
        self._rest = select.poll()
        self._rest.register(self._ear, select.POLLIN)
        self._any = select.poll()
        self._any.register(self._ear, select.POLLIN)
        self._any.register(self._inotify, select.POLLIN)

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if self._woken:
            rest = min(seconds, LONGEST_REST_S, max(REST_S, REST_ROUNDS * (time.monotonic() - self._woke_at)))
            self._rest.poll(rest * 1000)
        self._watch()
        self._woken = self._listen(until)
        self._woke_at = time.monotonic()

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # closed: nobody sleeps any more
            self._bell.send(b"!")

    def close(self) -> None:
        os.close(self._inotify)
        self._bell.close()
        self._ear.close()

    def _listen(self, until: float) -> bool:
        """Return once there is anything new (True), or it is that late, or the bell rings.

        What is new may be another commit than the one that was announced, so the looks for it go on afterwards.
        """
        while (left := until - time.monotonic()) > 0:
            pause = next(self._looks, None)
            if pause is None:
                self._any.poll(left * 1000)
            elif self._rest.poll(pause * 1000):
                return False
            if self._heard():
                self._looks = iter(LOOKS_S)
            elif pause is None:
                return False
            if self._new():
                return True
        return True

    def _watch(self) -> None:
        """Watch the file that has the name now; one that is not there yet is looked for again."""
        if not self._watched:
            self._watched = self._libc.inotify_add_watch(self._inotify, self._path, _WATCHED) >= 0

    def _heard(self) -> bool:
        """Take in what was said; whether that was anything."""
        heard = False
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._inotify, 256 * _EVENT_BYTES):
                heard = True
                masks = (events[at + 4 : at + 8] for at in range(0, len(events), _EVENT_BYTES))
                if any(int.from_bytes(mask, sys.byteorder) != _IN_MODIFY for mask in masks):
                    self._watched = False  # another file may have its name now
        return heard
