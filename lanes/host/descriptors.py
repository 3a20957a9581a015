"""File descriptors: how many this process may have open, and what to do when none is left.

A run takes up to two, for the connections to its client and its provider. The usual soft limit of 1,024 is far less
than a thousand runs need. The hard limit, up to which a process may raise it, is usually much higher.
"""

import errno
import os
import resource
import sys
import time
from pathlib import Path

#: How many a process needs besides its runs: the database, the log, listening sockets, dashboards, commands.
RESERVE = 64
PER_RUN = 2
#: The fewest that a gateway tries to get: clients that only read also need one each.
LEAST = 8_192
#: How many seconds nothing is claimed after the process ran out of descriptors, or for a runner that could start no
#: process. Doubled if it happens again with the next claims, since each failed claim writes two events.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0


def is_shortage(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, says that this process has no descriptor left."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_no_thread(error: BaseException) -> bool:
    """Whether an error says that this process can start no thread, as at a limit of processes. Python has no separate
    type for it."""
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def none_left() -> bool:
    """Whether no descriptor is available now. For errors without a reason, such as those of name resolution."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def raise_limit(runs: int) -> int:
    """Raise the soft limit, up to the hard one, for so many concurrent runs; returns the new soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(LEAST, needed(runs))
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if wanted > _limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return _limit()


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def needed(runs: int) -> int:
    """How many descriptors the process needs in total for so many concurrent runs."""
    return PER_RUN * runs + RESERVE


def used_by(pid: int) -> tuple[int, int] | None:
    """How many descriptors a process has open, and how many it may have; None where that is not visible."""
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), soft
    except (OSError, AttributeError):  # another user's, ended by now, or not on Linux
        return None


def allowed(limit: int) -> int:
    """How many concurrent runs a limit allows; at least one."""
    return max(1, (limit - RESERVE) // PER_RUN)


def room(runs: int) -> int:
    """How many runs may start in addition to ``runs``; none for a moment after the process ran out of descriptors."""
    return 0 if short() else most_connections() - runs


def most_connections() -> int:
    """How many clients may be connected: one for each run, so that waiting clients leave descriptors for running
    ones."""
    return allowed(_limit())


class Shortage:
    """When a shortage was last noted, and for how long nothing is claimed after it."""

    def __init__(self) -> None:
        self._until, self._pause_s = 0.0, 0.0

    def note(self, now: float) -> None:
        if now < self._until:  # the same shortage, noticed by another run
            return
        again = now < self._until + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S) if again else PAUSE_S
        self._until = now + self._pause_s

    def lasts(self, now: float) -> bool:
        return now < self._until


_shortage = Shortage()


def note_shortage() -> None:
    """Note that the process ran out of descriptors. From any thread."""
    _shortage.note(time.monotonic())


def short() -> bool:
    """Whether the process ran out of descriptors a moment ago."""
    return _shortage.lasts(time.monotonic())
