"""The records that verbs give, each made of what the effects give: the one place where rows become records.

What a look gives is made there, in its own thread.
"""

from typing import Any, NamedTuple

from lanes.records import (
    AbortResult,
    Acted,
    Check,
    Cut,
    Event,
    Finding,
    Found,
    Lane,
    LaneDetail,
    LanePage,
    Mark,
    Message,
    OwnerDetail,
    Pruned,
    SearchPage,
    Status,
    Why,
    Witness,
)
from lanes.verbs.verb import Out
from lanes_storage import records as rows


class ActedRow(NamedTuple):
    """A lane after an action, and whether that changed it."""

    lane: rows.LaneRow
    done: bool


def _acted(acted: ActedRow, witness: Witness) -> Acted:
    return Acted(Lane.of(acted.lane, witness), acted.done)


def _message(row: rows.MessageRow, _: Witness) -> Message:
    return Message.of(row)


def _messages(found: list[rows.MessageRow], _: Witness) -> list[Message]:
    return list(map(Message.of, found))


def _owners(found: list[rows.OwnerRow], witness: Witness) -> list[OwnerDetail]:
    return [OwnerDetail.of(row, witness) for row in found]


def _as_it_is(made: Any, _: Witness) -> Any:
    return made


ABORTED = Out(AbortResult, _as_it_is)
ACTED = Out(Acted, _acted)
CHECKS = Out(Check, _as_it_is, many=True)
CUTS = Out(Cut, _as_it_is, many=True)
DETAIL = Out(LaneDetail, _as_it_is)
EVENTS = Out(Event, _as_it_is, many=True)
FINDINGS = Out(Finding, _as_it_is, many=True)
FOUND = Out(Found, lambda hit, _: Found(hit))
GATEWAYS = Out(OwnerDetail, _owners, many=True)
IDS = Out(None, lambda ids, _: [str(each) for each in ids], many=True)
MARKS = Out(Mark, _as_it_is, many=True)
MESSAGE = Out(Message, _message)
#: One that was just accepted; with what keeps it from starting, which is read in the same step.
SENT = Out(Message, _as_it_is)
MESSAGES = Out(Message, _messages, many=True)
PAGE = Out(LanePage, _as_it_is)
PRUNED = Out(Pruned, lambda gone, _: Pruned(gone))
SEARCHED = Out(SearchPage, _as_it_is)
STATUS = Out(Status, _as_it_is)
WHY = Out(Why, _as_it_is)
