"""Abort requests; the end of waiting messages, and of messages that are bound to a client or process that is gone."""

from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared import batch_members, end_waiting, find_message, record
from lanes_storage.interface import Transaction
from lanes_storage.law import REPLACED, BoundTo, Cause, EventType, LaneState, MessageState, Scope
from lanes_storage.records import RunFailure, Ticket


class AbortRequest(NamedTuple):
    """The result of an abort request.

    ``ticket`` is the run that must stop, or None if no run was active, or if the lane had ``moved_on`` from the
    epoch that the caller meant. ``cut`` counts the waiting messages that were ended too.
    """

    lane_id: int
    epoch: int
    ticket: Ticket | None = None
    moved_on: bool = False
    cut: int = 0


class _EndRequest(NamedTuple):
    """Who requests an end, and why."""

    actor: str
    reason: str | None
    cause: Cause = Cause.ABORTED

    @property
    def failure(self) -> RunFailure:
        return RunFailure(self.cause, f"aborted by {self.actor}" + (f": {self.reason}" if self.reason else ""))


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
    """Request the end of the run of a lane, and end waiting messages if ``scope`` says so.

    Returns None if there is no such lane.

    ``epoch`` is the epoch that the caller saw; if the lane has another one, nothing changes. The request is sticky:
    from now on every release of that epoch is the abort edge. A second request can only shorten the grace.
    """
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return None
    lane, _, current, run, head = found[0]
    if epoch is not None and epoch != current:
        return AbortRequest(lane, current, moved_on=True)
    request, cut = _EndRequest(actor, reason, cause), 0
    if run is None and scope is not Scope.QUEUE and head is not None:
        cut = _clear_head(tx, head, request, now)
    if scope is not Scope.RUN:
        cut += _cut_waiting(tx, lane, request, now)
    if run is None or scope is Scope.QUEUE:
        return AbortRequest(lane, current, cut=cut)
    _request(tx, lane, run, request, now, grace_ms)
    return AbortRequest(lane, current, Ticket(run, current), cut=cut)


def interrupt_lane(tx: Transaction, lane: int, run: int | None, now: Now, *, actor: str) -> None:
    """Make way for a newer message: request the abort of the run, and end the waiting messages."""
    request = _EndRequest(actor, REPLACED, Cause.INTERRUPTED_BY_NEWER)
    _cut_waiting(tx, lane, request, now)
    if run is not None:
        _request(tx, lane, run, request, now)


def end_bound(tx: Transaction, message: int, now: Now, *, actor: str, reason: str) -> bool:
    """End a message because its client or process is gone: at once if it waits, by an abort if it runs.

    Returns False if it is not bound to anything, or has already ended.
    """
    found = find_message(tx, message)
    if found is None or found.bound_to is None:
        return False
    cause = BoundTo.read(found.bound_to).end_cause
    if found.state == MessageState.RUNNING and found.run is not None:
        return _request(tx, found.lane, found.run, _EndRequest(actor, reason, cause), now)
    return end_waiting(tx, message, MessageState.ABORTED, RunFailure(cause, reason), now, actor=actor)


def _cut_waiting(tx: Transaction, lane: int, request: _EndRequest, now: Now) -> int:
    """End all waiting messages of a lane as ``aborted``; returns how many there were."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    return _cut(tx, waiting, request, now)


def _clear_head(tx: Transaction, head: int, request: _EndRequest, now: Now) -> int:
    """End the head if it ran before, with all messages that ran together with it: otherwise the abort that was meant
    for their run would let them run again. Returns how many messages were ended."""
    found = find_message(tx, head)
    if found is None or found.started_at is None:
        return 0
    together = [head] if found.batch is None else [*batch_members(tx, found.batch, MessageState.QUEUED)]
    return _cut(tx, together, request, now)


def _cut(tx: Transaction, messages: list[int], request: _EndRequest, now: Now) -> int:
    for message in messages:
        end_waiting(tx, message, MessageState.ABORTED, request.failure, now, actor=request.actor, reason=request.reason)
    return len(messages)


def _request(tx: Transaction, lane: int, run: int, request: _EndRequest, now: Now, grace_ms: int | None = None) -> bool:
    """Store the abort request. Returns False if there was one before; then only its grace may become shorter."""
    first = tx.run(sql.REQUEST_ABORT, request._asdict() | now.params | {"run": run, "grace_ms": grace_ms}) == 1
    if not first and (grace_ms is None or tx.run(sql.HURRY_ABORT, {"run": run, "grace_ms": grace_ms}) != 1):
        return False
    change = {"lane": lane, "from_state": LaneState.RUNNING, "to_state": LaneState.RUNNING, "run": run, "epoch": run}
    detail = {"reason": request.reason, "grace_ms": grace_ms, "again": not first}
    record(tx, EventType.ABORT_REQUESTED, now, **change, actor=request.actor, cause=request.cause, detail=detail)
    return first
