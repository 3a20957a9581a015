"""Asking for an abort, cutting what waits, and ending what is bound to something that is gone."""

from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import batch_members, end_waiting
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import REPLACED, BoundTo, Cause, EventType, LaneState, MessageState, Scope
from lanes_storage.records import RunFailure, Ticket


class AbortRequest(NamedTuple):
    """What an abort request met.

    ``ticket`` is the run that it is committed for, or None: nothing ran, or the lane had ``moved_on`` from the
    epoch that was meant. ``cut`` counts the waiting messages that were ended with it, ``cleared`` says that a
    head which had run before was ended.
    """

    lane_id: int
    epoch: int
    ticket: Ticket | None = None
    moved_on: bool = False
    cut: int = 0
    cleared: bool = False


def request_abort(
    tx: Transaction,
    key: str,
    now: Now,
    *,
    actor: str,
    reason: str | None = None,
    cause: Cause = Cause.ABORTED,
    scope: Scope = Scope.RUN,
    epoch: int | None = None,
    grace_ms: int | None = None,
) -> AbortRequest | None:
    """Ask for the end of what a lane runs, and cut what waits when ``scope`` says so. None: no such lane.

    ``epoch`` is what the caller saw; a lane that has moved on is left alone. The request is sticky: from now on
    every release of that epoch is the abort edge. A second request can only shorten the grace.
    """
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return None
    lane, _, standing, run, head = found[0]
    if epoch is not None and epoch != standing:
        return AbortRequest(lane, standing, moved_on=True)
    cleared = 0
    if run is None and scope is not Scope.QUEUE and head is not None:
        cleared = _clear_head(tx, head, actor, reason, now)
    cut = 0 if scope is Scope.RUN else cut_waiting(tx, lane, now, actor=actor, reason=reason)
    if run is None or scope is Scope.QUEUE:
        return AbortRequest(lane, standing, cut=cut + cleared, cleared=cleared > 0)
    _ask(tx, lane, run, now, actor=actor, reason=reason, cause=cause, grace_ms=grace_ms)
    return AbortRequest(lane, standing, Ticket(run, standing), cut=cut)


def interrupt_lane(tx: Transaction, lane: int, run: int | None, now: Now, *, actor: str) -> None:
    """Make way for a newer message: the run is asked to stop, and what waits ends."""
    cause, reason = Cause.INTERRUPTED_BY_NEWER, REPLACED
    cut_waiting(tx, lane, now, actor=actor, reason=reason, cause=cause)
    if run is not None:
        _ask(tx, lane, run, now, actor=actor, reason=reason, cause=cause, grace_ms=None)


def cut_waiting(
    tx: Transaction, lane: int, now: Now, *, actor: str, reason: str | None, cause: Cause = Cause.ABORTED
) -> int:
    """End everything that waits in a lane as ``aborted``; returns how many that were."""
    failure = RunFailure(cause, f"aborted by {actor}" + (f": {reason}" if reason else ""))
    waiting = tx.rows(sql.WAITING_OF_LANE, {"lane": lane})
    return sum(
        end_waiting(tx, message, MessageState.ABORTED, failure, now, actor=actor, reason=reason)
        for (message,) in waiting
    )


def end_bound(tx: Transaction, message: int, now: Now, *, actor: str, why: str) -> bool:
    """End a message because what it is bound to is gone: at once if it waits, by abort if it runs.

    False: it is not bound to anything, or has ended before.
    """
    rows = tx.rows(sql.PAYLOAD, {"message": message})
    if not rows or rows[0][7] is None:
        return False
    lane, state, *_, bound_to, run, _ = rows[0]
    cause = BoundTo.read(bound_to).gone
    if state == MessageState.QUEUED:
        return end_waiting(tx, message, MessageState.ABORTED, RunFailure(cause, why), now, actor=actor)
    if state == MessageState.RUNNING:
        return _ask(tx, lane, run, now, actor=actor, reason=why, cause=cause, grace_ms=None)
    return False


def _clear_head(tx: Transaction, head: int, actor: str, reason: str | None, now: Now) -> int:
    """End a waiting head that ran before, with all that it ran together with: the abort that was meant for
    its run must not become a rerun. Returns how many messages that were."""
    _, _, _, _, _, started_at, *_, batch = tx.rows(sql.PAYLOAD, {"message": head})[0]
    if started_at is None:
        return 0
    failure = RunFailure(Cause.ABORTED, f"aborted by {actor}" + (f": {reason}" if reason else ""))
    members = [head] if batch is None else batch_members(tx, batch, MessageState.QUEUED)
    for message in members:
        end_waiting(tx, message, MessageState.ABORTED, failure, now, actor=actor, reason=reason)
    return len(members)


def _ask(
    tx: Transaction,
    lane: int,
    run: int,
    now: Now,
    *,
    actor: str,
    reason: str | None,
    cause: Cause,
    grace_ms: int | None,
) -> bool:
    values = {
        "run": run,
        "now": now.wall,
        "boot": now.boot,
        "boot_id": now.boot_id,
        "slept": now.slept,
        "grace_ms": grace_ms,
        "actor": actor,
        "reason": reason,
        "cause": cause,
    }
    asked = tx.run(sql.REQUEST_ABORT, values) == 1
    if not asked and (grace_ms is None or tx.run(sql.HURRY_ABORT, {"run": run, "grace_ms": grace_ms}) != 1):
        return False
    record(
        tx,
        EventType.ABORT_REQUESTED,
        now,
        lane=lane,
        from_state=LaneState.RUNNING,
        to_state=LaneState.RUNNING,
        run=run,
        epoch=run,
        actor=actor,
        cause=cause,
        detail={"reason": reason, "grace_ms": grace_ms, "again": not asked},
    )
    return asked
