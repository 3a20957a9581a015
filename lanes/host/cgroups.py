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

#: How the groups of runs are called: ``lanes-`` and the tag of the run.
PREFIX = "lanes-"
_NAME = re.compile(re.escape(PREFIX) + r"(?P<keeper>[0-9]+)-(?P<start_time>[0-9]+)")
#: An empty group proves that nothing is left of a run, which another gateway may still ask: it is kept for so long.
KEEP_S = 24 * 3600


class ControlGroup:
    """The group of one run, by its tag."""

    def __init__(self, tag: str) -> None:
        self._name = f"{PREFIX}{tag}"

    def make(self) -> str | None:
        """Make it below that of this process; returns its path. None: there is no such thing here."""
        parent = _own()
        if parent is None:
            return None
        folder = parent / self._name
        try:
            folder.mkdir()
        except OSError:  # it is not this user's to divide
            return None
        return str(folder)

    def members(self) -> list[int] | None:
        """The processes in it and in the groups that they made in it; None: there is no such group."""
        folder = self._find()
        if folder is None:
            return None
        try:
            return [pid for group in (*_within(folder), folder) for pid in _processes_of(group)]
        except OSError:
            return None

    @property
    def is_empty(self) -> bool:
        """Whether it is proven that no process is in it, or in a group in it."""
        folder = self._find()
        return folder is not None and _is_empty(folder)

    def kill(self) -> None:
        """SIGKILL for everything in it."""
        folder = self._find()
        if folder is not None:
            with contextlib.suppress(OSError):  # an older kernel: they are killed one by one
                (folder / "cgroup.kill").write_text("1", encoding="ascii")

    def remove(self) -> None:
        """Remove it, if nothing is in it any more."""
        folder = self._find()
        if folder is not None:
            remove_group(folder)

    def _find(self) -> Path | None:
        """It may have been made below the group of a process that was started elsewhere. Searching takes a while."""
        parent, top = _own(), _mount()
        if parent is not None and (parent / self._name).is_dir():
            return parent / self._name
        return next(top.rglob(self._name), None) if top is not None else None


def remove_leftovers(now_s: float) -> None:
    """Remove the groups of this user's runs that nobody asks any more: the gateway and the keeper were killed, and no
    gateway uses their database."""
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
    """Whether there is that process, or may be."""
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
    """The groups that were made in a group, the innermost first."""
    return [Path(path) for path, _, _ in os.walk(folder, topdown=False) if path != str(folder)]


def _processes_of(group: Path) -> list[int]:
    with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
        return [int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split() if pid != "0"]
    return []


def remove_group(folder: Path) -> None:
    """Remove a group with those that were made in it, if nothing is in them any more."""
    with contextlib.suppress(OSError):
        for group in (*_within(folder), folder):
            group.rmdir()


@cache
def _mount() -> Path | None:
    """Where version 2 is mounted."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((Path(fields[1]) for line in lines if (fields := line.split())[2] == "cgroup2"), None)


def _own() -> Path | None:
    """The group of this process."""
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
