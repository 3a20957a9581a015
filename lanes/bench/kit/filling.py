"""Databases with many lanes, made in seconds: one lane goes through the doors, its rows are then multiplied."""

import shutil
import sqlite3
from pathlib import Path

from lanes.bench.kit import cycle
from lanes.bench.kit.work import Work
from lanes_storage.clock import system_clock
from lanes_storage.sqlite import SqliteStore
from lanes_storage.sqlite.file.binding import placed
from lanes_storage.sqlite.file.connect import open_writer
from lanes_storage.statements import MARK_BLOCKS

#: What names what in the tables that are multiplied: these columns move with the copy.
MOVING = {
    "lanes": ("id", "epoch"),
    "messages": ("id", "lane_id", "run_id"),
    "runs": ("id", "lane_id", "message_id"),
    "events": ("id", "lane_id", "message_id", "run_id", "epoch"),
}


def filled(work: Work, lanes: int) -> Path:
    """A database with so many idle lanes, each with one finished message. To be copied, not changed."""

    def make() -> Path:
        work.progress(f"making {lanes:,} lanes")
        path = work.fresh("filled.db")
        fill(path, lanes)
        return path

    return work.once(f"filled {lanes}", make)


def copied(work: Work, lanes: int) -> Path:
    """A copy of it to change."""
    path = work.fresh("copied.db")
    shutil.copyfile(filled(work, lanes), path)
    return path


def fill(path: Path, lanes: int) -> None:
    """Make a database with so many idle lanes ``lane:0``, ``lane:1``, …."""
    store = SqliteStore(path, create=True)
    now = system_clock()
    owner = store.write(lambda tx: cycle.register(tx, now))
    store.write(lambda tx: cycle.whole(tx, owner, "lane:0", now))
    store.write(lambda tx: cycle.end_owner(tx, owner, now))
    store.close()
    connection = open_writer(path, create=False)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    for table, moving in MOVING.items():
        _multiply(connection, table, moving, lanes)
    connection.execute(placed(MARK_BLOCKS).sql, connection.execute("SELECT max(id) FROM events").fetchone())
    connection.execute("UPDATE counters SET value = :lanes WHERE name = 'epoch'", {"lanes": lanes})
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _multiply(connection: sqlite3.Connection, table: str, moving: tuple[str, ...], lanes: int) -> None:
    """Copy the rows of the first lane for all others, so that what names each other still does."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    (step,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()

    def copy(column: str) -> str:
        if (table, column) == ("lanes", "key"):
            return "'lane:' || n"
        by = (step if column == "id" else 1) if column in moving else 0
        return f"t.{column} + n * {by}" if by else f"t.{column}"

    wanted = [copy(column) for column in columns]
    connection.execute(
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {lanes - 1})"
        f" INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(wanted)} FROM numbers, {table} t"
        f" WHERE t.{_first(table)} = 1"
    )


def _first(table: str) -> str:
    return "id" if table == "lanes" else "lane_id"
