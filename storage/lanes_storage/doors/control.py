"""What an operator does to a lane or a message besides aborting: pause, resume, ack, retry, drop."""

from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.intake import Accepted, Refusal, accept
from lanes_storage.doors.journal import record
from lanes_storage.doors.waits import WaitCycle
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, EventType, LaneState, MessageState
from lanes_storage.moment import Now
from lanes_storage.records import Admission, Failure, NewMessage


class Control(NamedTuple):
    """What an action met: whether it landed, and the lane's state and epoch before. None as state: no such lane.

    ``moved_on``: the lane stood at another epoch than the one that was meant, and was left alone.
    """

    landed: bool
    state: LaneState | None
    epoch: int = 0
    moved_on: bool = False


def pause(
    tx: Transaction,
    key: str,
    now: Now,
    *,
    actor: str,
    reason: str,
    until: int | None = None,
    meant: int | None = None,
) -> Control:
    """Let a lane claim nothing, until ``until`` (wall time) or until it is resumed. What runs goes on.

    ``meant``, here and below: the epoch that the lane must stand at; None: whatever it is.
    """
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return Control(False, None)
    lane, state, epoch, *_ = found[0]
    if meant not in (None, epoch):
        return Control(False, LaneState.read(state), epoch, moved_on=True)
    tx.run(sql.PAUSE_LANE, {"lane": lane, "reason": reason, "actor": actor, "until": until, "now": now.wall})
    detail = {"reason": reason, "until": until}
    record(tx, EventType.PAUSED, now, lane=lane, epoch=epoch, actor=actor, detail=detail)
    return Control(True, LaneState.read(state), epoch)


def resume(tx: Transaction, key: str, now: Now, *, actor: str, meant: int | None = None) -> Control:
    """Let a paused lane claim again. Not landed: it was not paused."""
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return Control(False, None)
    lane, state, epoch, *_ = found[0]
    if meant not in (None, epoch):
        return Control(False, LaneState.read(state), epoch, moved_on=True)
    landed = tx.run(sql.RESUME_LANE, {"lane": lane, "now": now.wall}) == 1
    if landed:
        record(tx, EventType.RESUMED, now, lane=lane, epoch=epoch, actor=actor)
    return Control(landed, LaneState.read(state), epoch)


def ack(tx: Transaction, key: str, now: Now, *, actor: str, meant: int | None = None) -> Control:
    """ "Seen": errored or aborted back to idle. Not landed: the lane is in neither."""
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return Control(False, None)
    lane, state, epoch, *_ = found[0]
    if meant not in (None, epoch):
        return Control(False, LaneState.read(state), epoch, moved_on=True)
    landed = tx.run(sql.ACK_LANE, {"lane": lane, "now": now.wall}) == 1
    if landed:
        record(
            tx,
            EventType.ACK,
            now,
            lane=lane,
            from_state=state,
            to_state=LaneState.IDLE,
            epoch=epoch,
            actor=actor,
        )
    return Control(landed, LaneState.read(state), epoch)


def retry(
    tx: Transaction, message: int, admission: Admission, now: Now, *, actor: str
) -> Accepted | Refusal | MessageState | None:
    """Accept a dead letter once more, as a new message at the tail.

    A ``MessageState``: it is no dead letter but in that state (``failed``: it was retried before).
    ``Refusal.HOLD``: it was a hold, whose work nobody here knows. None: no such message.
    """
    rows = tx.rows(sql.DEAD_LETTER, {"message": message})
    if not rows:
        return None
    state, retried_as, text, request, runner, key = rows[0]
    if state != MessageState.FAILED or retried_as is not None:
        return MessageState.read(state)
    if text is None and request is None:
        return Refusal.HOLD
    again = NewMessage(key, text=text, request=request, runner=runner, actor=actor)
    accepted = accept(tx, again, admission, now, retry_of=message)
    assert not isinstance(accepted, WaitCycle), "nobody waits for it yet"
    if isinstance(accepted, Accepted):
        tx.run(sql.MARK_RETRIED, {"message": message, "new": accepted.message_id})
        detail = {"retried_as": accepted.message_id}
        record(tx, EventType.RETRIED, now, lane=_lane(tx, message), message=message, actor=actor, detail=detail)
    return accepted


def drop(tx: Transaction, message: int, now: Now, *, actor: str) -> MessageState | None:
    """End a waiting message as ``dropped``; the journal keeps what it was.

    Returns the state that it was in: only ``queued`` can be dropped. None: no such message.
    """
    rows = tx.rows(sql.PAYLOAD, {"message": message})
    if not rows:
        return None
    state = MessageState.read(rows[0][1])
    if state is MessageState.QUEUED:
        failure = Failure(Cause.ABORTED, f"dropped by {actor}")
        end_waiting(tx, message, MessageState.DROPPED, failure, now, actor=actor)
    return state


def _lane(tx: Transaction, message: int) -> int:
    return int(tx.rows(sql.FIND_LANE_OF_MESSAGE, {"message": message})[0][0])
