"""Accepting messages: the only way a lane or a message comes into being."""

from enum import StrEnum
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.doors.aborts import interrupt_lane
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.journal import record
from lanes_storage.doors.waits import WaitCycle, begin_wait, closes_cycle
from lanes_storage.interface import Transaction
from lanes_storage.law import HELD, Cause, EventType, MessageState, Mode, Overflow
from lanes_storage.moment import Now
from lanes_storage.records import Admission, Failure, NewMessage


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


def accept(
    tx: Transaction, new: NewMessage, admission: Admission, now: Now, *, retry_of: int | None = None
) -> Accepted | Refusal | WaitCycle:
    """Store a message at the tail of its lane, making the lane if there is none.

    ``admission`` is checked only for a message that does not exist yet, except that a run which will wait for it
    must close no cycle either way; a refusal stores nothing.
    """
    waiter = admission.waiter
    cycle = None if waiter is None else closes_cycle(tx, waiter.run_id, new.key)
    if cycle is not None:
        return cycle
    accepted = _already_accepted(tx, new) or _store(tx, new, admission, now, retry_of)
    if waiter is not None and isinstance(accepted, Accepted):
        begin_wait(tx, waiter, accepted.message_id, now)
    return accepted


def _store(
    tx: Transaction, new: NewMessage, admission: Admission, now: Now, retry_of: int | None
) -> Accepted | Refusal:
    lane, refusal = _room(tx, new, admission, now)
    if refusal is not None:
        return refusal
    message = int(
        tx.rows(
            sql.MAKE_MESSAGE,
            {
                "lane": lane,
                "text": new.text,
                "request": new.request,
                "runner": new.runner,
                "actor": new.actor,
                "bound_to": new.bound_to,
                "bound_owner": new.bound_owner,
                "retry_of": retry_of,
                "now": now.wall,
            },
        )[0][0]
    )
    tx.run(sql.NEW_TAIL, {"lane": lane, "message": message, "now": now.wall})
    if new.idempotency is not None:
        tx.run(
            sql.MAKE_IDEMPOTENT,
            _idempotency_name(new) | {"digest": new.idempotency.digest, "message": message, "now": now.wall},
        )
    record(tx, EventType.ACCEPTED, now, lane=lane, message=message, actor=new.actor)
    return Accepted(message, created=True)


def _idempotency_name(new: NewMessage) -> dict[str, object]:
    assert new.idempotency is not None
    return {"lane_key": new.key, "token": new.idempotency.token, "key": new.idempotency.key}


def _already_accepted(tx: Transaction, new: NewMessage) -> Accepted | Refusal | None:
    if new.idempotency is None:
        return None
    found = tx.rows(sql.FIND_IDEMPOTENT, _idempotency_name(new))
    if not found:
        return None
    digest, message = found[0]
    return Accepted(message, created=False) if digest == new.idempotency.digest else Refusal.IDEMPOTENCY_CONFLICT


def _room(tx: Transaction, new: NewMessage, admission: Admission, now: Now) -> tuple[int, Refusal | None]:
    """The lane that has room for the message, made if need be, or why there is none.

    Room is made as the mode and the overflow of the lane say, and only for a message that is then accepted.
    """
    found = tx.rows(sql.FIND_LANE, {"key": new.key})
    if not found:
        if admission.cap < 1:
            return 0, Refusal.QUEUE_FULL
        values = {"key": new.key, "anonymous": new.anonymous, "now": now.wall}
        return int(tx.rows(sql.MAKE_LANE, values)[0][0]), None
    lane, state, _, run, head = found[0]
    if (admission.if_idle or admission.mode is Mode.REJECT) and (state in HELD or head is not None):
        return lane, Refusal.LANE_BUSY
    if admission.mode is Mode.INTERRUPT:
        interrupt_lane(tx, lane, run, now, actor=new.actor)
    elif head is not None and tx.rows(sql.COUNT_QUEUED, {"lane": lane})[0][0] >= admission.cap:
        if admission.overflow is Overflow.REJECT:
            return lane, Refusal.QUEUE_FULL
        _drop_oldest(tx, lane, admission.cap, now, actor=new.actor)
    return lane, None


def _drop_oldest(tx: Transaction, lane: int, cap: int, now: Now, *, actor: str) -> None:
    """End as many of the longest-waiting messages as leave room for one more. The journal keeps what they were."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    failure = Failure(Cause.OVERFLOW, f"the queue was full ({cap} waiting), and a newer message came")
    for message in waiting[: len(waiting) - cap + 1]:
        end_waiting(tx, message, MessageState.DROPPED, failure, now, actor=actor)
