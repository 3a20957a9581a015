"""Accepting messages: the only way a lane or a message comes into being."""

import json
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.doors.aborts import interrupt_lane
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.journal import event, tell
from lanes_storage.doors.sets import apart
from lanes_storage.doors.waits import WaitCycle, begin_wait, closes_cycle
from lanes_storage.interface import Call, Params, Transaction, call
from lanes_storage.law import HELD, Cause, EventType, MessageState, Mode, Overflow
from lanes_storage.moment import Now
from lanes_storage.records import Admission, Failure, NewMessage, Waiter


class Refusal(StrEnum):
    """Why a message was not accepted. Nothing was stored."""

    QUEUE_FULL = "queue_full"
    LANE_BUSY = "lane_busy"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    HOLD = "hold"  # only of a retry


class Accepted(NamedTuple):
    """The message stands. ``created`` False: it did already, under the same idempotency key."""

    message_id: int
    created: bool


class Room(StrEnum):
    """How a message that is accepted gets its place."""

    FREE = "free"
    INTERRUPT = "interrupt"  # what runs and what waits makes way
    DROP_OLDEST = "drop_oldest"  # of what waits


class Accept(NamedTuple):
    """The command: a message for the tail of its lane. ``retry_of``: the dead letter that it is once more."""

    new: NewMessage
    admission: Admission
    now: Now
    retry_of: int | None = None


class Met(NamedTuple):
    """The lane that a message meets: a row of ``statements.LANES_MET`` behind its place."""

    lane_id: int
    state: str
    run_id: int | None
    head_id: int | None
    queued: int


class Same(NamedTuple):
    """A message that was accepted under the same name: a row of ``statements.FIND_IDEMPOTENT``."""

    digest: str
    message_id: int


def accept(
    new: NewMessage, admission: Admission, now: Now, *, retry_of: int | None = None
) -> Call[Accepted | Refusal | WaitCycle]:
    """Store a message at the tail of its lane, making the lane if there is none.

    ``admission`` is checked only for a message that does not exist yet, except that a run which will wait for it
    must close no cycle either way; a refusal stores nothing.
    """
    return call(enter, Accept(new, admission, now, retry_of))


def _of_lane(command: Accept) -> tuple[object, ...]:
    """Waits are followed from lane to lane, so that only one of a set begins one."""
    return (command.new.key,) if command.admission.waiter is None else (command.new.key, Waiter)


@apart(_of_lane)
def enter(tx: Transaction, commands: Sequence[Accept]) -> list[Accepted | Refusal | WaitCycle]:
    """Read what the messages meet, decide about each, store those that have room."""
    met, same, cycles = _met(tx, commands), [_same(tx, each.new) for each in commands], _cycles(tx, commands)
    decided = [
        cycle or admit(command, lane, known)
        for command, lane, known, cycle in zip(commands, met, same, cycles, strict=True)
    ]
    ids = iter(_store(tx, [each for each in zip(commands, met, decided, strict=True) if isinstance(each[2], Room)]))
    came = [Accepted(next(ids), created=True) if isinstance(one, Room) else one for one in decided]
    for command, accepted in zip(commands, came, strict=True):
        if command.admission.waiter is not None and isinstance(accepted, Accepted):
            begin_wait(tx, command.admission.waiter, accepted.message_id, command.now)
    return came


# ------------------------------------------------------------------------------------------------- read


def _met(tx: Transaction, commands: Sequence[Accept]) -> list[Met | None]:
    keys = json.dumps([command.new.key for command in commands], ensure_ascii=False)
    found = {place: Met(*row) for place, *row in tx.rows(sql.LANES_MET, {"keys": keys})}
    return [found.get(place) for place in range(len(commands))]


def _same(tx: Transaction, new: NewMessage) -> Same | None:
    found = tx.rows(sql.FIND_IDEMPOTENT, _name(new)) if new.idempotency is not None else None
    return Same(*found[0]) if found else None


def _name(new: NewMessage) -> dict[str, object]:
    assert new.idempotency is not None
    return {"lane_key": new.key, "token": new.idempotency.token, "key": new.idempotency.key}


def _cycles(tx: Transaction, commands: Sequence[Accept]) -> list[WaitCycle | None]:
    waiters = [(command.admission.waiter, command.new.key) for command in commands]
    return [None if waiter is None else closes_cycle(tx, waiter.run_id, key) for waiter, key in waiters]


# ----------------------------------------------------------------------------------------------- decide


def admit(command: Accept, met: Met | None, same: Same | None) -> Accepted | Refusal | Room:
    """Whether a message gets a place, and how; ``met`` None: there is no such lane yet.

    Room is made as the mode and the overflow of the lane say, and only for a message that is then accepted.
    """
    admission, name = command.admission, command.new.idempotency
    if same is not None:
        known = name is not None and same.digest == name.digest
        return Accepted(same.message_id, created=False) if known else Refusal.IDEMPOTENCY_CONFLICT
    if met is None:
        return Room.FREE if admission.cap >= 1 else Refusal.QUEUE_FULL
    busy = met.state in HELD or met.head_id is not None
    if busy and (admission.if_idle or admission.mode is Mode.REJECT):
        return Refusal.LANE_BUSY
    if admission.mode is Mode.INTERRUPT:
        return Room.INTERRUPT
    if met.head_id is None or met.queued < admission.cap:
        return Room.FREE
    return Refusal.QUEUE_FULL if admission.overflow is Overflow.REJECT else Room.DROP_OLDEST


# ------------------------------------------------------------------------------------------------ write


def _store(tx: Transaction, entering: Sequence[tuple[Accept, Met | None, object]]) -> list[int]:
    """Store messages, each in another lane; returns their ids."""
    if not entering:
        return []
    for command, met, room in entering:
        if met is not None:
            _make_room(tx, command, met, room)
    last = {table: int(seq) for table, seq in tx.rows(sql.LAST_IDS, {})}
    lanes, messages = count(last.get("lanes", 0) + 1), count(last.get("messages", 0) + 1)
    entries = [_Entry(each, met.lane_id if met else next(lanes), next(messages)) for each, met, _ in entering]
    made = [entry for entry, (_, met, _) in zip(entries, entering, strict=True) if met is None]
    tx.many(sql.MAKE_LANE, [_lane(*entry) for entry in made])
    tx.many(sql.MAKE_MESSAGE, [_message(*entry) for entry in entries])
    tx.many(sql.NEW_TAIL, [{"lane": lane, "message": id_, "now": each.now.wall} for each, lane, id_ in entries])
    tx.many(sql.MAKE_IDEMPOTENT, [_named(*entry) for entry in entries if entry.command.new.idempotency])
    tell(tx, [_event(*entry) for entry in entries])
    return [entry.message for entry in entries]


class _Entry(NamedTuple):
    command: Accept
    lane: int
    message: int


def _lane(command: Accept, lane: int, _: int) -> Params:
    return {"id": lane, "key": command.new.key, "anonymous": command.new.anonymous, "now": command.now.wall}


def _message(command: Accept, lane: int, message: int) -> Params:
    new = command.new
    return {
        "id": message,
        "lane": lane,
        "text": new.text,
        "request": new.request,
        "runner": new.runner,
        "actor": new.actor,
        "bound_to": new.bound_to,
        "bound_owner": new.bound_owner,
        "retry_of": command.retry_of,
        "now": command.now.wall,
    }


def _named(command: Accept, _: int, message: int) -> Params:
    assert command.new.idempotency is not None
    more = {"digest": command.new.idempotency.digest, "message": message, "now": command.now.wall}
    return _name(command.new) | more


def _event(command: Accept, lane: int, message: int) -> Params:
    return event(EventType.ACCEPTED, command.now, lane=lane, message=message, actor=command.new.actor)


def _make_room(tx: Transaction, command: Accept, met: Met, room: object) -> None:
    if room is Room.INTERRUPT:
        interrupt_lane(tx, met.lane_id, met.run_id, command.now, actor=command.new.actor)
    elif room is Room.DROP_OLDEST:
        _drop_oldest(tx, met.lane_id, command.admission.cap, command.now, actor=command.new.actor)


def _drop_oldest(tx: Transaction, lane: int, cap: int, now: Now, *, actor: str) -> None:
    """End as many of the longest-waiting messages as leave room for one more. The journal keeps what they were."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    failure = Failure(Cause.OVERFLOW, f"the queue was full ({cap} waiting), and a newer message came")
    for message in waiting[: len(waiting) - cap + 1]:
        end_waiting(tx, message, MessageState.DROPPED, failure, now, actor=actor)
