"""A database that lanes 0.1.0 wrote, as tests upgrade it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lanes_storage import open_store
from lanes_storage.errors import StorageError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "of_0_1_0"

Row = dict[str, Any]


def rows(path: Path, table: str) -> list[Row]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
    finally:
        connection.close()


@contextmanager
def refused(path: Path, error: type[StorageError], match: str) -> Iterator["pytest.ExceptionInfo[StorageError]"]:
    """What opens the file in this block is refused, and leaves each byte of it as it is."""
    before = path.read_bytes()
    with pytest.raises(error, match=match) as found:
        yield found
    assert path.read_bytes() == before


def upgraded(path: Path) -> Path:
    open_store(str(path), create=True).close()
    return path
