"""Copies of a database file, made while others use it, and putting one in its place."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from lanes_storage import errors, schema
from lanes_storage.interface import Transaction
from lanes_storage.sqlite.connect import translated
from lanes_storage.sqlite.inspect import connect_still, damage, marks

#: Pages that are copied between two words of progress.
STEP_PAGES = 512

_SEQUENCES = "SELECT name, seq FROM sqlite_sequence"
_RAISE_SEQUENCE = "UPDATE sqlite_sequence SET seq = max(seq, :least) WHERE name = :table"
_EPOCH = "SELECT value FROM counters WHERE name = 'epoch'"

Progress = Callable[[int, int], None]


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy a database as it is at one moment, whoever writes it meanwhile, to a file that must not exist.

    The copy has mode 0600, is checked, and has its name only once it is whole and on the disk. ``progress`` is
    told pages done and pages in all. Raises StorageError, FileExistsError.
    """
    if target.exists():
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
        _remove(draft)
        raise


def check_copy(path: Path) -> None:
    """Refuse what is no sound copy of a database of ours that this program can use. Raises StorageError."""
    if not path.is_file():
        raise errors.DatabaseMissing(str(path))
    application, version = marks(path)
    if application != schema.APPLICATION_ID:
        raise errors.DatabaseDamaged(str(path), "this is no lanes database")
    if version > schema.VERSION:
        raise errors.DatabaseTooNew(str(path), version, schema.VERSION)
    if wrong := damage(path):
        raise errors.DatabaseDamaged(str(path), "; ".join(wrong))


def numbers(path: Path) -> dict[str, int]:
    """The last number of each kind that a file gave out: epochs, and the ids of each table. Raises StorageError."""
    with translated(str(path)):
        connection = connect_still(path)
        try:
            found = dict(connection.execute(_SEQUENCES).fetchall())
            return found | {"epoch": connection.execute(_EPOCH).fetchone()[0]}
        finally:
            connection.close()


def raise_ids(tx: Transaction, least: dict[str, int]) -> None:
    """See that no id up to these is given again, by table."""
    for table, number in least.items():
        tx.run(_RAISE_SEQUENCE, {"table": table, "least": number})


def put_in_place(draft: Path, path: Path) -> Path | None:
    """Let ``draft`` be the database; the file that was there is kept beside it under the name that is returned."""
    with translated(str(path)):
        aside = None
        if path.exists():
            aside = path.with_name(f"{path.name}.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
            _fold_log(path)
            # what could not be folded belongs to that file, and would ruin another one
            _rename_if_there(_log(path), _log(aside))
            path.replace(aside)
        for stray in (_log(path), path.with_name(path.name + "-shm")):
            stray.unlink(missing_ok=True)
        _fold_log(draft)
        draft.replace(path)
        _sync(path.absolute().parent)
    return aside


def _copy_pages(source: Path, draft: Path, progress: Progress | None) -> None:
    def told(_: int, left: int, pages: int) -> None:
        if progress is not None:
            progress(pages - left, pages)

    with translated(str(source)), contextlib.ExitStack() as open_:
        reading = connect_still(source)
        open_.callback(reading.close)
        # One read transaction around all steps: without it, each commit of another process begins the copy anew.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        writing = sqlite3.connect(draft, isolation_level=None)
        open_.callback(writing.close)
        reading.backup(writing, pages=STEP_PAGES, progress=told, sleep=0)
        writing.execute("PRAGMA journal_mode = DELETE")  # a copy is one file, without a log beside it


def _fold_log(path: Path) -> None:
    """Bring what is in the log into the file, as far as that can be done."""
    with contextlib.suppress(sqlite3.Error):
        connection = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _rename_if_there(old: Path, new: Path) -> None:
    if old.exists():
        old.replace(new)


def _remove(path: Path) -> None:
    for name in (path.name, path.name + "-wal", path.name + "-shm", path.name + "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
