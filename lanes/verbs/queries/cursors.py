"""Cursors: where the next page of lanes begins, as a text that a client sends back.

A cursor holds the sort values of the last lane of its page, so that lanes which appear or disappear meanwhile do not
shift the next page. It may also be a number, an offset in the list: for a page that ends among the lanes of another
program, and in cursors of 0.1.0.
"""

import re

from lanes.base import arguments
from lanes.base.errors import Unfit
from lanes_storage.records import SortPlace

MOST_OFFSET = 10**9

_PLACE = re.compile(r"([0-9]{1,2}):(-?[0-9]{1,18}):(-?[0-9]{1,18}):(.*)", re.DOTALL)


def read(cursor: str) -> SortPlace | int:
    """Parse a cursor. Raises Unfit."""
    if (place := _PLACE.fullmatch(cursor)) is not None:
        walk, first, second, word = place.groups()
        return SortPlace(int(walk), word, int(first), int(second))
    if (offset := arguments.digits(cursor)) is None or offset > MOST_OFFSET:
        raise unknown(cursor)
    return offset


def written(place: SortPlace | None, offset: int) -> str:
    """The cursor for the page after a place; where there is none, after ``offset`` lanes."""
    return str(offset) if place is None else f"{place.walk}:{place.first}:{place.second}:{place.word}"


def unknown(cursor: str) -> Unfit:
    """The error for a cursor that no page of this list had as its ``next``."""
    return Unfit(f"cursor is not from a page of this list: {cursor[:100]!a}", "cursor")
