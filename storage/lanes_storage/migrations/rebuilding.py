"""Changing a table: a new one is created beside it, filled from it, and renamed to its name.

This allows any change, even of a CHECK constraint, which ALTER cannot change. References from other tables stay valid,
they use the name. They must not be enforced during the change (``sqlite.file.upgrading`` turns that off), and are
checked before the commit.

To undo a single statement that fails, SQLite keeps in memory every page that it changes or uses again: as much as the
largest table. ``OR FAIL``, and ``DELETE`` without a condition, make that unnecessary (the whole transaction is rolled
back), unless the statement calls a function.
"""

import re
from collections.abc import Mapping, Sequence

from lanes_storage.interface import Transaction

_CREATES = re.compile(r"CREATE (?:TABLE (?P<table>\w+)|(?:UNIQUE )?INDEX \w+ ON (?P<of>\w+))")


def make(tx: Transaction, table: str, creation: Sequence[str]) -> None:
    for statement in _of(table, creation):
        tx.run(statement, {})


def rebuild(tx: Transaction, table: str, creation: Sequence[str], expressions: Mapping[str, str]) -> None:
    """Change a table to the one that ``creation`` creates. Columns of the same name keep their values; ``expressions``
    over the old row define other columns; the remaining columns are null."""
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
    """Ids of pruned rows are not reused: the new table continues the id sequence of the old one."""
    for (last,) in tx.rows("SELECT seq FROM sqlite_sequence WHERE name = :table", {"table": table}):
        continue_ids(tx, draft, last)


def continue_ids(tx: Transaction, table: str, last: int) -> None:
    """The next id of a table is the one after ``last``."""
    tx.run("DELETE FROM sqlite_sequence WHERE name = :table", {"table": table})
    tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)", {"table": table, "last": last})
