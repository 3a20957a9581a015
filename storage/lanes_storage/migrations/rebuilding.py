"""Rebuilding a table: a new table is created, filled from the old one, and renamed to its name.

This allows any change, even of a CHECK constraint, which ALTER cannot change. References from other tables stay valid,
because they use the name. They must not be enforced during the change (``sqlite.file.upgrading`` turns that off), and
are checked before the commit.

To undo a single statement that fails, SQLite keeps every page that the statement changes or reuses in memory: up to
the size of the largest table. ``OR FAIL``, and ``DELETE`` without a condition, make that unnecessary (the whole
transaction is rolled back), unless the statement calls a function.
"""

import re
from collections.abc import Mapping, Sequence

from lanes_storage.interface import Transaction

_CREATES = re.compile(r"CREATE (?:TABLE (?P<table>\w+)|(?:UNIQUE )?INDEX \w+ ON (?P<of>\w+))")


def make(tx: Transaction, table: str, creation: Sequence[str]) -> None:
    for statement in _of(table, creation):
        tx.run(statement, {})


def rebuild(tx: Transaction, table: str, creation: Sequence[str], expressions: Mapping[str, str]) -> None:
    """Rebuild a table as ``creation`` defines it. ``expressions`` over the old row give columns new values; other
    columns keep the value of the column of the same name, or are null."""
    create, *indexes = _of(table, creation)
    draft = f"new_{table}"
    tx.run(create.replace(f"CREATE TABLE {table} ", f"CREATE TABLE {draft} ", 1), {})
    before, after = _columns(tx, table), _columns(tx, draft)
    filled = {
        column: expressions.get(column, f'"{column}"') for column in after if column in expressions or column in before
    }
    names = ", ".join(f'"{column}"' for column in filled)
    tx.run(f"INSERT OR FAIL INTO {draft} ({names}) SELECT {', '.join(filled.values())} FROM {table} ORDER BY rowid", {})
    _keep_counting(tx, table, draft)
    tx.run(f"DELETE FROM {table}", {})
    tx.run(f"DROP TABLE {table}", {})
    tx.run(f"ALTER TABLE {draft} RENAME TO {table}", {})
    for index in indexes:
        tx.run(index, {})


def _of(table: str, creation: Sequence[str]) -> list[str]:
    """The statement that creates the table, then those that create its indexes."""
    matches = [(_CREATES.match(statement), statement) for statement in creation]
    return [statement for match, statement in matches if match and table in (match["table"], match["of"])]


def _columns(tx: Transaction, table: str) -> list[str]:
    """The stored columns; generated ones are left out."""
    return [row[0] for row in tx.rows("SELECT name FROM pragma_table_info(:table)", {"table": table})]


def _keep_counting(tx: Transaction, table: str, draft: str) -> None:
    """Continue the id sequence of the old table in the new one, so that ids of pruned rows are not reused."""
    for (last,) in tx.rows("SELECT seq FROM sqlite_sequence WHERE name = :table", {"table": table}):
        continue_ids(tx, draft, last)


def continue_ids(tx: Transaction, table: str, last: int) -> None:
    """Make ``last + 1`` the next id of a table."""
    tx.run("DELETE FROM sqlite_sequence WHERE name = :table", {"table": table})
    tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)", {"table": table, "last": last})
