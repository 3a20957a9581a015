"""Looking at lanes."""

from typing import NamedTuple

from lanes.errors import NotFound
from lanes.finding import timed
from lanes.identity import this_process
from lanes.procedure import Procedure, read, tell
from lanes.why import Circumstances, why_paragraph
from lanes_storage import reads
from lanes_storage.records import (
    Counts,
    Event,
    Lane,
    LaneFilter,
    LaneOrder,
    Message,
)

#: How many messages and events the view of one lane shows.
SHOWN_MESSAGES = 50
SHOWN_EVENTS = 20
#: And how many characters these have together, the newest message apart.
SHOWN_CHARACTERS = 16_000_000
BY_ATTENTION = LaneOrder()


class LaneDetail(NamedTuple):
    """One lane with its newest messages, its last events, and the paragraph that says what it waits for."""

    lane: Lane
    messages: list[Message]
    events: list[Event]
    why: str


def lanes(
    chosen: LaneFilter, *, order: LaneOrder = BY_ATTENTION, limit: int | None = None, offset: int = 0
) -> Procedure[list[Lane]]:
    """Lanes in some order; by attention, unfinished ones first, the head that has waited longest at the top."""
    chosen = yield from timed(chosen)
    return (yield from read(reads.lanes(chosen, order=order, limit=limit, offset=offset)))


def lanes_total(chosen: LaneFilter) -> Procedure[int]:
    """How many lanes a filter chooses."""
    return (yield from read(reads.lanes_total((yield from timed(chosen)))))


def counts() -> Procedure[Counts]:
    """How much there is of everything."""
    now = yield from tell()
    return (yield from read(reads.counts(now.wall)))


def lane(key: str) -> Procedure[Lane]:
    """One lane. Raises NotFound."""
    found = yield from read(reads.lane(key))
    if found is None:
        raise NotFound("lane", key)
    return found


def detail(key: str) -> Procedure[LaneDetail]:
    """One lane with its messages, events and why-paragraph. Raises NotFound."""
    found = yield from lane(key)
    newest = yield from read(reads.messages(found.id, (), SHOWN_MESSAGES, within=SHOWN_CHARACTERS))
    last = yield from read(reads.events(lane=found.id, limit=SHOWN_EVENTS, newest=True))
    circumstances = yield from _circumstances(found)
    return LaneDetail(found, newest, last, why_paragraph(found, circumstances))


def why(key: str) -> Procedure[str]:
    """One plain paragraph: what blocks this lane, the evidence, what happens next and when. Raises NotFound."""
    found = yield from lane(key)
    return why_paragraph(found, (yield from _circumstances(found)))


def _circumstances(found: Lane) -> Procedure[Circumstances]:
    now = yield from tell()
    owners = yield from read(reads.owners())
    head = None if found.head_id is None else (yield from read(reads.message(found.head_id)))
    cooling = yield from read(reads.cooldowns(now.wall))
    last = yield from read(reads.events(lane=found.id, limit=1, newest=True))
    waits = (yield from read(reads.waits(found.run.id))) if found.run is not None and found.run.waiting else []
    return Circumstances(now, this_process(), owners, head, cooling, last[-1] if last else None, waits)
