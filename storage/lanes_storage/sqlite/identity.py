"""Which files a store holds open, against what their names name now.

A database is three files: the data, its log (``-wal``) and the memory that its users share (``-shm``). Deleted, moved
or replaced under a process that has them open, they go on existing for it alone: it would read and write there, and
tell its callers of commits that nobody else ever sees.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from lanes_storage import errors
from lanes_storage.sqlite.locking import SideLock
from lanes_storage.sqlite.names import Names, Seen, seen

_DELETED = " (deleted)"
#: Between two looks at who has the file open.
_LOOK_AGAIN_S = 0.1

_WHAT = ("its file", "its log (-wal)", "its shared memory (-shm)")


class Files(NamedTuple):
    """The names of a database: as it was given, and the file that this leads to with those beside it."""

    path: Path
    database: Path
    log: Path
    memory: Path
    side: Path

    @classmethod
    def of(cls, path: Path) -> "Files":
        """SQLite names the others after the file that a link leads to, and so do we."""
        real = path.resolve()
        return cls(path, real, *(real.with_name(real.name + end) for end in ("-wal", "-shm", "-lock")))


class Guard:
    """Stands between the commits of one store and those who are told of them."""

    def __init__(self, files: Files, lock: SideLock) -> None:
        """What is open now has these names now."""
        self.files = files
        self.lock = lock
        self.replaced = False
        self._pid = os.getpid()
        self._names = Names(files.path, files.log, files.memory)
        self._held = self._names.look()

    def check(self) -> None:
        """Whether what is held open is still what its names name. Mostly one call of ``stat``.

        Raises DatabaseReplaced, for as long as it is not; DatabaseUnavailable where that cannot be told.
        """
        try:
            found = self._names.look()
        except OSError as error:  # a folder that may not be searched any more, say
            self.replaced = True
            raise errors.DatabaseUnavailable(str(self.files.path), error.strerror or str(error)) from error
        self.replaced = found != self._held
        if self.replaced:
            raise errors.DatabaseReplaced(str(self.files.path), self._told(found))

    @property
    def at_home(self) -> bool:
        """Whether this is the process that opened it."""
        return os.getpid() == self._pid

    def check_process(self) -> None:
        """Raises ForkedStore in a child of the process that opened it."""
        if not self.at_home:
            raise errors.ForkedStore(str(self.files.path), self._pid)

    def _told(self, found: tuple[Seen, ...]) -> str:
        what, now = next((w, f) for w, f, held in zip(_WHAT, found, self._held, strict=True) if f != held)
        return (
            f"{what} was deleted or moved away" if now is None else f"{what} is another one than this process has open"
        )


def missing(path: Path) -> errors.DatabaseMissing:
    """The error for a database that is not there: never made, or deleted or moved away, as far as that is seen."""
    files = Files.of(path)
    pids = [one.pid for one in strangers(path)]
    left = [name.name for name in (files.log, files.memory, files.side) if name.exists()]
    return errors.DatabaseDeleted(str(path), pids, left) if pids or left else errors.DatabaseMissing(str(path))


def check_vacant(path: Path) -> None:
    """Refuse to make a file in the place of one that a living process still has open. Raises DatabaseDeleted."""
    if pids := [one.pid for one in strangers(path)]:
        raise errors.DatabaseDeleted(str(path), pids)


class Stranger(NamedTuple):
    """A living process that has other files open than those that have the names of the database now."""

    pid: int
    command: str
    files: tuple[tuple[str, str], ...]  # what it is called where it is open, and where it can still be read
    database: str | None  # where its file can be read, and its log
    log: str | None


class _Open(NamedTuple):
    """A file that a process has open: the number of the descriptor, where it can be read, its name, what it is."""

    number: int
    at: str
    name: str
    what: Seen

    @property
    def meant(self) -> str:
        """The name that it has, or had before it was deleted."""
        return self.name.removesuffix(_DELETED)


def strangers(path: Path) -> list[Stranger]:
    """The processes of this user that use another file as this database: deleted, moved away or replaced.

    Empty where the system does not tell (elsewhere than on Linux).
    """
    files = Files.of(path)
    if not _strange(files):
        return []
    time.sleep(_LOOK_AGAIN_S)  # one that is just opening or closing it is none
    return [found for _, found in sorted(_strange(files).items())]


def _strange(files: Files) -> dict[int, Stranger]:
    names = {str(name): seen(str(name)) for name in (files.database, files.log, files.memory)}
    side, found = seen(str(files.side)), {}
    for process in _processes():
        opened = _opened(process)
        inodes = {one.what for one in opened}
        other = {one for one in opened if one.meant in names and (one.name != one.meant or one.what != names[one.name])}
        if side is not None and side in inodes and names[str(files.database)] not in inodes:
            # it uses the database of this name, and the file that it took for it has another name now
            other |= {one for one in opened if one.name.startswith(str(files.database)) and one.what != side}
            other |= _moved(opened)
        if other:
            found[int(process)] = _stranger(process, sorted(other), opened)
    return found


def _moved(opened: list[_Open]) -> set[_Open]:
    """The databases that it has open without the lock beside them: it locks where they were."""
    names = {one.meant for one in opened}
    databases = {name for name in names if f"{name}-wal" in names and f"{name}-lock" not in names}
    moved = {name + end for name in databases for end in ("", "-wal", "-shm")}
    return {one for one in opened if one.meant in moved}


def _stranger(process: str, other: list[_Open], opened: list[_Open]) -> Stranger:
    """``other`` by the numbers of their descriptors: for a copy, one of the file and one of its log are enough."""
    bases = [one.meant.removesuffix("-wal").removesuffix("-shm") for one in other]
    database = _first(other, bases) or _first(sorted(opened), bases)
    logs = [f"{base}-wal" for base in bases]
    log = _first(other, logs) or _first(sorted(opened), logs)
    listed = tuple((one.name, one.at) for one in other)
    return Stranger(int(process), _command(process), listed, database, log)


def _first(among: list[_Open], names: list[str]) -> str | None:
    return next((one.at for one in among if one.meant in names), None)


def _processes() -> list[str]:
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        return [name for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - some hundred names
    return []


def _opened(process: str) -> list[_Open]:
    """The files that a process has open. Empty for another user's."""
    found: list[_Open] = []
    with contextlib.suppress(OSError):  # gone, hidden
        if os.readlink(f"/proc/{process}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):  # noqa: PTH115 - no path
            return []  # there, the same name is another place
        for number in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):  # closed meanwhile
                at = f"/proc/{process}/fd/{number}"
                name = os.readlink(at)  # noqa: PTH115 - a deleted one leads nowhere
                if name.startswith("/"):  # no pipe, no socket
                    found.append(_Open(int(number), at, name, seen(at)))
    return found


def _command(process: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return ""
