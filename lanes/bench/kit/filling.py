"""Databases with many lanes, made in seconds: one lane is made by the doors, then its rows are multiplied."""

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from lanes.bench.kit import cycle
from lanes.bench.kit.work import Work
from lanes_storage.clock import system_clock
from lanes_storage.sqlite import SqliteStore
from lanes_storage.sqlite.file.binding import placed
from lanes_storage.sqlite.file.connect import open_writer
from lanes_storage.statements import MARK_BLOCKS

#: The columns of multiplied tables that refer to a row or an epoch, and to which: in each copy they are offset by the
#: number of those. The id of a run is the epoch of its claim.
MOVING = {
    "lanes": {"id": "lanes", "epoch": "epoch", "run_id": "epoch", "head_id": "messages"},
    "messages": {"id": "messages", "lane_id": "lanes", "run_id": "epoch"},
    "runs": {"id": "epoch", "lane_id": "lanes", "message_id": "messages"},
    "events": {"id": "events", "lane_id": "lanes", "message_id": "messages", "run_id": "epoch", "epoch": "epoch"},
}


def filled(work: Work, lanes: int) -> Path:
    """A database with that many idle lanes, each with one finished message. It must only be copied, not changed."""

    def make() -> Path:
        work.progress(f"making {lanes:,} lanes")
        path = work.fresh("filled.db")
        fill(path, lanes)
        return path

    return work.once(f"filled {lanes}", make)


def copied(work: Work, lanes: int) -> Path:
    """A copy of such a database, which may be changed."""
    path = work.fresh("copied.db")
    shutil.copyfile(filled(work, lanes), path)
    return path


def fill(path: Path, lanes: int) -> None:
    """Make a database with that many idle lanes ``lane:0``, ``lane:1``, …."""
    store = SqliteStore(path, create=True)
    now = system_clock()
    owner = store.write(lambda tx: cycle.register(tx, now))
    store.write(lambda tx: cycle.whole(tx, owner, "lane:0", now))
    store.write(lambda tx: cycle.end_owner(tx, owner, now))
    store.close()
    multiply(path, lanes - 1, "'lane:' || n", {})


def multiply(path: Path, copies: int, key: str, times: Mapping[str, int]) -> None:
    """Copy every lane of a database ``copies`` times, with all rows that belong to it.

    ``key``: the key of a lane's ``n``-th copy, in SQL. ``times``: further columns, and their offset per copy.
    """
    connection = open_writer(path, create=False)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    counted = (f"SELECT max(id) FROM {table}" for table in ("lanes", "messages", "events"))
    steps = dict(zip(("lanes", "messages", "events"), (_number(connection, sql) for sql in counted), strict=True))
    steps["epoch"] = _number(connection, "SELECT value FROM counters WHERE name = 'epoch'")
    for table, moving in MOVING.items():
        moved = {column: steps[of] for column, of in moving.items()} | dict(times)
        _multiply(connection, table, moved, copies, key)
    connection.execute(placed(MARK_BLOCKS).sql, (_number(connection, "SELECT max(id) FROM events"),))
    connection.execute("UPDATE counters SET value = value * (? + 1) WHERE name = 'epoch'", (copies,))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _multiply(connection: sqlite3.Connection, table: str, moved: Mapping[str, int], copies: int, key: str) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]  # without computed ones
    of_lane = "id" if table == "lanes" else "lane_id"

    def copy(column: str) -> str:
        if (table, column) == ("lanes", "key"):
            return key
        return f"t.{column} + n * {moved[column]}" if column in moved else f"t.{column}"

    connection.execute(
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies})"
        f" INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(map(copy, columns))} FROM numbers, {table} t"
        f" WHERE t.{of_lane} IS NOT NULL"
    )
