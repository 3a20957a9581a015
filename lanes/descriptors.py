"""File descriptors: how many this process may have open, and what to do when there are no more.

A run takes up to two, its client's connection and its provider's. The usual soft limit of 1,024 is far less than a
thousand runs need, while the hard limit, up to which everybody may raise it, is mostly much higher.
"""

import errno
import os
import resource
import sys
import time

#: What a process needs besides its runs: the database, the log, listening sockets, dashboards, commands.
RESERVE = 64
PER_RUN = 2
#: A gateway wants at least so many: connections that only look need one each as well.
LEAST = 8_192
#: How long nothing is claimed after the last descriptor was taken.
PAUSE_S = 1.0

_short_until = 0.0


def is_shortage(error: BaseException | None) -> bool:
    """Whether an error, or one of those that it came from, says that there is no descriptor left here."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__ or error.__context__
    return False


def none_left() -> bool:
    """Whether no descriptor can be had now. For errors that do not say why, such as those of name resolution."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def raise_limit(runs: int) -> int:
    """Raise the soft limit, towards the hard one, to what so many runs at once need; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return LEAST
    wanted = max(LEAST, needed(runs))
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def needed(runs: int) -> int:
    """How many descriptors so many runs at once need, and everything beside them."""
    return PER_RUN * runs + RESERVE


def allowed(limit: int) -> int:
    """How many runs at once a limit allows; one in any case."""
    return max(1, (limit - RESERVE) // PER_RUN)


def room(runs: int) -> int:
    """How many more runs there may be beside so many; none for a moment after the last descriptor was taken."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if short():
        return 0
    return sys.maxsize if soft == resource.RLIM_INFINITY else allowed(soft) - runs


def most_connections() -> int:
    """How many clients may be connected: one for each run, so that those who wait leave some to those who run."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else allowed(soft)


def note_shortage() -> None:
    """The last descriptor is taken. From any thread."""
    global _short_until
    _short_until = time.monotonic() + PAUSE_S


def short() -> bool:
    """Whether there was none left a moment ago."""
    return time.monotonic() < _short_until
