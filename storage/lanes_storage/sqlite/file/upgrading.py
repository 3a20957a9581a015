"""Creating the schema in a new file, and upgrading an older one: atomically, and by one process only."""

import contextlib
import os
import sqlite3
from pathlib import Path

from lanes_storage import errors
from lanes_storage.clock import boot_id, same_boot, system_clock
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.interrupts import interruptible

#: Works with every version of the schema. Selects the owners that have not ended, and whether their heartbeat is
#: recent.
_OWNERS = """
SELECT kind, id, host, boot_id, pid_ns, pid, start_time, :now - heartbeat_at BETWEEN 0 AND stale_after_ms FROM owners
WHERE ended_at IS NULL ORDER BY id
"""
#: How much of a large upgrade may still be in memory and not in the log: the cache of the connection.
_CACHE_BYTES = 16 * 1024 * 1024


def check_version(connection: sqlite3.Connection, path: Path, *, create: bool, upgrade: bool) -> None:
    """Refuse a foreign or newer file before anything in it is changed, even its journal mode; and an older one if it
    may not be upgraded. Raises DatabaseForeign, DatabaseMissing, and as ``versions.check``.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
    begun = version == 0 and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != versions.APPLICATION_ID and not (begun and application == 0):
        raise errors.DatabaseForeign(str(path), "this is a database of another program")
    if begun and not create:  # left by a creation that ran out of space; as missing as an empty file
        raise errors.DatabaseMissing(str(path))
    versions.check(str(path), version, upgrade=upgrade if version else create)  # 0: a new file, without a schema yet


def upgrade_schema(connection: sqlite3.Connection, path: Path, *, create: bool, upgrade: bool) -> None:
    """Create or upgrade the schema, under the write lock, so that only one of several starting processes does it.

    Raises DatabaseInUse while an owner of the older version lives, DatabaseFull if the result would not fit, and the
    errors of ``check_version``: another process may have changed the file while this one waited for the lock.
    """
    if _version(connection) == versions.VERSION:
        return
    from lanes_storage.sqlite.file.transaction import SqliteTransaction

    versions.creation()  # imports SQLModel, which is slow: done before the lock is taken
    # A rebuilt table is missing for a moment. Inside a transaction this pragma has no effect.
    connection.execute("PRAGMA foreign_keys = OFF")
    began = False
    try:
        with interruptible(connection), SqliteTransaction(connection) as tx:
            check_version(connection, path, create=create, upgrade=upgrade)
            found = _version(connection)
            if found == versions.VERSION:
                return
            if found == 0:
                versions.create(tx)
            else:
                _check_use(connection, path)
                began = True
                _announce(path, found)
                _check_references(connection, path)  # the newer schema may no longer have some of them
                versions.upgrade(tx, found)
                _check_references(connection, path)
                _check_room(connection, path)
            connection.execute(f"PRAGMA application_id = {versions.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {versions.VERSION}")
    except BaseException:
        if began:  # what it wrote to the log may have filled the disk, and nobody needs it
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # takes the write lock
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _check_use(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse while an owner of the older version lives: it does not know the new schema and would lose its runs.

    A living process of this machine counts even without heartbeats: it may be stopped, and continue at any moment.
    """
    for kind, owner, host, *where, pid, start_time, recent in connection.execute(_OWNERS, {"now": system_clock().wall}):
        alive = _is_alive(pid, start_time) if _is_here(host, *where) else None
        if alive or (alive is None and recent):
            raise errors.DatabaseInUse(str(path), f"{kind} {owner} of an older lanes (process {pid} on {host})")


def _is_here(host: str, boot: str, pid_ns: str) -> bool:
    try:
        pid_namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a link that leads nowhere
    except OSError:
        pid_namespace = ""
    return pid_ns == pid_namespace and same_boot(host, boot, os.uname().nodename, boot_id())


def _is_alive(pid: int, start_time: int) -> bool | None:
    """Whether that process of this machine lives; None if a process with that pid lives, but may be another one."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except ProcessLookupError:
        return False
    except OSError:  # hidden, a process of another user, or a system without /proc
        return None
    state, *fields = stat.rpartition(b")")[2].split()
    if int(fields[18]) != start_time:
        return None  # a later process, if this /proc belongs to the same pid namespace
    return state not in (b"Z", b"X")


def _announce(path: Path, found: int) -> None:
    """Log the start of an upgrade, since a gateway that upgrades at its start answers nobody meanwhile."""
    from lanes_storage.logs import Log  # imports logging, which is slow

    message = (
        "upgrading %s from schema %d to %d: takes minutes for a file of gigabytes; if interrupted, it starts again"
    )
    Log("lanes.storage").info(message, path, found, versions.VERSION)


def _check_room(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the content of the log will also fit into the file. If it filled the disk, nothing more could be
    written.

    Raises DatabaseFull.
    """
    (pages,), (page_bytes,) = (connection.execute(f"PRAGMA page_{name}").fetchone() for name in ("count", "size"))
    whole, database = pages * page_bytes, path.resolve()
    room = os.statvfs(database.parent)
    lacking = whole - database.stat().st_size + min(whole, _CACHE_BYTES) - room.f_bavail * room.f_frsize
    if lacking > 0:
        full = errors.DatabaseFull(str(path))
        full.fix = f"free {lacking // 2**20 + 1} MiB more, then repeat: the file still has its old schema"
        raise full


def _check_references(connection: sqlite3.Connection, path: Path) -> None:
    """Check that each reference leads to a row, since references were not enforced."""
    for sentence in astray(connection, 1):
        raise errors.DatabaseDamaged(str(path), sentence)


def astray(connection: sqlite3.Connection, most: int) -> list[str]:
    """At most ``most`` of the references that lead to no row, as sentences."""
    found = connection.execute("PRAGMA foreign_key_check").fetchmany(most)
    return [f"row {row} of {table} names a row of {parent} that does not exist" for table, row, parent, _ in found]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
