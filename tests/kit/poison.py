"""Any text in any column: rows as no version has written them, in a file of lanes."""

import contextlib
import random
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

#: What a foreign program, a newer version or a broken one may have written. No lone surrogates: no file has them.
TEXTS = (
    "tool_missing", "", "null", "0", "-1", "{", "[1, {}]", '{"until": "soon", "a_ms": "x"}', '"text"', "NaN",
    "RUNNING", "run\x00ning", "\x1b[31mred\x1b[0m\x07", "\u202eleft", "…" * 300, "😀 text", "a'b\"c;--", "[[x]](y)",
)  # fmt: skip


class TextColumn(NamedTuple):
    """A column that holds text."""

    table: str
    name: str


def text_columns(path: Path) -> list[TextColumn]:
    """Every column of the schema in the file whose type is a text, of tables that have row ids."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            " AND sql NOT LIKE '%WITHOUT ROWID%'"
        )
        return [
            TextColumn(table, column[1])
            for (table,) in sorted(tables.fetchall())
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[2].upper() in ("TEXT", "VARCHAR") or "CHAR" in column[2].upper()
        ]


def together(columns: Iterable[TextColumn], *, alone: bool) -> list[list[TextColumn]]:
    """The columns in groups that may be poisoned at once: one of each table, or each ``alone``."""
    if alone:
        return [[column] for column in columns]
    of_tables: dict[str, list[TextColumn]] = {}
    for column in columns:
        of_tables.setdefault(column.table, []).append(column)
    return [[column for column in group if column] for group in zip_longest(*of_tables.values())]


def poisoned(path: Path, column: TextColumn, chance: random.Random, *, but: str = "false") -> dict[int, str | None]:
    """Write a text into every row of a column, ``but`` some; returns what stood there, by row."""
    with writing(path) as connection:
        rows = connection.execute(f"SELECT rowid, {column.name} FROM {column.table} WHERE NOT ({but})").fetchall()
        taken: set[str] = set()
        for rowid, _ in rows:
            text = chance.choice(TEXTS)
            while text in taken:  # it may have to be unique
                text = f"{chance.choice(TEXTS)}{rowid}"
            taken.add(text)
            connection.execute(f"UPDATE {column.table} SET {column.name} = ? WHERE rowid = ?", (text, rowid))
    return dict(rows)


def restored(path: Path, column: TextColumn, before: dict[int, str | None]) -> None:
    """Write back what stood in a column."""
    with writing(path) as connection:
        for rowid, value in before.items():
            connection.execute(f"UPDATE {column.table} SET {column.name} = ? WHERE rowid = ?", (value, rowid))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that may write what the schema forbids, and commits at the end."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()
