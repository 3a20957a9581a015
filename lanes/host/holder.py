"""Which processes listen on a port of this machine, as far as the system shows it (Linux, processes of the same
user)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lanes.base.terminal import clean
from lanes.host.stat import STOPPED, state_of

_LISTENS, _CONNECTED = "0A", "01"
#: How many characters of a command line are shown.
_SHOWN = 120


class _Socket(NamedTuple):
    """A TCP socket of this machine. ``link``: what the descriptors of its process show."""

    port: int
    user: int
    link: str


def holder_of(port: int) -> str | None:
    """The processes that listen on a port, ``pid 4711 (python -m lanes gateway)``, and whether one is stopped; None if
    that is not visible."""
    return " and ".join(f"pid {pid} ({_command(pid)}){_halted(pid)}" for pid in _listeners(port)) or None


def is_listened_to_by_us(port: int) -> bool:
    """Whether every listener on a port is a process of this user, as far as the system shows it."""
    users = {each.user for each in _listening(port)}
    return users == {os.geteuid()}


def is_listened_to_by_others(port: int) -> bool:
    """Whether a process of another user is seen to listen on a port."""
    return any(each.user != os.geteuid() for each in _listening(port))


def ports_of(pid: int) -> list[int]:
    """The ports on which a process listens, the lowest first."""
    held = _links(pid)
    return sorted({each.port for each in _sockets(_LISTENS) if each.link in held})


def stopped_holder_of(port: int) -> int | None:
    """The process that listens on a port and is stopped by a signal or a debugger; None: it runs, or is not visible."""
    return next((pid for pid in _listeners(port) if state_of(pid) in STOPPED), None)


def connections_of(port: int, word: str) -> frozenset[str] | None:
    """The outgoing connections of the processes that listen on a port; None: no visible one of them has the word in its
    command line."""
    links = [_links(pid) for pid in _listeners(port) if word in " ".join(words_of(pid))]
    if not links:
        return None
    elsewhere = {each.link for each in _sockets(_CONNECTED) if each.port != port}
    return frozenset(elsewhere & set().union(*links))


def _listeners(port: int) -> Iterator[int]:
    """The processes that are seen to listen on a port."""
    if links := {each.link for each in _listening(port)}:
        yield from (pid for pid in processes() if links & _links(pid))


def _listening(port: int) -> list[_Socket]:
    return [each for each in _sockets(_LISTENS) if each.port == port]


def _sockets(state: str) -> Iterator[_Socket]:
    """The sockets that are in a state."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError, ValueError):
            _, *lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()
            for row in map(str.split, lines):
                if row[3] == state:
                    yield _Socket(int(row[1].rpartition(":")[2], 16), int(row[7]), f"socket:[{row[9]}]")


def processes() -> list[int]:
    """The ids of all processes that are visible."""
    try:
        return sorted(int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal())
    except OSError:
        return []


def _links(pid: int) -> set[str]:
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


def _halted(pid: int) -> str:
    return f", which is stopped: `kill -CONT {pid}` lets it go on" if state_of(pid) in STOPPED else ""


def _command(pid: int) -> str:
    return shortened(clean(" ".join(words_of(pid))) or "it has ended")


def shortened(command: str) -> str:
    """The part of a command line that is shown."""
    return command if len(command) <= _SHOWN else f"{command[:_SHOWN]}…"
