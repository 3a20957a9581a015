"""The records that verbs give, each made of what the effects give: the one place where rows become records.

What a look gives is made there, in its own thread.
"""

from typing import Any, NamedTuple

from lanes.records import (
    AbortResult,
    Acted,
    Check,
    Counted,
    Cut,
    Event,
    Finding,
    Found,
    Lane,
    LaneDetail,
    LanePage,
    Liveness,
    Mark,
    Message,
    OwnerDetail,
    Pruned,
    SearchPage,
    Silences,
    Status,
    Why,
)
from lanes.verbs.verb import ResultForm
from lanes_storage import records as rows


class ActedRow(NamedTuple):
    """A lane after an action, and whether that changed it."""

    lane: rows.LaneRow
    done: bool


def _acted(acted: ActedRow, liveness: Liveness) -> Acted:
    return Acted(Lane.of(acted.lane, liveness), acted.done)


def _message(row: rows.MessageRow, _: Liveness) -> Message:
    return Message.of(row)


def _messages(found: list[rows.MessageRow], _: Liveness) -> list[Message]:
    return list(map(Message.of, found))


def _owners(found: list[rows.OwnerRow], liveness: Liveness) -> list[OwnerDetail]:
    return [OwnerDetail.of(row, liveness) for row in found]


def _as_it_is(made: Any, _: Liveness) -> Any:
    return made


ABORTED = ResultForm(AbortResult, _as_it_is)
ACTED = ResultForm(Acted, _acted)
CHECKS = ResultForm(Check, _as_it_is, many=True)
COUNTED = ResultForm(Counted, lambda number, _: Counted(number))
CUTS = ResultForm(Cut, _as_it_is, many=True)
DETAIL = ResultForm(LaneDetail, _as_it_is)
EVENTS = ResultForm(Event, _as_it_is, many=True)
FINDINGS = ResultForm(Finding, _as_it_is, many=True)
FOUND = ResultForm(Found, lambda hit, _: Found(hit))
GATEWAYS = ResultForm(OwnerDetail, _owners, many=True)
IDS = ResultForm(None, lambda ids, _: [str(each) for each in ids], many=True)
MARKS = ResultForm(Mark, _as_it_is, many=True)
MESSAGE = ResultForm(Message, _message)
#: One that was just accepted; with what keeps it from starting, which is read in the same step.
SENT = ResultForm(Message, _as_it_is)
MESSAGES = ResultForm(Message, _messages, many=True)
PAGE = ResultForm(LanePage, _as_it_is)
PRUNED = ResultForm(Pruned, lambda gone, _: Pruned(gone))
SEARCHED = ResultForm(SearchPage, _as_it_is)
SILENT = ResultForm(Silences, Silences.of)
STATUS = ResultForm(Status, _as_it_is)
WHY = ResultForm(Why, _as_it_is)
