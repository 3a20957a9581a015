"""Positional parameters instead of named ones: Python's ``sqlite3`` looks up each name at every execution, which
doubles the time of a short statement with ten values."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from lanes_storage.interface import Params
from lanes_storage.tuples import NamedTuple

#: A string literal, which may contain text that looks like a parameter, or the name of a parameter.
_TOKEN = re.compile(r"'[^']*'|:(\w+)")


class Placed(NamedTuple):
    """A statement with positional placeholders, and the function that takes their values from named parameters."""

    sql: str
    values: Callable[[Params], Sequence[Any]]


@lru_cache(maxsize=512)
def placed(sql: str) -> Placed:
    """The statement as it is executed. A name that occurs twice has two placeholders, and its value is passed twice.

    Placeholders have no number: Python 3.12.0 to 3.12.3 treats a numbered one as a name and warns at every value, which
    costs a third of the speed, and is an error where warnings are errors.
    """
    names = names_of(sql)
    values = itemgetter(*names) if len(names) > 1 else lambda params: [params[name] for name in names]
    return Placed(_TOKEN.sub(lambda token: "?" if token[1] else token[0], sql), values)


def names_of(sql: str) -> list[str]:
    """The names of the parameters of a statement, in the order of their placeholders."""
    return [token[1] for token in _TOKEN.finditer(sql) if token[1]]
