"""Read-only inspection of a database file: its kind, its file system, whether it is intact."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, TypeVar

from lanes_storage import errors
from lanes_storage.interface import Query
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.connect import check_plain, open_reader, translated
from lanes_storage.sqlite.file.identity import missing
from lanes_storage.sqlite.file.interrupts import interruptible
from lanes_storage.sqlite.file.paths import Files
from lanes_storage.sqlite.file.upgrading import astray
from lanes_storage.sqlite.file.wal import log_bytes
from lanes_storage.sqlite.store import SqliteReader

T = TypeVar("T")

#: Network file systems. SQLite's WAL needs shared memory between all its users.
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "ceph", "glusterfs", "lustre", "beegfs",
    "gpfs", "gfs2", "ocfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "macfuse",
})  # fmt: skip

_SCHEMA = Query(
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid",
    {},
    lambda rows: "".join(f"{row[0]};\n" for row in rows),
)

#: The versions in which a checkpoint during a commit can lose later writes: (first affected, first fixed).
_FAULTY = (((3, 7, 0), (3, 44, 6)), ((3, 45, 0), (3, 50, 7)), ((3, 51, 0), (3, 51, 3)))

#: The parts of a schema: indexes and triggers by name, tables by their columns.
_PARTS = """
SELECT CASE s.type WHEN 'table' THEN 'column ' || s.name || '.' || c.name ELSE s.type || ' ' || s.name END
FROM sqlite_schema s LEFT JOIN pragma_table_xinfo(s.name) c ON s.type = 'table' WHERE s.name NOT LIKE 'sqlite_%'
"""


def _read(path: Path, query: Query[T]) -> T:
    with contextlib.closing(SqliteReader(path)) as reader:
        return reader.read(query)


def _pragmas(one: str, other: str) -> Query[tuple[int, int]]:
    return Query(f"SELECT * FROM pragma_{one}, pragma_{other}", {}, lambda rows: (int(rows[0][0]), int(rows[0][1])))


class FileFacts(NamedTuple):
    """Properties of a database in the file system; if ``path`` is a link, those of its target. Sizes are in bytes,
    ``mode`` has the permission bits, ``refused`` the number of the error with which a write fails (0: none)."""

    path: Path
    folder: Path
    size: int
    log_size: int
    mode: int
    folder_mode: int
    free: int
    file_system: str
    refused: int

    @property
    def networked(self) -> bool:
        """Whether it is on a file system that other machines may write to."""
        return self.file_system in NETWORK


def has_reset_fault(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the defect described in ``sqlite.file.wal``."""
    return any(first <= version < fixed for first, fixed in _FAULTY)


def facts(path: Path) -> FileFacts:
    """Read the properties of the file. Raises DatabaseMissing, DatabaseUnavailable."""
    with translated(str(path)):
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise missing(path) from None
        check_plain(path)
        folder = Files.of(path).database.parent
        room = os.statvfs(folder)
        return FileFacts(
            path=path,
            folder=folder,
            size=stat.st_size,
            log_size=log_bytes(path),
            mode=stat.st_mode & 0o777,
            folder_mode=folder.stat().st_mode & 0o7777,
            free=room.f_bavail * room.f_frsize,
            file_system=file_system_of(path),
            refused=_refusal(folder),
        )


#: The errors of a file system that takes no write or no new file from any user.
_REFUSALS = frozenset({errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT})


def _refusal(folder: Path) -> int:
    """The number of the error with which a new file is refused in a folder; 0: none, or it cannot be tried here.

    The modes and the mount do not tell it: ext4 becomes read-only after an error, and both stay as they were. The file
    that is written has no name, and nothing of it stays.
    """
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None:
        return 0
    try:
        with open(os.open(folder, unnamed | os.O_WRONLY, 0o600), "wb", buffering=0) as file:  # noqa: PTH123
            file.write(bytes(4096))
    except OSError as error:
        return error.errno if error.errno in _REFUSALS else 0
    return 0


def file_system_of(path: Path) -> str:
    """The type of the file system that a path leads to (``ext4``, ``nfs``); empty if unknown."""
    mounts = _mounts()
    real = path.resolve()
    holding = [place for place in mounts if real.is_relative_to(place)]
    return mounts[max(holding, key=lambda place: len(place.parts))] if holding else ""


def _mounts() -> dict[Path, str]:
    if sys.platform != "linux":
        import psutil

        return {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:  # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
        before, _, after = line.partition(" - ")
        place = before.split(" ")[4].encode().decode("unicode_escape")
        found[Path(place)] = after.split(" ")[0]
    return found


def other_names(path: Path) -> errors.DatabaseAliased | None:
    """The error if the file has a second name, or is in use under another name; otherwise None."""
    try:
        open_reader(path).close()
    except errors.DatabaseAliased as error:
        return error
    except errors.StorageError:  # another check reports that
        return None
    return None


def marks(path: Path) -> tuple[int, int]:
    """The application id (``versions.APPLICATION_ID`` for lanes) and the version of the schema. Raises StorageError."""
    return _read(path, _pragmas("application_id", "user_version"))


def content(path: Path) -> int:
    """The size of all committed pages in bytes, including those in the log. Raises StorageError."""
    count, size = _read(path, _pragmas("page_count", "page_size"))
    return count * size


def damage(path: Path, *, whole: bool = False) -> list[str]:
    """The problems that SQLite finds in the file, at most 20 sentences; ``whole`` also compares the indexes.

    Raises StorageError if the file cannot be read at all.
    """
    pragma = "integrity_check" if whole else "quick_check"
    with (
        translated(str(path)),
        contextlib.closing(open_reader(path)) as connection,
        interruptible(connection),
    ):
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(20)")]
        found += astray(connection, 20)
    return [sentence for sentence in found if sentence != "ok"]


#: Reads files to their ends, and prints why one that can be opened cannot be read.
_READ = """
import sys
for name in sys.argv[1:]:
    try:
        file = open(name, "rb", buffering=0)
    except OSError:
        continue
    try:
        while file.read(1 << 20):
            pass
    except OSError as error:
        sys.exit(f"{name}: {error.strerror}")
"""


def unreadable(path: Path) -> str:
    """Why the file system cannot read the database or its log; empty: it can. SQLite takes that for damage.

    A process by itself reads them: when one with this database open closes a file, it loses SQLite's locks.
    """
    files = Files.of(path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _READ, files.database, files.log],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stderr.strip()


def schema_text(path: Path) -> str:
    """The CREATE statements of the file."""
    return _read(path, _SCHEMA)


def deviations(path: Path) -> list[str]:
    """The differences between the file and this version of the schema, for example ``without column lanes.epoch``.

    Raises StorageError.
    """
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        for statement in versions.creation():
            empty.execute(statement)
        expected = {str(row[0]) for row in empty.execute(_PARTS)}
    found = _read(path, Query(_PARTS, {}, lambda rows: {str(row[0]) for row in rows}))
    return [f"without {part}" for part in sorted(expected - found)] + [
        f"with {part}" for part in sorted(found - expected)
    ]
