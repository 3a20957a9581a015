"""Which files a store holds open, against what their names name now.

A database is three files: the data, its log (``-wal``) and the memory that its users share (``-shm``). Deleted, moved
or replaced under a process that has them open, they go on existing for it alone: it would read and write there, and
tell its callers of commits that nobody else ever sees.
"""

import os
from pathlib import Path
from typing import NamedTuple

from lanes_storage import errors
from lanes_storage.sqlite.locking import SideLock

#: Device and inode; None: there is no such file.
Seen = tuple[int, int] | None

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
        self._names = tuple(map(str, (files.path, files.log, files.memory)))
        self._held = self._look()

    def check(self) -> None:
        """Whether what is held open is still what its names name. Three calls of ``stat``.

        Raises DatabaseReplaced, for as long as it is not; DatabaseUnavailable where that cannot be told.
        """
        try:
            found = self._look()
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

    def _look(self) -> tuple[Seen, ...]:
        return tuple(map(seen, self._names))

    def _told(self, found: tuple[Seen, ...]) -> str:
        what, now = next((w, f) for w, f, held in zip(_WHAT, found, self._held, strict=True) if f != held)
        return (
            f"{what} was deleted or moved away" if now is None else f"{what} is another one than this process has open"
        )


def seen(path: str) -> Seen:
    """What has that name now. Raises OSError where that cannot be told."""
    try:
        found = os.stat(path)  # noqa: PTH116 - three times in each transaction
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
