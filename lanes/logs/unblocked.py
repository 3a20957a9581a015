"""A stream that never blocks the code that writes to it.

A pipe that nobody reads (a paused pager, Ctrl-S, a log driver that is stuck) blocks every thread that writes to it once
it is full. So a separate thread writes. Lines that do not fit into its queue are dropped and counted, and the reader is
told how many as soon as it reads again.
"""

import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

#: The most bytes that wait for their reader; more are dropped.
ROOM = 1_048_576
#: The most bytes of one write.
PIECE = 65_536


def dropped(lines: int) -> str:
    """The notice to the reader about dropped lines."""
    return f"{lines} lines were dropped here: they were not read in time"


class Unblocked(io.RawIOBase):
    """The descriptor ``fd`` behind a queue of ``room`` bytes. ``notice`` words the line about dropped lines.

    ``owns``: the descriptor is closed at the end. A forked child has no such thread, and writes directly.
    """

    def __init__(
        self, fd: int, *, room: int = ROOM, notice: Callable[[int], str] = dropped, owns: bool = False
    ) -> None:
        self.name = fd  # as io.FileIO names a descriptor
        self._fd = fd
        self._owns = owns
        self._room = room
        self._notice = notice
        self._waiting: deque[bytes] = deque()
        self._bytes = 0  # bytes that wait or are being written
        self._dropped = 0  # lines that were dropped since the last notice
        self._lost = 0  # lines that the system refused: their reader has left, the disk is full
        self._writing = False
        self._ended = False
        self._pid = os.getpid()
        self._changed = threading.Condition()  # its lock is reentrant: a finalizer may write at any moment
        self._thread = threading.Thread(target=self._write_queued, name="lanes-log", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Queue bytes without blocking. They are all taken or all dropped."""
        piece = bytes(data)
        if os.getpid() != self._pid:
            self._write_all(piece)
            return len(piece)
        with self._changed:
            # Once something is dropped, all is until the notice is taken: the notice stands where the gap is.
            if self._dropped or self._ended or self._bytes + len(piece) > self._room:
                self._dropped += _lines(piece)
            else:
                self._waiting.append(piece)
                self._bytes += len(piece)
            self._changed.notify_all()
        return len(piece)

    def wait_until_taken(self, seconds: float) -> bool:
        """Wait until everything is written, at most this long; returns whether it is."""
        if os.getpid() != self._pid:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._dropped or self._writing), seconds)

    def end(self, seconds: float) -> None:
        """Wait until everything is written, at most this long; then take nothing more."""
        self.wait_until_taken(seconds)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _write_queued(self) -> None:
        while (chunk := self._next()) is not None:
            taken = self._write_all(chunk)
            with self._changed:
                self._writing = False
                if not taken:
                    self._lost += _lines(chunk)
                elif self._lost:
                    self._dropped, self._lost = self._dropped + self._lost, 0
                self._changed.notify_all()
        if self._owns:
            os.close(self._fd)

    def _next(self) -> bytes | None:
        """The next bytes to write: everything that waits, then the line about dropped lines. Returns None at the
        end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._dropped or self._ended)
            if self._waiting:
                chunk = b"".join(self._waiting)
                self._waiting.clear()
            elif self._dropped and not self._ended:
                chunk = f"{self._notice(self._dropped)}\n".encode()
                self._dropped = 0
            else:
                return None
            self._bytes = len(chunk)
            self._writing = True
            return chunk

    def _write_all(self, chunk: bytes) -> bool:
        """Write the bytes, however long that takes. Returns False if the system refuses; that cannot be reported."""
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest[:PIECE]) :]
            except BlockingIOError:  # a process that shares the descriptor made it non-blocking
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()
            except OSError:
                return False
        return True


def wait_for_all(streams: "list[Unblocked]", seconds: float) -> None:
    """Wait until all of these have written everything, at most this long altogether."""
    end = time.monotonic() + seconds
    for stream in streams:
        stream.wait_until_taken(max(0.0, end - time.monotonic()))


def _lines(piece: bytes) -> int:
    return max(1, piece.count(b"\n"))
