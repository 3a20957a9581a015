"""How long lists are read over HTTP, where each answer is bounded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Page = Any
Row = Any

#: Lanes, messages or events of one answer.
PAGE = 1_000


def _as_they_are(page: Page, rows: list[Row]) -> Any:
    del page
    return rows


class Paging(NamedTuple):
    """The rows of a page, the parameters of the next one (None: it was the last), and the form of all rows.

    ``forward``: the oldest row comes first, and with a limit the last ones are meant.
    """

    again: Callable[[Page], Mapping[str, Any] | None]
    rows: Callable[[Page], Sequence[Row]] = lambda page: page
    whole: Callable[[Page, list[Row]], Any] = _as_they_are
    forward: bool = False


#: The newest first. A short page may only have been long enough: the last one is empty.
BACKWARD = Paging(lambda page: {"before": page[-1].id} if page else None)
#: The oldest first.
FORWARD = Paging(lambda page: {"after": page[-1].id} if page else None, forward=True)
#: In the order that was asked for, in pages that name the next one. A lane that moves may be on two of them.
OF_LANES = Paging(
    lambda page: {"cursor": int(page.next)} if page.next is not None and page.lanes else None,
    lambda page: page.lanes,
    lambda page, rows: page.replace(lanes=tuple({lane.key: lane for lane in rows}.values()), next=None),
)
