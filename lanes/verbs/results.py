"""Results that become records outside of their effects: rows, and plain numbers."""

from lanes.records import Acted, Counted, Found, Lane, Message, OwnerDetail, Pruned, Silences
from lanes.verbs.verb import ResultForm
from lanes_storage import records as rows
from lanes_storage.tuples import NamedTuple


class ActedRow(NamedTuple):
    """A lane after an action, and whether that changed it."""

    lane: rows.LaneRow
    done: bool


ACTED = ResultForm(Acted, lambda acted, liveness: Acted(Lane.of(acted.lane, liveness), acted.done))
COUNTED = ResultForm(Counted, lambda number, _: Counted(number))
FOUND = ResultForm(Found, lambda hit, _: Found(hit))
GATEWAYS = ResultForm(OwnerDetail, lambda found, liveness: [OwnerDetail.of(row, liveness) for row in found], many=True)
IDS = ResultForm(None, lambda ids, _: [str(each) for each in ids], many=True)
MESSAGE = ResultForm(Message, lambda row, _: Message.of(row))
MESSAGES = ResultForm(Message, lambda found, _: list(map(Message.of, found)), many=True)
PRUNED = ResultForm(Pruned, lambda gone, _: Pruned(gone))
SILENT = ResultForm(Silences, Silences.of)
