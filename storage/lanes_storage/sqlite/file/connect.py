"""The only way to open the file: every pragma with its reason, and the conversion of errors to ``StorageError``."""

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from lanes_storage import errors
from lanes_storage.sqlite.file.identity import FileGuard, check_fork, check_vacant, missing
from lanes_storage.sqlite.file.locking import BUSY_TIMEOUT_MS, SideLock, keep_open, used_elsewhere
from lanes_storage.sqlite.file.paths import Files, absolute, mount_of
from lanes_storage.sqlite.file.upgrading import check_version, upgrade_schema

#: The first version with RETURNING and UPDATE … FROM.
OLDEST_SQLITE = (3, 35, 0)

READ_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    # The hot pages of 100,000 lanes fit; the default of 2 MB does not hold them.
    "PRAGMA cache_size = -16384",
    # Sorting a page of lanes never touches the disk.
    "PRAGMA temp_store = MEMORY",
    # No automatic checkpoints: see ``sqlite.file.wal``.
    "PRAGMA wal_autocheckpoint = 0",
)
WRITE_PRAGMAS = (
    # For new files; existing files keep their page size. A run writes rows all over the file, and each costs a whole
    # page.
    "PRAGMA page_size = 2048",
    # Readers never block the writer, and the writer never blocks readers.
    "PRAGMA journal_mode = WAL",
    # Check the references between lanes, messages and runs at every commit.
    "PRAGMA foreign_keys = ON",
    # When the WAL restarts, it is truncated to this size, so that one burst of writes does not use the disk space
    # forever.
    "PRAGMA journal_size_limit = 67108864",
)


def path_of(url: str) -> Path:
    """The file that a plain path or a ``sqlite:///path`` names. Absolute, so that SQLite does not take it for a URI.

    Raises ``DatabaseUnavailable`` if the name cannot be that of a file.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "sqlite":
        raise _no_file(f"{scheme}://…", "only SQLite databases can be opened")
    url = rest.removeprefix("/") if separator else url
    if url == "":
        raise _no_file("the name of the database", "it is empty")
    if url == ":memory:":
        raise _no_file(url, "lanes needs a database file: memory does not survive a restart")
    if "\0" in url:
        raise _no_file(url.replace("\0", "\\0"), "a file name cannot hold a NUL character")
    if url.startswith("file:"):
        raise _no_file(url, "SQLite URIs are not accepted (for a file with this name, write ./file:…)")
    try:
        path = absolute(Path(url).expanduser())
    except RuntimeError as error:
        raise _no_file(url, "there is no such user") from error
    except FileNotFoundError as error:
        raise _no_file(url, "the current folder was deleted") from error
    with translated(url), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # raises for a name that is too long, a link to itself, a folder without search permission
    return path


#: The ``fix`` for a name that cannot be that of a database: `lanes doctor` would have nothing to look at either.
_NAMING = "name a file in a folder that exists, by its full path"
_NAME_ERRNOS = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}


def _no_file(name: str, detail: str) -> errors.DatabaseUnavailable:
    error = errors.DatabaseUnavailable(name, detail)
    error.fix = _NAMING
    return error


#: Some extended result codes of SQLite: a module that stands in for Python's ``sqlite3`` (pysqlite3) has no names for
#: them.
_CONSTRAINT_TRIGGER, _READONLY_DBMOVED, _IOERR_WRITE, _IOERR_SHMSIZE = 1811, 1032, 778, 4874
#: The error codes for a file that is no longer the database: a trigger in it refused the statement (see
#: ``sqlite.copies``), or SQLite found that it was moved.
_MOVED_CODES = (_CONSTRAINT_TRIGGER, _READONLY_DBMOVED)


@contextlib.contextmanager
def translated(name: str, guard: FileGuard | None = None) -> Iterator[None]:
    """Convert errors of SQLite and of the system to errors of storage. With a ``guard``, the files are checked after
    the block, even if it failed: it may have read pages of two files. Raises DatabaseReplaced in that case."""
    try:
        yield
    except Exception as error:
        if guard is not None:
            guard.check()
        converted = _converted(name, error)
        if converted is error:
            raise
        raise converted from error
    if guard is not None:
        guard.check()


def _converted(name: str, error: Exception) -> Exception:
    """The error of storage for one of SQLite or of the system; any other error unchanged."""
    converted: Exception = error
    if isinstance(error, sqlite3.Error | MemoryError):
        converted = translate(name, error)
    elif isinstance(error, OSError):
        converted = errors.DatabaseUnavailable(name, error.strerror or str(error))
        if error.errno == errno.ENOSPC:
            converted = errors.DatabaseFull(name)
        elif isinstance(error, PermissionError):  # `lanes doctor` may not read the file either
            converted.fix = errors.DatabaseReadOnly.fix
        elif error.errno in _NAME_ERRNOS:
            converted.fix = _NAMING
    refused = isinstance(converted, errors.DatabaseUnavailable | errors.DatabaseReadOnly)
    return (refused and _unreadable(name)) or converted


def _unreadable(name: str) -> errors.DatabaseUnavailable | None:
    """The error if this user may not read a file of the database: SQLite only says that it cannot open it."""
    with contextlib.suppress(OSError):
        files = Files.of(Path(name))
        for path in (files.database, files.log, files.memory, files.side):
            if path.exists() and not os.access(path, os.R_OK):
                status = path.stat()
                owner = str(status.st_uid)
                with contextlib.suppress(KeyError):
                    owner = path.owner()
                mode = stat.S_IMODE(status.st_mode)
                detail = f"this user may not read it: it belongs to {owner} (mode {mode:04o})"
                unreadable = errors.DatabaseUnavailable(str(path), detail)
                unreadable.fix = errors.DatabaseReadOnly.fix
                return unreadable
    return None


#: The errors for values that SQLite cannot store. Their texts differ between versions of Python.
_VALUE_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def translate(name: str, error: sqlite3.Error | MemoryError) -> errors.StorageError | errors.NotStorable:
    """The error of storage for one of SQLite: about the database, or about a value of the caller."""
    if isinstance(error, MemoryError):  # SQLITE_NOMEM
        exhausted = errors.DatabaseUnavailable(name, "no memory is left in this process")
        exhausted.fix = "raise its limit of memory (`ulimit -v`, MemoryMax=), or end what uses it up"
        return exhausted
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if code in _MOVED_CODES:
        return errors.DatabaseReplaced(name, str(error))
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.DatabaseLocked(name)
    if code == _IOERR_WRITE:  # SQLite does not tell which of these it was
        return errors.DatabaseUnavailable(
            name, "it cannot be written: a quota or a limit is used up, or the disk fails or has become read-only"
        )
    if primary == sqlite3.SQLITE_FULL or code == _IOERR_SHMSIZE:  # even a read writes the shared memory
        return errors.DatabaseFull(name)
    if primary == sqlite3.SQLITE_CANTOPEN and _no_inode(name):  # for a side file
        return errors.DatabaseFull(name)
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return errors.DatabaseReadOnly(name)
    if primary == sqlite3.SQLITE_CORRUPT:
        return errors.DatabaseDamaged(name, str(error))
    if primary == sqlite3.SQLITE_NOTADB:  # it has no SQLite header
        return errors.DatabaseForeign(name, str(error))
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return errors.StoreClosed(name)
    if isinstance(error, _VALUE_ERRORS) or primary in (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH):
        return errors.NotStorable(f"{name} has no place for it: {error}")
    return errors.DatabaseUnavailable(name, str(error))


def _no_inode(name: str) -> bool:
    """Whether the disk has a limited number of inodes, and none of them is free."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(Path(name).parent)
        return disk.f_files > 0 and disk.f_favail == 0
    return False


def open_writer(
    path: Path, *, create: bool, upgrade: bool | None = None, synchronous: str = "full"
) -> sqlite3.Connection:
    """A read-write connection, on a file with the newest schema.

    ``create`` creates the file (mode 0600, folder 0700); without it a missing file raises ``DatabaseMissing``.
    ``upgrade`` (None: as ``create``) upgrades an older file; without it that raises ``DatabaseTooOld``. A newer or
    foreign file is refused without any change.
    """
    upgrade = create if upgrade is None else upgrade
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise errors.DatabaseUnavailable(str(path), f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is the oldest")
    with translated(str(path)):
        touch(path, create=create)
        connection = connect_writing(path)
        with on_error(connection.close):
            check_version(connection, path, create=create, upgrade=upgrade)
            for pragma in WRITE_PRAGMAS:
                connection.execute(pragma)
            # FULL: acknowledged messages survive a power loss, not only the death of the process.
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'normal' else 'FULL'}")
            upgrade_schema(connection, path, create=create, upgrade=upgrade)
            _drop_statistics(connection)
        return connection


@contextlib.contextmanager
def on_error(undo: Callable[[], None]) -> Iterator[None]:
    """Call ``undo`` if the block fails."""
    try:
        yield
    except BaseException:
        undo()
        raise


def _drop_statistics(connection: sqlite3.Connection) -> None:
    """Delete the statistics of ``ANALYZE``, so that statements are planned as in the tests. They never change by
    themselves: once the tables have grown, plans that were made for small tables would scan them."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'sqlite#_stat_' ESCAPE '#'"
    tables = connection.execute(query).fetchall()
    for (table,) in tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    if tables:
        connection.execute("PRAGMA writable_schema = RESET")  # read the schema again, without them


def connect_writing(path: Path) -> sqlite3.Connection:
    """A plain read-write connection; it never creates the file. Raises sqlite3.Error."""
    return _connect(path, "rw")


def connect_reading(path: Path) -> sqlite3.Connection:
    """A read-only connection, with the WAL opened. Raises sqlite3.Error.

    The last connection that closes a file checkpoints the WAL and deletes it. SQLite determines "last" by locks, which
    may be lost. A read-only connection never does this, and while it is open, neither does any other connection of this
    process.
    """
    mode = "ro"
    with contextlib.suppress(OSError):  # SQLite will report what is wrong
        if os.statvfs(path).f_flag & os.ST_RDONLY and not path.with_name(f"{path.name}-wal").exists():
            mode = "ro&immutable=1"  # a copy without a WAL, which SQLite would have to create
    return _connect(path, mode, "PRAGMA user_version")


def _connect(path: Path, mode: str, *pragmas: str) -> sqlite3.Connection:
    check_fork()
    uri = f"{path.absolute().as_uri()}?mode={mode}"  # quoted: no character of the name is special
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    with on_error(connection.close):
        for pragma in (*READ_PRAGMAS, *pragmas):
            connection.execute(pragma).fetchall()
    return connection


def check_plain(path: Path) -> None:
    """Refuse anything except a regular file: opening a pipe would block forever. Raises DatabaseUnavailable."""
    if path.is_dir():
        raise _no_file(str(path), "that is a folder")
    if path.exists() and not path.is_file():
        raise _no_file(str(path), "that is not a regular file")


def check_names(files: Files) -> None:
    """Refuse a file that has a second name, also as a mount. Raises DatabaseAliased."""
    if (names := files.database.stat().st_nlink) > 1:
        raise errors.DatabaseAliased(str(files.path), f"this file has {names} names (hard links)")
    if mount_of(files.database) != mount_of(files.database.parent):
        raise errors.DatabaseAliased(str(files.path), "this file is mounted here by itself, without its log")


def check_users(files: Files, connection: sqlite3.Connection) -> None:
    """Refuse a file that other processes use under another name, as far as that is visible. Raises DatabaseAliased.

    Call it after ``connection`` is opened, while no other process opens the file.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal" and (others := used_elsewhere(files.database, files.memory)):
        detail = f"process {', '.join(map(str, others))} uses this file under its former name"
        raise errors.DatabaseAliased(str(files.path), detail)


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection for blocking callers. Raises StorageError."""
    files = Files.of(path)
    with translated(str(path)), contextlib.ExitStack() as held:
        check_plain(files.database)
        if not files.database.exists():
            raise missing(path)
        if files.side.exists():  # a copy that no process uses has no WAL, and reading must not create one
            lock = held.enter_context(contextlib.closing(SideLock(files)))
            held.enter_context(lock.opening(files.memory))
            lock.check_log()
        check_names(files)
        connection = connect_reading(files.database)
        with on_error(connection.close):
            check_users(files, connection)
            keep_open(files)
        return connection


def touch(path: Path, *, create: bool) -> None:
    """Make sure that the file exists, or raise. An empty file counts as missing, unless ``create``, which fills it.

    No file is created in place of a deleted one that a process still uses: both would be written, and the content of
    the old one could not be put back. Raises DatabaseMissing, DatabaseDeleted, DatabaseUnavailable.
    """
    check_plain(path)
    if path.exists() and (create or path.stat().st_size):
        return
    if not create:
        raise errors.DatabaseMissing(str(path)) if path.exists() else missing(path)
    check_vacant(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The WAL and the shared memory get the mode of the file; the texts of conversations are private.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def check_first(path: Path, *, create: bool, upgrade: bool) -> None:
    """Refuse a foreign file, as ``open_writer`` does, before any side file is created. Raises sqlite3.Error."""
    with contextlib.closing(connect_reading(path)) as connection:
        check_version(connection, path, create=create, upgrade=upgrade)
