"""The records that verbs give, each made of what the effects give: the one place where rows become records."""

from typing import NamedTuple

from lanes.records import AbortResult, Acted, Lane, Witness
from lanes.verbs.verb import Out
from lanes_storage import records as rows


class ActedRow(NamedTuple):
    """A lane after an action, and whether that changed it."""

    lane: rows.Lane
    done: bool


def _acted(acted: ActedRow, witness: Witness) -> Acted:
    return Acted(Lane.of(acted.lane, witness), acted.done)


ABORTED = Out(AbortResult, lambda result, _: result)
ACTED = Out(Acted, _acted)
