"""The paths of a database, and which files they name now."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from lanes_storage.tuples import NamedTuple

#: Device and inode, or None if there is no such file.
Seen = tuple[int, int] | None

#: How long a folder must be unchanged before its timestamps are trusted, in nanoseconds. They are coarse (a few
#: milliseconds, or two seconds), and two changes within one step look like one.
SETTLED_NS = 3_000_000_000
#: How long checking only the folder is enough, in nanoseconds: a mount can hide a name without a change of the folder,
#: and some file systems do not update its timestamps.
LOOK_ANYWAY_NS = 1_000_000_000


def absolute(path: Path) -> Path:
    """The absolute path. Its folder is resolved if it contains ``..``, which leads through a folder that may be removed
    later. Raises FileNotFoundError if the path is relative and the current folder was deleted."""
    whole = path.absolute()
    return whole.parent.resolve() / whole.name if ".." in whole.parts else whole


def seen(path: str) -> Seen:
    """The file that the path names now. Raises OSError if that cannot be determined."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - in each transaction
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_dev, stat.st_ino


def mount_of(path: Path) -> str | None:
    """The mount through which a path leads; None if the system does not tell (Linux does). Raises OSError."""
    if not hasattr(os, "O_PATH"):
        return None
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)  # closing an O_PATH descriptor drops no locks
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="utf-8")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return next((line for line in text.splitlines() if line.startswith("mnt_id:")), None)


def own_like(database: Path, new_file: Path | int) -> None:
    """Give a new file (or its descriptor) the mode of the database and, as root, its owner, as far as possible: who may
    use the database needs this file too."""
    with contextlib.suppress(OSError):
        stat = database.stat()
        os.chmod(new_file, stat.st_mode & 0o777)  # noqa: PTH101 - also of a descriptor
        os.chown(new_file, stat.st_uid, stat.st_gid)


class Files(NamedTuple):
    """The paths of a database: the given one, and the file that it leads to with those beside it."""

    path: Path
    database: Path
    log: Path
    memory: Path
    side: Path
    draft: Path  # what a restore is about to put in the place of the database

    @classmethod
    def of(cls, path: Path) -> "Files":
        """The paths of a database. SQLite names the side files after the target of a link, and so does this."""
        real = path.resolve()
        return cls(path, real, *(real.with_name(real.name + end) for end in ("-wal", "-shm", "-lock", ".restoring")))


class Names:
    """Paths in one folder and the files that they name. While the folder does not change, one ``stat`` of it is enough.

    Creating or removing a name in a folder changes the folder's timestamps. From any thread.
    """

    def __init__(self, *names: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        """If one of the paths contains a symbolic link, each path is checked separately."""
        self._names = tuple(map(str, names))
        folders = {name.parent for name in names}
        one = len(folders) == 1 and all(name == name.resolve() for name in names)
        self._folder = str(folders.pop()) if one else None
        self._wall_ns = wall_ns
        # The state of the folder, when it was read, and the files found.
        self._last: tuple[tuple[int, ...] | None, int, tuple[Seen, ...]] = None, 0, ()

    def look(self) -> tuple[Seen, ...]:
        """The files that the paths name now. Raises OSError if that cannot be determined."""
        now = self._wall_ns()
        folder = None if self._folder is None else _settled(self._folder, now)
        before, at, found = self._last
        if folder is None or folder != before or not 0 <= now - at < LOOK_ANYWAY_NS:
            found = tuple(map(seen, self._names))
            self._last = folder, now, found
        return found


def _settled(folder: str, now: int) -> tuple[int, ...] | None:
    """The state of a folder, for comparison; None if it changed too recently to be reliable, or does not exist."""
    try:
        stat = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) if now - changed > SETTLED_NS else None
