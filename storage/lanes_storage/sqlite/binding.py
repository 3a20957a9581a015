"""Values by place instead of by name: Python's ``sqlite3`` looks up each name anew, every time, which doubles what a
short statement of ten values takes."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from lanes_storage.interface import Params

#: A text, which may look as if it had a parameter in it, or the name of a parameter.
_TOKEN = re.compile(r"'[^']*'|:(\w+)")


class Placed(NamedTuple):
    """A statement with plain places, and what takes the values for them, in their order, from its parameters."""

    sql: str
    values: Callable[[Params], Sequence[Any]]


@lru_cache(maxsize=512)
def placed(sql: str) -> Placed:
    """The statement as it is run. A name that comes twice has two places and its value twice.

    Places are plain, without a number: Python 3.12.0 to 3.12.3 takes a numbered one for a name, and warns at every
    value, which costs a third of the speed and is an error where warnings are errors.
    """
    names = [token[1] for token in _TOKEN.finditer(sql) if token[1]]
    return Placed(_TOKEN.sub(lambda token: "?" if token[1] else token[0], sql), _taking(names))


def _taking(names: Sequence[str]) -> Callable[[Params], Sequence[Any]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: [params[name] for name in names]
