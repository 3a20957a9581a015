"""Results that become records outside of their effects: rows, and plain numbers."""

from typing import NamedTuple

from lanes.records import (
    Acted,
    Counted,
    Found,
    Lane,
    Liveness,
    Message,
    OwnerDetail,
    Pruned,
    Silences,
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


ACTED = ResultForm(Acted, _acted)
COUNTED = ResultForm(Counted, lambda number, _: Counted(number))
FOUND = ResultForm(Found, lambda hit, _: Found(hit))
GATEWAYS = ResultForm(OwnerDetail, _owners, many=True)
IDS = ResultForm(None, lambda ids, _: [str(each) for each in ids], many=True)
MESSAGE = ResultForm(Message, _message)
MESSAGES = ResultForm(Message, _messages, many=True)
PRUNED = ResultForm(Pruned, lambda gone, _: Pruned(gone))
SILENT = ResultForm(Silences, Silences.of)
