"""A control group (version 2) for each command run, where this process may make one.

Nothing leaves a control group by setsid, by forking or by closing files, and the group outlives its keeper. So it
proves what is left of a run whose keeper was killed, and it ends all of that at once (``cgroup.kill``, Linux 5.14).
"""

import contextlib
import os
import re
from functools import cache
from pathlib import Path

from lanes.host.stat import stat_of

#: The name of a run's group is this prefix and the tag of the run.
PREFIX = "lanes-"
_NAME = re.compile(re.escape(PREFIX) + r"(?P<keeper>[0-9]+)-(?P<start_time>[0-9]+)")
#: How many seconds an empty group is kept: another gateway may still need its proof that nothing is left of the run.
KEEP_S = 24 * 3600


class ControlGroup:
    """The group of one run, by its tag."""

    def __init__(self, tag: str) -> None:
        self._name = f"{PREFIX}{tag}"

    def make(self) -> str | None:
        """Create the group below that of this process; returns its path, or None where that is not possible."""
        parent = _own()
        if parent is None:
            return None
        folder = parent / self._name
        try:
            folder.mkdir()
        except OSError:  # this user may not create groups there
            return None
        return str(folder)

    def members(self) -> list[int] | None:
        """The processes in the group and in the groups below it; None: there is no such group."""
        folder = self._find()
        if folder is None:
            return None
        try:
            return [pid for group in (*_within(folder), folder) for pid in _processes_of(group)]
        except OSError:
            return None

    @property
    def is_empty(self) -> bool:
        """Whether it is proven that no process is in the group, or in a group below it."""
        folder = self._find()
        return folder is not None and _is_empty(folder)

    def kill(self) -> None:
        """Send SIGKILL to every process in the group."""
        folder = self._find()
        if folder is not None:
            with contextlib.suppress(OSError):  # an older kernel: they are killed one by one
                (folder / "cgroup.kill").write_text("1", encoding="ascii")

    def remove(self) -> None:
        """Remove the group, if no process is in it any more."""
        folder = self._find()
        if folder is not None:
            remove_group(folder)

    def _find(self) -> Path | None:
        """The folder of the group. It may be below the group of another gateway; that search takes a while."""
        parent, top = _own(), _mount()
        if parent is not None and (parent / self._name).is_dir():
            return parent / self._name
        return next(top.rglob(self._name), None) if top is not None else None


def remove_leftovers(now_s: float) -> None:
    """Remove old, empty groups of this user's runs whose gateway and keeper were killed: no gateway uses their database
    any more."""
    with contextlib.suppress(OSError):
        for folder in (_own() or Path(os.devnull)).iterdir():
            if _is_left_over(folder, now_s):
                remove_group(folder)


def _is_left_over(folder: Path, now_s: float) -> bool:
    named = _NAME.fullmatch(folder.name)
    if named is None:
        return False
    try:
        status = folder.stat()
        old = status.st_uid == os.geteuid() and status.st_mtime <= now_s - KEEP_S
        return old and not _lives(int(named["keeper"]), int(named["start_time"])) and _is_empty(folder)
    except OSError:
        return False


def _lives(pid: int, start_time: int) -> bool:
    """Whether that process exists. Raises OSError if it is unknown."""
    try:
        return stat_of(pid).start_time == start_time
    except FileNotFoundError:
        return False


def _is_empty(folder: Path) -> bool:
    try:
        return "populated 0" in (folder / "cgroup.events").read_text(encoding="ascii")
    except OSError:
        return False


def _within(folder: Path) -> list[Path]:
    """The groups below a group, the innermost first."""
    return [Path(path) for path, _, _ in os.walk(folder, topdown=False) if path != str(folder)]


def _processes_of(group: Path) -> list[int]:
    with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
        return [int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split() if pid != "0"]
    return []


def remove_group(folder: Path) -> None:
    """Remove a group and the groups below it, if no process is in them any more."""
    with contextlib.suppress(OSError):
        for group in (*_within(folder), folder):
            group.rmdir()


@cache
def _mount() -> Path | None:
    """Where control groups of version 2 are mounted."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((Path(fields[1]) for line in lines if (fields := line.split())[2] == "cgroup2"), None)


def _own() -> Path | None:
    """The group of this process; None if it is unknown or not writable."""
    mount = _mount()
    if mount is None:
        return None
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if path is None or not os.access(mount / path.lstrip("/"), os.W_OK):
        return None
    return mount / path.lstrip("/")
