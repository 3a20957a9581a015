"""What an operator does to a lane or a message besides aborting and pausing: ack, retry, drop, move."""

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.intake import Accepted, Refusal, accept
from lanes_storage.doors.pauses import Control, find
from lanes_storage.doors.shared import end_waiting, find_message, record
from lanes_storage.doors.shared.loops import WaitCircle
from lanes_storage.interface import Transaction
from lanes_storage.law import HELD, RETRIABLE, Cause, EventType, LaneState, MessageState, turn_of
from lanes_storage.records import OUTLINE, Admission, NewMessage, RunFailure
from lanes_storage.statements import further
from lanes_storage.statements.further import RETRY_TURN


def ack(tx: Transaction, key: str, now: Now, *, actor: str, bound_epoch: int | None = None) -> Control:
    """Acknowledge an error: the lane goes from errored or aborted to idle. Not applied if it is in neither state.

    ``bound_epoch``: the epoch that the lane must have; None allows any.
    """
    lane, result = find(tx, key, bound_epoch)
    if lane is None:
        return result
    session = tx.rows(further.SESSION_LANES, {"key": key})
    if any(state in HELD for *_, state in session):
        result = result._replace(state=LaneState.RUNNING)
    for each, epoch, state in session:
        if tx.run(sql.ACK_LANE, {"lane": each, "now": now.wall}) == 1:
            change = {"lane": each, "from_state": state, "to_state": LaneState.IDLE, "epoch": epoch}
            record(tx, EventType.ACK, now, **change, actor=actor)
            result = result._replace(applied=True)
    return result


def retry(
    tx: Transaction, message: int, admission: Admission, now: Now, *, actor: str
) -> Accepted | Refusal | MessageState | None:
    """Accept a failed or aborted message again, as a new message at the end of the queue.

    Returns its ``MessageState`` if that does not allow it (``failed``, ``aborted``: already retried).
    ``Refusal.HOLD``: it was a hold; only its waiting process knew the work. ``Refusal.PASSED``: only its outline was
    stored. None: there is no such message.
    """
    found = find_message(tx, message)
    if found is None:
        return None
    if found.state not in RETRIABLE or found.retried_as is not None:
        return MessageState.read(found.state)
    if found.text is None and found.request is None:
        return Refusal.HOLD
    if found.request is not None and found.request.startswith(f'{{"{OUTLINE}"'):
        return Refusal.PASSED
    new = NewMessage(found.key, found.text, found.request, found.runner, actor, depth=found.depth)
    new = new._replace(fresh=bool(found.fresh), acts=bool(found.acts))
    accepted = accept(new, admission, now, retry_of=message)(tx)
    assert not isinstance(accepted, WaitCircle), "it has no waiter"
    if isinstance(accepted, Accepted):
        tx.run(further.MARK_RETRIED, {"message": message, "new": accepted.message_id})
        tx.run(RETRY_TURN, {"turn": turn_of(message)})
        detail = {"retried_as": accepted.message_id}
        record(tx, EventType.RETRIED, now, lane=found.lane, message=message, actor=actor, detail=detail)
    return accepted


def drop(tx: Transaction, message: int, now: Now, *, actor: str) -> MessageState | None:
    """End a waiting message as ``dropped``; the journal keeps its content.

    Returns its state before: only a ``queued`` message can be dropped. Returns None if there is no such message.
    """
    found = find_message(tx, message)
    if found is None:
        return None
    state = MessageState.read(found.state)
    if state is MessageState.QUEUED:
        failure = RunFailure(Cause.ABORTED, f"dropped by {actor}")
        end_waiting(tx, message, MessageState.DROPPED, failure, now, actor=actor)
    return state


def move_to_front(tx: Transaction, message: int, now: Now, *, actor: str) -> MessageState | None:
    """Let a waiting message start before all others of its lane, even before the running one, should that be requeued.

    Returns its state: only a ``queued`` message is moved. Returns None if there is no such message.
    """
    found = find_message(tx, message)
    if found is None:
        return None
    lane, state = found.lane, MessageState.read(found.state)
    if state is not MessageState.QUEUED:
        return state
    front = min(rank for (rank,) in tx.rows(further.RANKS, {"lane": lane})) - 1
    tx.run(further.MOVE_MESSAGE, {"message": message, "to": front})
    tx.run(sql.RESET_HEAD, {"lane": lane, "now": now.wall})
    record(tx, EventType.MOVED, now, lane=lane, message=message, actor=actor, detail={"to": "front"})
    return state
