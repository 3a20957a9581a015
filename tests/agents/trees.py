"""What became of the processes that ``programs/tree.py`` started."""

import contextlib
from pathlib import Path

#: What one run of it starts, itself included.
EACH = 5


def pids(folder: Path) -> list[tuple[int, int]]:
    """The processes of its last run, with their start times; none before all of them stand."""
    try:
        lines = (folder / "pids").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [(int(pid), int(start)) for pid, start in map(str.split, lines)]


def within(folder: Path) -> list[int]:
    """The living processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


def alive(processes: list[tuple[int, int]]) -> list[int]:
    """Those that have not ended."""
    return [pid for pid, start in processes if _lives(pid, start)]


def _lives(pid: int, start_time: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == start_time and fields[0] not in "ZX"
