"""Which processes listen on a port of this machine, as far as the system shows it (Linux, processes of the same
user)."""

import contextlib
import os
from pathlib import Path

from lanes.base.terminal import clean
from lanes.host.stat import STOPPED, state_of

_LISTENS, _CONNECTED = "0A", "01"
#: So much of a command line is shown.
_SHOWN = 120


def holder_of(port: int) -> str | None:
    """The processes that listen on a port, ``pid 4711 (python -m lanes gateway)``; None if that is not visible."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    found = [f"pid {pid} ({_command(pid)})" for pid in processes() if inodes & _sockets(pid)] if inodes else []
    return " and ".join(found) or None


def is_listened_to_by_us(port: int) -> bool:
    """Whether every listener on a port is a process of this user, as far as the system shows it."""
    rows = [row for table in ("tcp", "tcp6") for row in _rows(table) if _listens_on(row, port)]
    return bool(rows) and all(int(row[7]) == os.geteuid() for row in rows)


def is_listened_to_by_others(port: int) -> bool:
    """Whether a process of another user is seen to listen on a port."""
    rows = [row for table in ("tcp", "tcp6") for row in _rows(table) if _listens_on(row, port)]
    return any(int(row[7]) != os.geteuid() for row in rows)


def ports_of(pid: int) -> list[int]:
    """The ports on which a process listens, the lowest first."""
    held = _sockets(pid)
    rows = [row for table in ("tcp", "tcp6") for row in _rows(table) if row[3] == _LISTENS]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in held})


def stopped_holder_of(port: int) -> int | None:
    """The process that listens on a port and is stopped by a signal or a debugger; None: it runs, or is not visible."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    for pid in processes() if inodes else []:
        if state_of(pid) in STOPPED and inodes & _sockets(pid):
            return pid
    return None


def connections_of(port: int, word: str) -> frozenset[str] | None:
    """The connections to elsewhere of the processes that listen on a port; None: no process that has the word in its
    command line is seen to do so."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    sockets = [held for pid in processes() if inodes & (held := _sockets(pid)) and word in " ".join(words_of(pid))]
    if not sockets:
        return None
    rows = [row for table in ("tcp", "tcp6") for row in _rows(table) if row[3] == _CONNECTED]
    elsewhere = {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) != port}
    return frozenset(elsewhere & set().union(*sockets))


def _rows(table: str) -> list[list[str]]:
    try:
        _, *lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    return [line.split() for line in lines]


def _listens_on(row: list[str], port: int) -> bool:
    return row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port


def _listening(table: str, port: int) -> list[str]:
    return [row[9] for row in _rows(table) if _listens_on(row, port)]


def processes() -> list[int]:
    """The ids of all processes that are visible."""
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


def words_of(pid: int) -> list[str]:
    """The command line of a process; empty where it is not visible."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in data.split(b"\0")]


def _command(pid: int) -> str:
    return shortened(clean(" ".join(words_of(pid))) or "it has ended")


def shortened(command: str) -> str:
    """The part of a command line that is shown."""
    return command if len(command) <= _SHOWN else f"{command[:_SHOWN]}…"
