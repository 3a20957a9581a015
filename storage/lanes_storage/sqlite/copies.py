"""Copying a database file while others use it, replacing a database with a copy, and compacting a database."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path

from lanes_storage import errors
from lanes_storage.interface import Transaction
from lanes_storage.migrations.rebuilding import continue_ids
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.connect import connect_reading, connect_writing, open_reader, translate, translated
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.interrupts import interruptible
from lanes_storage.sqlite.file.locking import BUSY_TIMEOUT_MS, SideLock
from lanes_storage.sqlite.file.paths import Files, own_like
from lanes_storage.sqlite.file.transaction import SqliteTransaction
from lanes_storage.sqlite.file.wal import checkpoint
from lanes_storage.sqlite.inspect import damage, marks

#: Pages that are copied between two calls of ``progress``.
STEP_PAGES = 512
#: The suffix of an incomplete copy, and after how many seconds without a change it counts as abandoned.
DRAFT = ".lanes-part"
ABANDONED_S = 86_400

#: The last id of each table, also of one that never had a row, and the epoch.
_NUMBERS = """
SELECT t.name, coalesce(s.seq, 0) FROM sqlite_schema t LEFT JOIN sqlite_sequence s ON s.name = t.name
WHERE t.type = 'table' AND t.sql LIKE '%AUTOINCREMENT%' UNION ALL SELECT name, value FROM counters WHERE name = 'epoch'
"""

#: The error of a damaged file, to which nothing can write anyway.
_DAMAGED = sqlite3.DatabaseError
#: Triggers with which a file that was put aside refuses every change, from any program that still has it open.
_PUT_ASIDE = """
CREATE TRIGGER put_aside_{event}_{table} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, 'it was put aside when a copy was restored'); END
"""
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_MARKS_OF_ASIDE = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'put_aside_%'"

Progress = Callable[[int, int], None]


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy a consistent snapshot of a database, even while others write to it, to a file that must not exist.

    The copy gets its name only when it is complete; see ``draw``. Drafts that killed processes left in the folder are
    removed. Raises StorageError, FileExistsError.
    """
    if os.path.lexists(target):  # also for a dangling link
        raise FileExistsError(target)
    _remove_abandoned(target.parent)
    # a draft for this call alone: another process may be copying to the same name
    draft = target.with_name(f"{target.name}.{os.urandom(4).hex()}{DRAFT}")
    draw(source, draft, progress)
    try:
        with translated(str(draft)):
            draft.replace(target)
            _sync(target.absolute().parent)
    finally:
        remove(draft)  # if it did not get its name


def _remove_abandoned(folder: Path) -> None:
    """Remove drafts that nobody writes any more. Only their age shows that: a folder for backups may be on another
    machine, where locks do not work."""
    with contextlib.suppress(OSError):
        for draft in folder.glob(f"*{DRAFT}"):
            if time.time() - draft.stat().st_mtime > ABANDONED_S:
                remove(draft)


def draw(source: Path, draft: Path, progress: Progress | None = None) -> None:
    """Copy one snapshot of a database to a new file with mode 0600, check the copy, and sync it to the disk.

    ``progress`` is called with the pages done and the total. Raises StorageError.
    """
    with translated(str(draft)):
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        _copy_pages(source, draft, progress)
        if problems := damage(draft):
            raise errors.DatabaseDamaged(str(source), "; ".join(problems))
        with translated(str(draft)):
            _sync(draft)
    except BaseException as error:
        remove(draft)
        if isinstance(error, errors.DatabaseFull):  # name the disk of the copy, not that of the source
            raise errors.DatabaseFull(str(draft)) from error
        raise


def check_copy(path: Path) -> None:
    """Refuse a file that is not an intact lanes database that this version can use. Raises StorageError."""
    if not path.is_file():
        raise errors.DatabaseMissing(str(path))
    application, version = marks(path)
    if application != versions.APPLICATION_ID:
        raise errors.DatabaseDamaged(str(path), "this is not a lanes database")
    versions.check(str(path), version, upgrade=True)
    if problems := damage(path):
        raise errors.DatabaseDamaged(str(path), "; ".join(problems))


def numbers(path: Path) -> dict[str, int]:
    """The highest numbers that a database has assigned: the epoch, and the id of each table. Raises StorageError."""
    with translated(str(path)), contextlib.closing(open_reader(path)) as connection:
        return dict(connection.execute(_NUMBERS).fetchall())


def raise_ids(tx: Transaction, assigned: Mapping[str, int], beyond: int) -> int:
    """Continue the ids of each table from ``beyond`` above the highest that was assigned, in this database or according
    to ``assigned``. Returns the corresponding number for the epoch."""
    least = {name: max(number, assigned.get(name, 0)) + beyond for name, number in tx.rows(_NUMBERS, {})}
    epoch: int = least.pop("epoch")
    for table, number in least.items():
        continue_ids(tx, table, number)
    return epoch


def take_back(draft: Path) -> None:
    """Make a draft writable that is a copy of a file that was put aside. Raises StorageError."""
    with translated(str(draft)), contextlib.closing(connect_writing(draft)) as connection:
        for (name,) in connection.execute(_MARKS_OF_ASIDE).fetchall():
            connection.execute(f"DROP TRIGGER {name}")


def put_in_place(draft: Path, path: Path) -> Path | None:
    """Make ``draft`` the database; the old file is kept beside it under the returned name.

    The old file refuses every change from then on, so nothing is accepted into it. A link is
    followed, and the mode and owner of the file are kept. Raises StorageError.
    """
    files = Files.of(path)
    with (
        translated(str(path)),
        contextlib.closing(SideLock(files)) as lock,
        lock.held(BUSY_TIMEOUT_MS / 1000) as held,
    ):
        if not held:
            raise errors.DatabaseLocked(str(path))
        _single_file(draft)
        aside = None
        if files.database.exists():
            own_like(files.database, draft)
            if lock.mispaired:  # the log belongs to neither, but to a file that was here earlier
                files.log.replace(_free_name(f"{files.log}.of-another-file"))
            aside = _put_aside(files)
        for side_file in (files.log, files.memory):
            side_file.unlink(missing_ok=True)
        draft.replace(files.database)
        _sync(files.database.parent)
        if aside is not None:
            # Only after the rename, so that a restore that is killed earlier leaves the database usable.
            with contextlib.suppress(_DAMAGED), _two_connections(aside) as (writing, second):
                _refuse_changes(writing)
                checkpoint(writing, second)
    return aside


def _put_aside(files: Files) -> Path:
    """Checkpoint the WAL of the file, and rename it and its side files."""
    aside = _free_name(f"{files.database}.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with contextlib.suppress(_DAMAGED), _two_connections(files.database) as (writing, second):
        checkpoint(writing, second)
    for old, end in ((files.log, "-wal"), (files.memory, "-shm"), (files.database, "")):
        if old.exists():
            old.replace(aside.with_name(aside.name + end))
    return aside


def _free_name(name: str) -> Path:
    """``name``, with the first free number appended if it is taken, as by another restore within the same second."""
    names = map(Path, chain([name], (f"{name}-{number}" for number in count(2))))
    return next(path for path in names if not any(os.path.lexists(f"{path}{end}") for end in ("", "-wal", "-shm")))


@contextlib.contextmanager
def _two_connections(path: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Two connections that write. Raises sqlite3.Error."""
    with contextlib.ExitStack() as open_:
        open_.callback(connect_reading(path).close)  # closed last, so that the WAL stays
        writing, second = (open_.enter_context(contextlib.closing(connect_writing(path))) for _ in range(2))
        yield writing, second


def _refuse_changes(writing: sqlite3.Connection) -> None:
    """Make a file refuse every change. Raises sqlite3.Error."""
    with SqliteTransaction(writing) as tx:
        for (table,) in tx.rows(_TABLES, {}):
            for event in ("INSERT", "UPDATE", "DELETE"):
                tx.run(_PUT_ASIDE.format(event=event, table=table), {})


def _single_file(draft: Path) -> None:
    """Turn a draft, which no other process uses, into a single file."""
    with contextlib.closing(connect_writing(draft)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    Files.of(draft).side.unlink(missing_ok=True)


def _copy_pages(source: Path, draft: Path, progress: Progress | None) -> None:
    def report(_: int, left: int, pages: int) -> None:
        if progress is not None:
            progress(pages - left, pages)

    with (
        translated(str(source)),
        contextlib.closing(open_reader(source)) as reading,
        contextlib.closing(sqlite3.connect(draft.absolute(), isolation_level=None)) as writing,
    ):
        # One read transaction around all steps: without it, each commit of another process restarts the copy.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        reading.backup(writing, pages=STEP_PAGES, progress=report, sleep=0)
        writing.execute("PRAGMA journal_mode = DELETE")  # a copy is one file, without a WAL


def compact(path: Path) -> bool:
    """Rewrite a database without gaps, and return the space of deleted rows to the disk.

    It is one transaction: if it is interrupted, no row is lost. Others can read meanwhile; a writer fails once it has
    waited for BUSY_TIMEOUT_MS. Returns False if a process that read all the time keeps the file and its log from being
    truncated. Raises StorageError.
    """
    with translated(str(path)), contextlib.closing(SqliteFile.open(path)) as file:
        try:
            with file.guard.lock.held(BUSY_TIMEOUT_MS / 1000) as held, interruptible(file.connection):
                if not held:
                    raise errors.DatabaseLocked(str(path))
                file.guard.check()
                file.connection.execute("PRAGMA temp_store = FILE")  # for all rows, which may not fit in memory
                file.connection.execute("PRAGMA journal_size_limit = 0")  # the log is truncated, too
                _vacuum(file.connection, path)
                file.guard.check()
        finally:
            stuck = file.shorten()  # copies everything from the log into the file, and truncates both
        return stuck is None


def _vacuum(connection: sqlite3.Connection, path: Path) -> None:
    try:
        connection.execute("VACUUM")
    except sqlite3.Error as error:
        storage_error = translate(str(path), error)
        if isinstance(storage_error, errors.DatabaseFull):  # SQLite does not tell which disk is full
            storage_error.fix = (
                "free disk space for the rest, there and for temporary files (SQLITE_TMPDIR, or /var/tmp)"
            )
        raise storage_error from error


def remove(path: Path) -> None:
    """Delete a file that no other process uses, with its side files."""
    for name in (path.name, *(path.name + end for end in ("-wal", "-shm", "-lock", "-journal"))):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
