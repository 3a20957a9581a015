"""Paging: how a client reads a long list over HTTP, page by page."""

from collections.abc import Callable, Sequence
from typing import Any

from lanes.verbs.kinds import MOST_LISTED
from lanes_storage.tuples import NamedTuple

Page = Any
Row = Any

#: The most lanes, messages or events in one response.
PAGE = 1_000


def one_more(limit: int | None) -> int | None:
    """The limit to ask for, so that the answer also shows whether there are more than ``limit`` rows."""
    return None if limit is None else min(limit + 1, MOST_LISTED)


def _only_rows(page: Page, rows: list[Row]) -> Any:
    del page
    return rows


class Paging(NamedTuple):
    """How the pages of a list follow each other.

    ``param``: the parameter for the beginning of a page; ``place`` returns its value from the page before (None: that
    was the last one). ``rows`` returns the rows of a page, ``whole`` the result, from the last page and all rows.
    ``forward``: the oldest row comes first, and a limit means the newest rows.
    """

    param: str
    place: Callable[[Page], int | str | None]
    rows: Callable[[Page], Sequence[Row]] = lambda page: page
    whole: Callable[[Page, list[Row]], Any] = _only_rows
    forward: bool = False


def _last_id(page: Page) -> int | None:
    """Only an empty page is the last one: a gateway also cuts a page short when its texts are long."""
    return page[-1].id if page else None


def _next_cursor(page: Page) -> str | None:
    following: str | None = page.next
    return following if page.lanes else None


#: The newest first.
BACKWARD = Paging("before", _last_id)
#: The oldest first.
FORWARD = Paging("after", _last_id, forward=True)
#: In the requested order; each page names the next one. A lane that moves meanwhile may be on two pages.
OF_LANES = Paging(
    "cursor",
    _next_cursor,
    lambda page: page.lanes,
    lambda page, rows: page.replace(lanes=tuple({(lane.source, lane.key): lane for lane in rows}.values())),
)
