"""Parameters by name become values by place, whatever else looks like a name."""

import sqlite3
from typing import Any

import pytest

from lanes_storage.sqlite.binding import placed


@pytest.mark.parametrize(
    ("sql", "params", "row"),
    [
        ("SELECT 1", {}, (1,)),
        ("SELECT :a", {"a": 5}, (5,)),
        ("SELECT :a, :b, :a", {"b": 2, "a": 1}, (1, 2, 1)),
        ("SELECT ':a', :b", {"b": 2}, (":a", 2)),
        ("SELECT 'it''s :a' || :a", {"a": "!"}, ("it's :a!",)),
        ("SELECT :name_1 + :name_10", {"name_1": 1, "name_10": 2, "unused": 3}, (3,)),
    ],
)
def test_a_statement_means_the_same(sql: str, params: dict[str, Any], row: tuple[Any, ...]) -> None:
    connection = sqlite3.connect(":memory:")
    text, values = placed(sql)
    assert connection.execute(text, values(params)).fetchall() == [row] == connection.execute(sql, params).fetchall()
    connection.close()


def test_a_value_that_is_missing_is_said() -> None:
    for sql in ("SELECT :a", "SELECT :a, :b"):
        with pytest.raises(KeyError, match="a"):
            placed(sql).values({"b": 1})
