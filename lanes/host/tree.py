"""The process tree of a command run, from any process on its host: which processes are left, and how to end them.

The keeper (``lanes.runners.command.keeper``) is the parent of the whole tree and ends it itself: while it lives, it is
only told to. If it was killed, what is left is found by the control group of the run; without one, by the tag in the
environment of the agent, and by the keeper's session and process group.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lanes.base.terminal import clean
from lanes.host.cgroups import ControlGroup
from lanes.host.identity import Identity, ProcessSighting, look
from lanes.host.stat import TRACED, ProcessStat, stat_of

#: The environment variable that marks every process of a run.
TAG = "LANES_RUN_TAG"
_LINUX = sys.platform.startswith("linux")


def tag(keeper: Identity) -> str:
    """The value of ``TAG`` for a run, unique on a host within one boot."""
    return f"{keeper.pid}-{keeper.start_time}"


class Survivor(NamedTuple):
    """A living process of a run."""

    pid: int
    start_time: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} {clean(self.name)}"


class HaltedProcess(NamedTuple):
    """A process of a run that is stopped. ``traced``: by a debugger, which alone lets it go on."""

    process: Survivor
    traced: bool


def survivors(keeper: Identity, me: Identity, *, looks: int = 20) -> list[Survivor] | None:
    """What is left of a tree: [] proves that nothing is left; None means that it cannot be told from here.

    ``looks``: how many times to list the processes at most, if they move between control groups meanwhile.
    """
    sight = look(keeper, me)
    if sight is ProcessSighting.OTHER_BOOT:
        return []  # one machine at a time uses a database file, and the processes of an earlier boot ended with it
    if sight in (ProcessSighting.OTHER_HOST, ProcessSighting.OTHER_NAMESPACE) or not _LINUX:
        return None
    alive = not sight.gone
    table = {each.pid: each for each in _processes() if each.start_time >= keeper.start_time}
    # Without its keeper, a process is found by the control group, unless another program has moved it to another one.
    group = ControlGroup(tag(keeper))
    members = None if alive else group.members()
    found, hidden = [], False
    for each in table.values():
        if each.pid == keeper.pid:
            ours: bool | None = alive and each.start_time == keeper.start_time
        elif each.pid in (members or ()) or (alive and _descends(each, keeper.pid, table)):
            ours = True
        else:
            ours = _is_tagged(each.pid, tag(keeper))
            if not ours and not alive and keeper.pid in (each.session, each.group):
                # Perhaps its environment was cleared. A session number is not reused while the session has members: if
                # no process has the keeper's pid, they are the keeper's.
                ours = keeper.pid not in table
        hidden = hidden or ours is None
        if ours:
            found.append(Survivor(each.pid, each.start_time, each.name))
    if not found and members is not None:
        if not group.is_empty:  # a process moved or was started while they were listed
            return survivors(keeper, me, looks=looks - 1) if looks > 1 else None
        group.remove()
        return []
    return found or (None if hidden else [])


def halted(left: Iterable[Survivor]) -> list[HaltedProcess]:
    """Those of these processes that a signal or a debugger has stopped."""
    found = []
    for each in sorted(left):
        with contextlib.suppress(OSError):
            if (there := stat_of(each.pid)).start_time == each.start_time and there.stopped:
                found.append(HaltedProcess(each, there.state == TRACED))
    return found


def end(keeper: Identity, me: Identity, *, hard: bool) -> list[Survivor] | None:
    """Signal what is left of a tree, and return it; call it again until nothing is left.

    Without ``hard``: SIGTERM, which tells the keeper to end its tree in its grace. With it: SIGKILL, but the keeper
    gets it only once it is the last.
    """
    left = survivors(keeper, me)
    if left and hard and keeper.pid not in [each.pid for each in left]:
        ControlGroup(tag(keeper)).kill()
    for each in left or ():
        is_keeper = each.pid == keeper.pid
        number = signal.SIGKILL if hard and not (is_keeper and len(left or ()) > 1) else signal.SIGTERM
        _send(each, number)
    return left


def reap(keeper: Identity, seen: Iterable[Survivor]) -> None:
    """Reap what has ended of a tree whose keeper was killed, where this process has adopted it: as process 1 of a
    container, say. ``seen``: processes of the tree. Nothing else is touched, so nobody loses an exit code."""
    known = {(each.pid, each.start_time) for each in seen}
    for each in _visible() if _LINUX else ():
        theirs = each.session == keeper.pid or (each.pid, each.start_time) in known
        if theirs and each.pid != keeper.pid and each.parent == os.getpid() and each.ended:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, each.pid, os.WEXITED | os.WNOHANG)


def _send(to: Survivor, number: int) -> None:
    """Signal exactly that process, not another one that reuses its pid."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(to.pid)
        try:
            if (there := stat_of(to.pid)).start_time == to.start_time and not there.ended:
                signal.pidfd_send_signal(descriptor, number)
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
        finally:
            os.close(descriptor)


def _processes() -> Iterator[ProcessStat]:
    """Every process of this namespace that has not ended."""
    return (process for process in _visible() if not process.ended)


def _visible() -> Iterator[ProcessStat]:
    """Every process of this namespace, zombies included."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - often
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                yield stat_of(entry)


def _descends(process: ProcessStat, ancestor: int, table: dict[int, ProcessStat]) -> bool:
    seen = set[int]()
    while process.parent in table and process.pid not in seen:
        if process.parent == ancestor:
            return True
        seen.add(process.pid)
        process = table[process.parent]
    return False


def _is_tagged(pid: int, wanted: str) -> bool | None:
    """Whether the environment that a process was started with carries the tag; None if that cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - many, often
            return f"{TAG}={wanted}".encode() in file.read().split(b"\0")
    except PermissionError:
        try:
            return None if os.stat(f"/proc/{pid}").st_uid == os.geteuid() else False  # noqa: PTH116
        except OSError:
            return False
    except OSError:
        return False
