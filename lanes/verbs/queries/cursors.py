"""Where a page of lanes begins, as a text that a client gives back: behind the last lane of the page before.

It holds the values by which that lane was sorted, so that others which come or go since then change nothing. A number
is the place in the list instead: 0.1.0 wrote that, and where a page ends among the lanes of another program it is one.
"""

import re

from lanes.base import arguments
from lanes.base.errors import Unfit
from lanes_storage.records import SortPlace

MOST_OFFSET = 10**9

_PLACE = re.compile(r"([0-9]{1,2}):(-?[0-9]{1,18}):(-?[0-9]{1,18}):(.*)", re.DOTALL)


def read(cursor: str) -> SortPlace | int:
    """Where it begins. Raises Unfit."""
    if (place := _PLACE.fullmatch(cursor)) is not None:
        walk, first, second, word = place.groups()
        return SortPlace(int(walk), word, int(first), int(second))
    if (offset := arguments.digits(cursor)) is None or offset > MOST_OFFSET:
        raise unknown(cursor)
    return offset


def written(place: SortPlace | None, offset: int) -> str:
    """The cursor of what comes behind a place; where there is none, behind so many lanes."""
    return str(offset) if place is None else f"{place.walk}:{place.first}:{place.second}:{place.word}"


def unknown(cursor: str) -> Unfit:
    """The refusal of a cursor that no page of this list had as its ``next``."""
    return Unfit(f"cursor is none of a page of this list: {cursor[:100]!a}", "cursor")
