"""What is done with lanes: looking at them, pausing, resuming, acknowledging."""

from typing import NamedTuple

from lanes import incoming
from lanes.errors import Changed, NotAllowed, NotFound
from lanes.finding import timed
from lanes.identity import this_process
from lanes.procedure import Procedure, read, tell, write
from lanes.why import Circumstances, why_paragraph
from lanes_storage import doors, reads
from lanes_storage.doors import Control
from lanes_storage.law import HELD
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


def pause(
    key: str, *, actor: str, reason: str | None = None, until: int | None = None, epoch: int | None = None
) -> Procedure[Lane]:
    """Let a lane claim nothing until ``until`` (wall time, milliseconds) or until resumed.

    ``epoch``, here and below: only if the lane still stands at it. Raises NotFound, Changed.
    """
    actor, why = incoming.actor(actor), incoming.reason(reason) or "paused by hand"
    end = None if until is None else incoming.moment_ms(until, "until")
    now = yield from tell()
    done = yield from write(lambda tx: doors.pause(tx, key, now, actor=actor, reason=why, until=end, meant=epoch))
    return (yield from _after(key, done))


def resume(key: str, *, actor: str, epoch: int | None = None) -> Procedure[Lane]:
    """Let a lane claim again; harmless on one that is not paused. Raises NotFound, Changed."""
    actor, now = incoming.actor(actor), (yield from tell())
    done = yield from write(lambda tx: doors.resume(tx, key, now, actor=actor, meant=epoch))
    return (yield from _after(key, done))


def ack(key: str, *, actor: str, epoch: int | None = None) -> Procedure[Lane]:
    """ "Seen": errored or aborted back to idle; harmless on an idle lane.

    Raises NotFound, Changed, and NotAllowed on a running lane.
    """
    actor, now = incoming.actor(actor), (yield from tell())
    done = yield from write(lambda tx: doors.ack(tx, key, now, actor=actor, meant=epoch))
    if done.state in HELD and not done.moved_on:
        raise NotAllowed(f"lane {key!r} is running: use abort")
    return (yield from _after(key, done))


def _after(key: str, done: Control) -> Procedure[Lane]:
    if done.state is None:
        raise NotFound("lane", key)
    if done.moved_on:
        raise Changed(key, done.epoch)
    return (yield from lane(key))
