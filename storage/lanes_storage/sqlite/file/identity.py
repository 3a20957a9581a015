"""Checks that the files that a store holds open are still those that their paths name.

A database is three files: the data, its WAL (``-wal``) and the shared memory (``-shm``). When they are deleted, moved
or replaced, a process that has them open keeps using the old ones alone: it would acknowledge commits that no other
process ever sees.
"""

import contextlib
import os
import time
from pathlib import Path

from lanes_storage import errors
from lanes_storage.sqlite.file.locking import SideLock, mark
from lanes_storage.sqlite.file.paths import Files, Names, Seen, seen
from lanes_storage.tuples import NamedTuple

_DELETED = " (deleted)"
#: Seconds between two checks of which processes have the file open.
_LOOK_AGAIN_S = 0.1

#: The guards of the files that several threads use: of this process, or of the one that forked it.
in_threads: "set[FileGuard]" = set()

_PARTS = ("its file", "its log (-wal)", "its shared memory (-shm)")


class FileGuard:
    """Checks the files of one store before each transaction, and before callers get the results of writes and reads."""

    def __init__(self, files: Files, lock: SideLock) -> None:
        """Record the files that the paths name now as the ones that are open."""
        self.files = files
        self.lock = lock
        self.pid = os.getpid()
        self._names = Names(files.path, files.log, files.memory)
        self._held = self._names.look()

    def check(self) -> None:
        """Check that the open files are still those that the paths name. Usually one call of ``stat``.

        Raises DatabaseReplaced while they are not; DatabaseUnavailable if that cannot be determined.
        """
        try:
            found = self._names.look()
        except OSError as error:  # for example, the search permission of the folder was removed
            raise errors.DatabaseUnavailable(str(self.files.path), error.strerror or str(error)) from error
        if found != self._held:
            raise errors.DatabaseReplaced(str(self.files.path), self._difference(found))

    @property
    def at_home(self) -> bool:
        """Whether this is the process that opened the files."""
        return os.getpid() == self.pid

    def check_process(self) -> None:
        """Raise ForkedStore in a child of the process that opened it."""
        if os.getpid() != self.pid:  # not ``at_home``, which is slower: this runs before each step
            raise errors.ForkedStore(str(self.files.path), self.pid)

    def _difference(self, found: tuple[Seen, ...]) -> str:
        part, now = next((w, f) for w, f, held in zip(_PARTS, found, self._held, strict=True) if f != held)
        return (
            f"{part} was deleted or moved away" if now is None else f"{part} is not the one that this process has open"
        )


def check_fork() -> None:
    """Raise ForkedInUse in a process that was forked while threads used a database."""
    for guard in list(in_threads):
        if not guard.at_home:
            raise errors.ForkedInUse(str(guard.files.path), guard.pid)


def missing(path: Path) -> errors.DatabaseMissing:
    """The error for a missing database: never created, or deleted or moved away, as far as that is visible."""
    files = Files.of(path)
    pids = [one.pid for one in strangers(path)]
    left = [name.name for name in (files.log, files.memory, files.side, files.draft) if name.exists()]
    return errors.DatabaseDeleted(str(path), pids, left) if pids or left else errors.DatabaseMissing(str(path))


def check_vacant(path: Path) -> None:
    """Refuse to create a file in place of one that a living process still has open, or that a restore was replacing.
    Raises DatabaseDeleted."""
    pids, draft = [one.pid for one in strangers(path)], Files.of(path).draft
    if pids or draft.exists():
        raise errors.DatabaseDeleted(str(path), pids, [draft.name])


class Stranger(NamedTuple):
    """A living process whose open files are not the ones that the paths of the database name now."""

    pid: int
    command: str
    files: tuple[str, ...]  # the names of the open files
    database: str | None  # paths where its file and its WAL can be read
    log: str | None


class _Open(NamedTuple):
    """A file that a process has open: its descriptor, a path where it can be read, its name, its device and inode."""

    number: int
    at: str
    name: str
    inode: Seen

    @property
    def path(self) -> str:
        """The name that the file has, or had before it was deleted."""
        return self.name.removesuffix(_DELETED)


def strangers(path: Path) -> list[Stranger]:
    """The processes of this user that still use an old file of this database: deleted, moved away or replaced.

    Empty on systems other than Linux, which do not show open files.
    """
    files = Files.of(path)
    if not _strange(files):
        return []
    time.sleep(_LOOK_AGAIN_S)  # so that a process that is just opening or closing it does not count
    return [found for _, found in sorted(_strange(files).items())]


def _strange(files: Files) -> dict[int, Stranger]:
    names = {str(name): seen(str(name)) for name in (files.database, files.log, files.memory)}
    found = {}
    for process in _processes():
        opened = _opened(process)
        inodes = {one.inode for one in opened}
        other = {one for one in opened if one.path in names and (one.name != one.path or one.inode != names[one.name])}
        if _mark(files.side) in {one.path for one in opened} and names[str(files.database)] not in inodes:
            # it uses the database of this path, but its file has another name now
            other |= {one for one in opened if one.name in names} | _moved(opened)
        if other:
            found[int(process)] = _stranger(process, sorted(other), opened)
    return found


def _mark(side: Path) -> str:
    """The name under which the system lists the mark of a process that uses the database of this side file."""
    return f"/memfd:{mark(side)}"


def _moved(opened: list[_Open]) -> set[_Open]:
    """The open files of databases whose present name is in none of the marks of the process: they were moved."""
    names = {one.path for one in opened}
    databases = {name for name in names if f"{name}-wal" in names and _mark(Path(f"{name}-lock")) not in names}
    moved = {name + end for name in databases for end in ("", "-wal", "-shm")}
    return {one for one in opened if one.path in moved}


def _stranger(process: str, other: list[_Open], opened: list[_Open]) -> Stranger:
    """Describe a process by its foreign files, in the order of their descriptors. For a copy, one descriptor of the
    file and one of the WAL suffice."""
    bases = [one.path.removesuffix("-wal").removesuffix("-shm") for one in other]
    database = _first(other, bases) or _first(sorted(opened), bases)
    logs = [f"{base}-wal" for base in bases]
    log = _first(other, logs) or _first(sorted(opened), logs)
    listed = tuple(dict.fromkeys(one.name for one in other))  # each is open several times
    return Stranger(int(process), _command(process), listed, database, log)


def _first(opened: list[_Open], names: list[str]) -> str | None:
    return next((one.at for one in opened if one.path in names), None)


def _processes() -> list[str]:
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        return [name for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - some hundred names
    return []


def _opened(process: str) -> list[_Open]:
    """The files that a process has open. Empty for a process of another user."""
    found: list[_Open] = []
    with contextlib.suppress(OSError):  # gone, hidden
        if os.readlink(f"/proc/{process}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):  # noqa: PTH115 - no path
            return []  # in that namespace, the same path is another place
        for number in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):  # closed meanwhile
                at = f"/proc/{process}/fd/{number}"
                name = os.readlink(at)  # noqa: PTH115 - it dangles for a deleted file
                if name.startswith("/"):  # neither a pipe nor a socket
                    found.append(_Open(int(number), at, name, seen(at)))
    return found


def _command(process: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return ""
