"""How long lists are read over HTTP page by page."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from lanes.base import arguments
from lanes.base.errors import Unreadable
from lanes.verbs.kinds import MOST_LISTED
from lanes_storage.tuples import NamedTuple

Page = Any
Row = Any

#: The most lanes, messages or events in one response.
PAGE = 1_000


def one_more(limit: int | None) -> int | None:
    """The limit of a request whose answer also tells whether there are more rows than ``limit``."""
    return None if limit is None else min(limit + 1, MOST_LISTED)


def _as_they_are(page: Page, rows: list[Row]) -> Any:
    del page
    return rows


class Paging(NamedTuple):
    """``param`` says where the next page begins, and ``place`` gives its value by the page before (None: that was the
    last one). ``rows`` are those of a page; ``whole`` makes the result of the last page and all rows.

    ``forward``: the oldest row comes first, and a limit means the last ones. ``goes_on``: whether one place is behind
    another, so that no page comes twice, whatever answers.
    """

    param: str
    place: Callable[[Page], int | None]
    rows: Callable[[Page], Sequence[Row]] = lambda page: page
    whole: Callable[[Page, list[Row]], Any] = _as_they_are
    forward: bool = False
    goes_on: Callable[[int, int], bool] = operator.lt


def _last_id(page: Page) -> int | None:
    """A short page may only have been long enough: the last one is empty."""
    return page[-1].id if page else None


def _next_cursor(page: Page) -> int | None:
    if page.next is None or not page.lanes:
        return None
    if (cursor := arguments.digits(page.next)) is None:
        raise Unreadable(f"this is no cursor of a page: {page.next!r:.100}")
    return cursor


#: The newest first.
BACKWARD = Paging("before", _last_id, goes_on=operator.gt)
#: The oldest first.
FORWARD = Paging("after", _last_id, forward=True)
#: In the order that was asked for, in pages that name the next one. A lane that moves may be on two of them.
OF_LANES = Paging(
    "cursor",
    _next_cursor,
    lambda page: page.lanes,
    lambda page, rows: page.replace(lanes=tuple({(lane.source, lane.key): lane for lane in rows}.values())),
)
