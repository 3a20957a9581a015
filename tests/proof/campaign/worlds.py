"""The files that were ever the database of a house: taken from their path, put back, and found again by the judge.

A file is what the kernel takes it for: device and inode. Whatever a harm takes away keeps a name in the folder
``gone``, so that no inode is given twice and everything that was ever acknowledged can be looked for. To lanes that
makes no difference: the path leads nowhere, or elsewhere, and a descriptor of the file reads as deleted.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

#: What SQLite keeps a database in, by the ends of the names.
DATABASE, LOG, MEMORY = "", "-wal", "-shm"
PARTS = (DATABASE, LOG, MEMORY)


class File(NamedTuple):
    """A file, whatever it is called."""

    device: int
    inode: int


def file_at(path: Path) -> File | None:
    """The file that a path names now; None where it names none."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return File(seen.st_dev, seen.st_ino)


class Absence(NamedTuple):
    """When the path did not name a file that it had named before: wall time in milliseconds."""

    file: File
    since: int
    until: int


#: The end of an absence that has none.
FOR_GOOD = 2**62


class Worlds:
    """Every file that the path of a database ever named."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._gone = database.parent / "gone"
        self._gone.mkdir(exist_ok=True)
        self._taken = 0
        self.absences: list[Absence] = []

    def take(self, *parts: str) -> int:
        """Take these parts from the path, as ``rm`` does; the number by which they are put back.

        Nobody may write meanwhile. Where the file itself is taken, the parts that stay at the path are kept as well:
        they go when another file takes its place.
        """
        self._taken += 1
        file = file_at(self.database)
        for part in PARTS if DATABASE in parts else parts:
            if self._path(part).exists():
                os.link(self._path(part), self._kept(self._taken, part))
        for part in parts:
            self._path(part).unlink(missing_ok=True)
        if file is not None and file_at(self.database) is None:
            self.absences.append(Absence(file, time.time_ns() // 1_000_000, FOR_GOOD))
        return self._taken

    def put_back(self, number: int) -> None:
        """Let the path name again what was taken. A file that came in its place meanwhile is kept in turn.

        A log that was begun beside the same file stays: it goes on from what that has.
        """
        file = file_at(self._kept(number, DATABASE))
        if file is not None and self.database.exists():
            self.take(*PARTS)
        now = time.time_ns() // 1_000_000
        self.absences = [one._replace(until=min(one.until, now)) if one.file == file else one for one in self.absences]
        for part in PARTS:
            kept = self._kept(number, part)
            if file is None and self._path(part).exists() and self._path(part).stat().st_size:
                continue
            if kept.exists():
                self._path(part).unlink(missing_ok=True)
                kept.rename(self._path(part))

    def files(self) -> dict[File, Path]:
        """Where each of them is now: at the path, taken from it, or put aside by a restore."""
        aside = (path for path in self.database.parent.glob("*.before-restore-*") if not path.name.endswith(PARTS[1:]))
        found = {}
        for path in (*self._gone.glob("*.db"), *aside, self.database):
            file = file_at(path)
            if file is not None:
                found[file] = path
        return found

    def misheld(self, pid: int) -> list[str]:
        """The parts of a database that a process has open although the path names them no more."""
        names = [str(self._path(part)) for part in PARTS]
        wrong = []
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                name, file = str(descriptor.readlink()).removesuffix(" (deleted)"), file_at(descriptor)
            except FileNotFoundError:
                continue  # closed meanwhile
            moved = name.startswith(str(self._gone)) or ".before-restore-" in name
            if moved or (name in names and file != file_at(Path(name))):
                wrong.append(name)
        return wrong

    def _path(self, part: str) -> Path:
        return self.database.with_name(self.database.name + part)

    def _kept(self, number: int, part: str) -> Path:
        return self._gone / f"{number}.db{part}"
