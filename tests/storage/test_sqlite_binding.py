"""Parameters by name become values by place, whatever else looks like a name."""

import re
import sqlite3
from typing import Any

import pytest

from lanes_storage.sqlite.file.binding import placed
from tests.mutation.guards import all_statements


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


def test_F138_no_place_has_a_number() -> None:
    """Python 3.12.0 to 3.12.3 warns at the value of each, and an embedding program may make errors of warnings."""
    for name, sql in all_statements().items():
        text, values = placed(sql)
        assert re.search(r"[?:]\w", re.sub(r"'[^']*'", "", text)) is None, name
        names = set(re.findall(r":(\w+)", re.sub(r"'[^']*'", "", sql)))
        assert len(values(dict.fromkeys(names))) == text.count("?"), name


def test_a_value_that_is_missing_is_said() -> None:
    for sql in ("SELECT :a", "SELECT :a, :b"):
        with pytest.raises(KeyError, match="a"):
            placed(sql).values({"b": 1})
