"""Replays recorded statements with plain ``sqlite3`` on a copy of the same file."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any, NamedTuple


class Statement(NamedTuple):
    """One call of ``sqlite3``: ``execute`` with its values, or ``executemany`` with those of each row."""

    sql: str
    values: Sequence[Any]
    many: bool = False


#: The statements of one transaction.
Statements = list[Statement]


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
