"""The processes of a run, for display: who started whom, since when, what each uses and waits for."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lanes.host.holder import shortened, words_of
from lanes.host.stat import STOPPED, stat_of
from lanes.host.tree import Survivor

#: What a sleeping process waits for, by the beginning of the kernel's name for the place (``/proc/PID/wchan``).
WAITS = {
    "do_wait": "a child process",
    "pipe_": "a pipe",
    "anon_pipe_": "a pipe",
    "hrtimer_": "a timer",
    "do_nanosleep": "a timer",
    "futex_": "another thread",
    "ep_poll": "an event",
    "do_epoll": "an event",
    "poll_": "an event",
    "do_poll": "an event",
    "do_select": "an event",
    "wait_woken": "a terminal or the network",
    "n_tty_": "a terminal",
    "sk_": "the network",
    "inet_": "the network",
    "unix_": "a socket",
    "__skb_": "a socket",
    "locks_": "a file lock",
    "flock_": "a file lock",
    "do_signal_stop": "SIGCONT",
    "do_sigtimedwait": "a signal",
    "sigsuspend": "a signal",
    "folio_": "the disk",
    "io_schedule": "the disk",
}


class TreeProcess(NamedTuple):
    """One process of a run. ``depth``: how far below the keeper, which has 0. Ages in milliseconds.

    ``waits_for``: None if it runs, or if that is not visible. ``memory_bytes`` is what it has in memory now.
    """

    pid: int
    depth: int
    name: str
    command: str
    age_ms: int
    cpu_ms: int
    memory_bytes: int
    waits_for: str | None


def process_tree(left: Iterable[Survivor], boot_ms: int) -> list[TreeProcess]:
    """The processes of a run at ``boot_ms`` of the boot clock, each after its parent."""
    found = {each.pid: process for each in left if (process := _look(each.pid, each.start_time, boot_ms)) is not None}
    return [*_in_order(found)]


class _Looked(NamedTuple):
    parent: int
    shown: TreeProcess


def _in_order(found: dict[int, _Looked]) -> Iterator[TreeProcess]:
    below: dict[int, list[int]] = {}
    for pid, each in sorted(found.items()):
        below.setdefault(each.parent if each.parent in found else 0, []).append(pid)
    todo = [(pid, 0) for pid in reversed(below.get(0, []))]
    while todo:
        pid, depth = todo.pop()
        yield found[pid].shown._replace(depth=depth)
        todo += [(child, depth + 1) for child in reversed(below.get(pid, []))]


def _look(pid: int, start_time: int, boot_ms: int) -> _Looked | None:
    try:
        stat = stat_of(pid)
    except OSError:
        return None  # it has ended
    if stat.start_time != start_time:
        return None
    tick_ms = 1000 / os.sysconf("SC_CLK_TCK")
    shown = TreeProcess(
        pid,
        0,
        stat.name,
        shortened(" ".join(words_of(pid))),
        max(0, boot_ms - round(start_time * tick_ms)),
        round(stat.cpu_ticks * tick_ms),
        stat.pages * os.sysconf("SC_PAGE_SIZE"),
        _waits_for(pid, stat.state),
    )
    return _Looked(stat.parent, shown)


def _waits_for(pid: int, state: str) -> str | None:
    if state in STOPPED:
        return "SIGCONT: it is stopped"
    if state == "D":
        return "the disk"
    if state == "R":
        return None
    place = ""
    with contextlib.suppress(OSError):
        place = Path(f"/proc/{pid}/wchan").read_text(encoding="ascii", errors="replace")
    return next((reason for begins, reason in WAITS.items() if place.startswith(begins)), None)
