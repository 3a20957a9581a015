"""Copying a database file while others use it, and replacing a database with a copy."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from lanes_storage import errors
from lanes_storage.interface import Transaction
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.connect import connect_reading, connect_writing, open_reader, translated
from lanes_storage.sqlite.file.identity import Files
from lanes_storage.sqlite.file.locking import BUSY_TIMEOUT_MS, SideLock, begin
from lanes_storage.sqlite.file.wal import checkpoint
from lanes_storage.sqlite.inspect import damage, marks

#: Pages that are copied between two calls of ``progress``.
STEP_PAGES = 512

_SEQUENCES = "SELECT name, seq FROM sqlite_sequence"
_RAISE_SEQUENCE = "UPDATE sqlite_sequence SET seq = max(seq, :least) WHERE name = :table"
_EPOCH = "SELECT value FROM counters WHERE name = 'epoch'"

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

    The copy has mode 0600, is checked, and gets its name only when it is complete and on the disk. ``progress`` is
    called with the pages done and the total. Raises StorageError, FileExistsError.
    """
    if os.path.lexists(target):  # also for a dangling link
        raise FileExistsError(target)
    draft = target.with_name(target.name + ".part")
    draft.unlink(missing_ok=True)
    try:
        with translated(str(draft)):
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        _copy_pages(source, draft, progress)
        wrong = damage(draft)
        if wrong:
            raise errors.DatabaseDamaged(str(source), "; ".join(wrong))
        with translated(str(draft)):
            _sync(draft)
            draft.replace(target)
            _sync(target.absolute().parent)
    except BaseException:
        remove(draft)
        raise


def check_copy(path: Path) -> None:
    """Refuse a file that is not an intact lanes database that this version can use. Raises StorageError."""
    if not path.is_file():
        raise errors.DatabaseMissing(str(path))
    application, version = marks(path)
    if application != versions.APPLICATION_ID:
        raise errors.DatabaseDamaged(str(path), "this is no lanes database")
    versions.check(str(path), version, upgrade=True)
    if wrong := damage(path):
        raise errors.DatabaseDamaged(str(path), "; ".join(wrong))


def numbers(path: Path) -> dict[str, int]:
    """The highest numbers that a database has assigned: the epoch, and the id of each table. Raises StorageError."""
    with translated(str(path)), contextlib.closing(open_reader(path)) as connection:
        found = dict(connection.execute(_SEQUENCES).fetchall())
        return found | {"epoch": connection.execute(_EPOCH).fetchone()[0]}


def raise_ids(tx: Transaction, least: dict[str, int]) -> None:
    """Make sure that ids up to and including these (by table) are not assigned again."""
    for table, number in least.items():
        tx.run(_RAISE_SEQUENCE, {"table": table, "least": number})


def take_back(draft: Path) -> None:
    """Make a copy of a file writable again that was put aside. Raises StorageError."""
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
        contextlib.closing(SideLock(files.side, str(path))) as lock,
        lock.held(BUSY_TIMEOUT_MS / 1000) as held,
    ):
        if not held:
            raise errors.DatabaseLocked(str(path))
        _single_file(draft)
        aside = None
        if files.database.exists():
            aside = _put_aside(files)
            _copy_mode(draft, aside)
        for stray in (files.log, files.memory):
            stray.unlink(missing_ok=True)
        draft.replace(files.database)
        _sync(files.database.parent)
    return aside


def _put_aside(files: Files) -> Path:
    """Mark the file, checkpoint its WAL, and rename it and its side files."""
    aside = _free_name(f"{files.database}.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with contextlib.suppress(sqlite3.DatabaseError):  # if the file is damaged, nothing can write to it anyway
        _refuse_changes(files.database)
    for old, end in ((files.log, "-wal"), (files.memory, "-shm"), (files.database, "")):
        if old.exists():
            old.replace(aside.with_name(aside.name + end))
    return aside


def _free_name(name: str) -> Path:
    """That name, or with the first free number appended: two restores within one second both keep their files."""
    names = map(Path, chain([name], (f"{name}-{number}" for number in count(2))))
    return next(path for path in names if not any(os.path.lexists(f"{path}{end}") for end in ("", "-wal", "-shm")))


def _refuse_changes(path: Path) -> None:
    """Make a file refuse every change. Raises sqlite3.Error."""
    with contextlib.ExitStack() as open_:
        open_.callback(connect_reading(path).close)  # closed last, so that the WAL stays
        writing, second = (open_.enter_context(contextlib.closing(connect_writing(path))) for _ in range(2))
        begin(writing)
        try:
            for (table,) in writing.execute(_TABLES).fetchall():
                for event in ("INSERT", "UPDATE", "DELETE"):
                    writing.execute(_PUT_ASIDE.format(event=event, table=table))
            writing.execute("COMMIT")
        finally:
            if writing.in_transaction:
                writing.execute("ROLLBACK")
        checkpoint(writing, second)


def _copy_mode(draft: Path, aside: Path) -> None:
    """Give the draft the mode and the owner of the file that it replaces."""
    before = aside.stat()
    draft.chmod(before.st_mode & 0o777)
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):  # only root can change the owner of a file
            os.chown(draft, before.st_uid, before.st_gid)


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
