"""Making the schema in a new file, and bringing that of an older one to the newest: whole or not at all, and once."""

import sqlite3
from pathlib import Path

from lanes_storage import errors, schema


def check_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not ours before anything, even its journal mode, is changed in it.

    Raises DatabaseTooNew, DatabaseDamaged.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
    if application == schema.APPLICATION_ID:
        if version > schema.VERSION:
            raise errors.DatabaseTooNew(str(path), version, schema.VERSION)
    elif application or version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise errors.DatabaseDamaged(str(path), "this is a database of another program")


def bring_up(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Make or upgrade the schema, under the write lock, so that of two starting processes one does it.

    Raises DatabaseTooOld unless ``create``, and what ``check_foreign`` raises: another process may have made something
    else of the file while this one waited for the lock.
    """
    if _version(connection) == schema.VERSION:
        return
    if not create:
        raise errors.DatabaseTooOld(str(path), _version(connection), schema.VERSION)
    from lanes_storage.sqlite.transaction import SqliteTransaction

    schema.creation("sqlite")  # imports SQLModel, which is slow: not while the lock is held
    # A table that is rebuilt is gone for a moment. Within a transaction this pragma does nothing.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        with SqliteTransaction(connection) as tx:
            check_foreign(connection, path)
            found = _version(connection)
            if found == schema.VERSION:
                return
            if found == 0:
                schema.create(tx, "sqlite")
            else:
                schema.upgrade(tx, found)
                _check_references(connection, path)
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _check_references(connection: sqlite3.Connection, path: Path) -> None:
    """Nothing of the file is kept that would not fit together any more."""
    astray = connection.execute("PRAGMA foreign_key_check").fetchmany(1)
    for table, row, parent, _ in astray:
        raise errors.DatabaseDamaged(str(path), f"row {row} of {table} names a row of {parent} that is not there")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
