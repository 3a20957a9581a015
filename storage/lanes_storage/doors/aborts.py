"""Requests an abort, ends waiting messages, and ends messages that are bound to a client or process that is gone."""

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


class _Asked(NamedTuple):
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

    ``epoch`` is the epoch that the caller saw; a lane that has another one by now is not changed. The request is
    sticky: from now on every release of that epoch is the abort edge. A second request can only shorten the grace.
    """
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return None
    lane, _, current, run, head = found[0]
    if epoch is not None and epoch != current:
        return AbortRequest(lane, current, moved_on=True)
    asked, cut = _Asked(actor, reason, cause), 0
    if run is None and scope is not Scope.QUEUE and head is not None:
        cut = _clear_head(tx, head, asked, now)
    if scope is not Scope.RUN:
        cut += _cut_waiting(tx, lane, asked, now)
    if run is None or scope is Scope.QUEUE:
        return AbortRequest(lane, current, cut=cut)
    _request(tx, lane, run, asked, now, grace_ms)
    return AbortRequest(lane, current, Ticket(run, current), cut=cut)


def interrupt_lane(tx: Transaction, lane: int, run: int | None, now: Now, *, actor: str) -> None:
    """Make way for a newer message: request the abort of the run, and end the waiting messages."""
    asked = _Asked(actor, REPLACED, Cause.INTERRUPTED_BY_NEWER)
    _cut_waiting(tx, lane, asked, now)
    if run is not None:
        _request(tx, lane, run, asked, now)


def end_bound(tx: Transaction, message: int, now: Now, *, actor: str, why: str) -> bool:
    """End a message because its client or process is gone: at once if it waits, by an abort if it runs.

    Returns False if it is not bound to anything, or has already ended.
    """
    met = find_message(tx, message)
    if met is None or met.bound_to is None:
        return False
    cause = BoundTo.read(met.bound_to).gone
    if met.state == MessageState.RUNNING and met.run is not None:
        return _request(tx, met.lane, met.run, _Asked(actor, why, cause), now)
    return end_waiting(tx, message, MessageState.ABORTED, RunFailure(cause, why), now, actor=actor)


def _cut_waiting(tx: Transaction, lane: int, asked: _Asked, now: Now) -> int:
    """End all waiting messages of a lane as ``aborted``; returns how many there were."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    return _cut(tx, waiting, asked, now)


def _clear_head(tx: Transaction, head: int, asked: _Asked, now: Now) -> int:
    """End a first waiting message that ran before, and all messages that ran together with it: otherwise the abort that
    was meant for their run would let them run again. Returns how many messages were ended."""
    met = find_message(tx, head)
    if met is None or met.started_at is None:
        return 0
    together = [head] if met.batch is None else [*batch_members(tx, met.batch, MessageState.QUEUED)]
    return _cut(tx, together, asked, now)


def _cut(tx: Transaction, messages: list[int], asked: _Asked, now: Now) -> int:
    for message in messages:
        end_waiting(tx, message, MessageState.ABORTED, asked.failure, now, actor=asked.actor, reason=asked.reason)
    return len(messages)


def _request(tx: Transaction, lane: int, run: int, asked: _Asked, now: Now, grace_ms: int | None = None) -> bool:
    """Store the abort request. Returns False if there was one before; then only its grace may become shorter."""
    first = tx.run(sql.REQUEST_ABORT, asked._asdict() | now.params | {"run": run, "grace_ms": grace_ms}) == 1
    if not first and (grace_ms is None or tx.run(sql.HURRY_ABORT, {"run": run, "grace_ms": grace_ms}) != 1):
        return False
    where = {"lane": lane, "from_state": LaneState.RUNNING, "to_state": LaneState.RUNNING, "run": run, "epoch": run}
    detail = {"reason": asked.reason, "grace_ms": grace_ms, "again": not first}
    record(tx, EventType.ABORT_REQUESTED, now, **where, actor=asked.actor, cause=asked.cause, detail=detail)
    return first
