"""Replays recorded statements with plain ``sqlite3`` on a copy of the same file."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

#: The size of the WAL at which SQLite makes a checkpoint by itself: the setting of 0.1.0.
LONG_LOG_BYTES = 16_384_000


class Statement(NamedTuple):
    """One call of ``sqlite3``: ``execute`` with its values, or ``executemany`` with those of each row."""

    sql: str
    values: Sequence[Any]
    many: bool = False


#: The statements of one transaction.
Statements = list[Statement]


def prepare(connection: sqlite3.Connection, synchronous: str) -> None:
    """Set ``synchronous``, and the automatic checkpoints that 0.1.0 had."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA wal_autocheckpoint = {LONG_LOG_BYTES // page_bytes}")
    connection.execute(f"PRAGMA synchronous = {synchronous}")


def replay(connection: sqlite3.Connection, transactions: Sequence[Statements]) -> float:
    """Run the transactions one after the other; returns how long that took, in seconds."""
    started = time.perf_counter()
    for statements in transactions:
        connection.execute("BEGIN IMMEDIATE")
        run(connection, statements)
        connection.execute("COMMIT")
    return time.perf_counter() - started


def run(connection: sqlite3.Connection, statements: Statements) -> None:
    """Run statements in the present transaction, and fetch what they return."""
    for sql, values, many in statements:
        if many:
            connection.executemany(sql, values)
        else:
            connection.execute(sql, values).fetchall()
