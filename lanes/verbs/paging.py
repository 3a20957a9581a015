"""How long lists are read over HTTP page by page."""

from collections.abc import Callable, Sequence
from typing import Any

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

    ``forward``: the oldest row comes first, and a limit means the last ones.
    """

    param: str
    place: Callable[[Page], int | str | None]
    rows: Callable[[Page], Sequence[Row]] = lambda page: page
    whole: Callable[[Page, list[Row]], Any] = _as_they_are
    forward: bool = False


def _last_id(page: Page) -> int | None:
    """A short page may only have been long enough: the last one is empty."""
    return page[-1].id if page else None


def _next_cursor(page: Page) -> str | None:
    following: str | None = page.next
    return following if page.lanes else None


#: The newest first.
BACKWARD = Paging("before", _last_id)
#: The oldest first.
FORWARD = Paging("after", _last_id, forward=True)
#: In the order that was asked for, in pages that name the next one. A lane that moves may be on two of them.
OF_LANES = Paging(
    "cursor",
    _next_cursor,
    lambda page: page.lanes,
    lambda page, rows: page.replace(lanes=tuple({(lane.source, lane.key): lane for lane in rows}.values())),
)
