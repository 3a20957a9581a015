"""Which processes listen on a port of this machine, as far as the system shows it (Linux, processes of the same
user)."""

import contextlib
from pathlib import Path

from lanes.base.terminal import clean

_LISTENS = "0A"
#: So much of a command line is shown.
_SHOWN = 120


def holder_of(port: int) -> str | None:
    """The processes that listen on a port, ``pid 4711 (python -m lanes gateway)``; None if that is not visible."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    found = [f"pid {pid} ({_command(pid)})" for pid in _processes() if inodes & _sockets(pid)] if inodes else []
    return " and ".join(found) or None


def _listening(table: str, port: int) -> list[str]:
    try:
        _, *lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port]


def _processes() -> list[int]:
    try:
        return sorted(int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal())
    except OSError:
        return []


def _sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # it belongs to somebody else, or has ended
        for each in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(each.readlink()))
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return "it has ended"
    said = clean(b" ".join(words).decode(errors="replace"))
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
