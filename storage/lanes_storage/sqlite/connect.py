"""The one way to open the file: every pragma with its reason, every engine error as one of ours."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lanes_storage import errors
from lanes_storage.sqlite.locking import BUSY_TIMEOUT_MS
from lanes_storage.sqlite.upgrading import bring_up, check_foreign

#: RETURNING and UPDATE … FROM came with it.
OLDEST_SQLITE = (3, 35, 0)

READ_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    # The hot pages of 100,000 lanes fit; the default of 2 MB does not hold them.
    "PRAGMA cache_size = -16384",
    # Sorting a page of lanes never touches the disk.
    "PRAGMA temp_store = MEMORY",
)
WRITE_PRAGMAS = (
    # Readers never block the writer, and the writer never blocks readers.
    "PRAGMA journal_mode = WAL",
    # References between lanes, messages and runs hold at every commit.
    "PRAGMA foreign_keys = ON",
    # After a checkpoint the log is cut back, so one burst does not keep the disk for ever. Checkpoints themselves
    # are SQLite's own, after commits; what they can not do under overlapping readers is done in ``sqlite.log``.
    "PRAGMA journal_size_limit = 67108864",
    # At 16 MB of log, a quarter as often as by default: a page that changed ten times since is then written once.
    "PRAGMA wal_autocheckpoint = 4000",
)


def path_of(url: str) -> Path:
    """The file that a plain path or a ``sqlite:///path`` names.

    Raises ``DatabaseUnavailable`` for what no file can be.
    """
    for prefix in ("sqlite:///", "sqlite://"):
        if url.startswith(prefix):
            url = url.removeprefix(prefix)
            break
    if url in ("", ":memory:"):
        raise errors.DatabaseUnavailable(
            url or "(empty)", "lanes needs a database file: memory does not survive a restart"
        )
    if "\0" in url:
        raise errors.DatabaseUnavailable(url.replace("\0", "\\0"), "no file has such a name")
    return Path(url).expanduser()


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn errors of the engine into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(name, error) from error
    except OSError as error:
        raise errors.DatabaseUnavailable(name, error.strerror or str(error)) from error


#: What the engine says of values that have no place in it. Their words differ between versions of Python.
_OF_THE_CALLER = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def translate(name: str, error: sqlite3.Error) -> errors.StorageError | errors.NotStorable:
    """Our error for one of the engine's: of the database, or of what the caller handed in."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.DatabaseLocked(name)
    if primary == sqlite3.SQLITE_FULL:
        return errors.DatabaseFull(name)
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return errors.DatabaseReadOnly(name)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return errors.DatabaseDamaged(name, str(error))
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return errors.StoreClosed(name)
    if isinstance(error, _OF_THE_CALLER) or primary in (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH):
        return errors.NotStorable(f"{name} has no place for it: {error}")
    return errors.DatabaseUnavailable(name, str(error))


def open_writer(path: Path, *, create: bool, synchronous: str = "full") -> sqlite3.Connection:
    """A connection that may write, on a file with the newest schema.

    ``create`` makes the file (mode 0600, folder 0700) and upgrades an older one; without it a missing file is
    ``DatabaseMissing`` and an older one ``DatabaseTooOld``. A newer or foreign file is refused untouched.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise errors.DatabaseUnavailable(str(path), f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is the oldest")
    with translated(str(path)):
        _touch(path, create=create)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in READ_PRAGMAS:
                connection.execute(pragma)
            check_foreign(connection, path)
            for pragma in WRITE_PRAGMAS:
                connection.execute(pragma)
            # FULL: what was acknowledged survives the loss of power, not only of the process.
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'normal' else 'FULL'}")
            bring_up(connection, path, create=create)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, for blocking callers, on a file that ``open_writer`` has seen."""
    with translated(str(path)):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in (*READ_PRAGMAS, "PRAGMA query_only = ON"):
            connection.execute(pragma)
        return connection


def _touch(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise errors.DatabaseUnavailable(str(path), "that is a folder")
    if path.exists():
        return
    if not create:
        raise errors.DatabaseMissing(str(path))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The log and the shared memory take the mode of the file; texts of conversations are nobody else's business.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
