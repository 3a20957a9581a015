"""The process tree of a command run, as any process on its host sees it: who is left of it, and how to end that.

Its keeper (``lanes.runners.command.keeper``) is the parent of everything in it, and ends the tree itself. So as long as
the keeper lives, it is only told to. Where it was killed, what is left is in its control group. Where there is none, it
is found by the tag that the agent's environment carries, and by the keeper's session and process group.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple

from lanes.base.terminal import clean
from lanes.host.cgroups import ControlGroup
from lanes.host.identity import Identity, ProcessSighting, look

#: The environment variable that marks every process of a run.
TAG = "LANES_RUN_TAG"
_LINUX = sys.platform.startswith("linux")


class RunTree(NamedTuple):
    """A run's processes: its keeper, and the group and session that it leads."""

    run_id: int
    keeper: Identity

    @property
    def tag(self) -> str:
        """Unique on a host in one boot: two databases may both have a run 41."""
        return tag(self.run_id, self.keeper)


def tag(run_id: int, keeper: Identity) -> str:
    """What ``TAG`` holds."""
    return f"{run_id}-{keeper.pid}-{keeper.start_time}"


class Survivor(NamedTuple):
    """A living process of a run."""

    pid: int
    start_time: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} {clean(self.name)}"


def survivors(tree: RunTree, me: Identity) -> list[Survivor] | None:
    """What is left of a tree: [] proves that nothing is, None that it cannot be told from here."""
    sight = look(tree.keeper, me)
    if sight is ProcessSighting.OTHER_BOOT:
        return []  # a database file has one machine at a time, and the processes of an earlier boot ended with it
    if sight in (ProcessSighting.OTHER_HOST, ProcessSighting.OTHER_NAMESPACE) or not _LINUX:
        return None
    alive = not sight.gone
    table = {each.pid: each for each in _processes() if each.start_time >= tree.keeper.start_time}
    group = ControlGroup(tree.tag)
    if not alive and (members := group.members()) is not None:
        if not members:
            group.remove_anywhere()
        return [Survivor(pid, table[pid].start_time, table[pid].name) for pid in members if pid in table]
    found, hidden = [], False
    for each in table.values():
        if each.pid == tree.keeper.pid:
            ours: bool | None = alive and each.start_time == tree.keeper.start_time
        else:
            ours = (alive and _descends(each, tree.keeper.pid, table)) or _is_tagged(each.pid, tree.tag)
            if not ours and not alive:
                # Its environment was cleared, perhaps. The number of a session is not used again while the session has
                # members, so without a leader of that number these are the keeper's.
                ours = ours if tree.keeper.pid not in (each.session, each.group) else tree.keeper.pid not in table
        hidden = hidden or ours is None
        if ours:
            found.append(Survivor(each.pid, each.start_time, each.name))
    return found or (None if hidden else [])


def end(tree: RunTree, me: Identity, *, hard: bool) -> list[Survivor] | None:
    """End what is left of a tree, and tell what that was; call it again until nothing is left.

    ``hard``: SIGKILL. Otherwise the keeper is told to end its tree in its grace, and the others get SIGTERM.
    """
    left = survivors(tree, me)
    if left and hard and tree.keeper.pid not in [each.pid for each in left]:
        ControlGroup(tree.tag).kill()
    for each in left or ():
        keeps = each.pid == tree.keeper.pid
        number = signal.SIGKILL if hard and not (keeps and len(left or ()) > 1) else signal.SIGTERM
        _send(each, number)
    return left


def _send(to: Survivor, number: int) -> None:
    """Signal exactly that process, not one that has got its number since."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(to.pid)
        try:
            if _process(to.pid).start_time == to.start_time:
                signal.pidfd_send_signal(descriptor, number)
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
        finally:
            os.close(descriptor)


class _Process(NamedTuple):
    pid: int
    name: str
    parent: int
    group: int
    session: int
    start_time: int


def _processes() -> Iterator[_Process]:
    """Every process of this namespace that has not ended."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - often
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                yield _process(int(entry))


def _process(pid: int) -> _Process:
    """One process. Raises OSError where it has ended."""
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        stat = os.read(file, 4096).decode(errors="replace")
    finally:
        os.close(file)
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX" and int(fields[17]) <= 1:
        raise ProcessLookupError(pid)
    name = head.partition("(")[2]
    return _Process(pid, name, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def _descends(process: _Process, ancestor: int, table: dict[int, _Process]) -> bool:
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
