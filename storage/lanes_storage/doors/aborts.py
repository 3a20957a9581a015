"""Requesting an abort, ending what waits, and ending what is bound to something that is gone."""

from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import batch_members, end_waiting
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import REPLACED, BoundTo, Cause, EventType, LaneState, MessageState, Scope
from lanes_storage.records import RunFailure, Ticket


class AbortRequest(NamedTuple):
    """The result of an abort request.

    ``ticket`` is the run that it is stored for, or None: nothing ran, or the lane had ``moved_on`` from the
    epoch that was meant. ``cut`` counts the waiting messages that were ended with it; ``cleared``: a head that had run
    before was ended.
    """

    lane_id: int
    epoch: int
    ticket: Ticket | None = None
    moved_on: bool = False
    cut: int = 0
    cleared: bool = False


class _Asked(NamedTuple):
    """Who asks for an end, and why."""

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
    """Request the end of the run of a lane, and end what waits if ``scope`` says so. None: no such lane.

    ``epoch`` is what the caller saw; a lane that has moved on is left alone. The request is sticky: from now on
    every release of that epoch is the abort edge. A second request can only shorten the grace.
    """
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return None
    lane, _, current, run, head = found[0]
    if epoch is not None and epoch != current:
        return AbortRequest(lane, current, moved_on=True)
    asked, cleared = _Asked(actor, reason, cause), 0
    if run is None and scope is not Scope.QUEUE and head is not None:
        cleared = _clear_head(tx, head, asked, now)
    cut = 0 if scope is Scope.RUN else _cut_waiting(tx, lane, asked, now)
    if run is None or scope is Scope.QUEUE:
        return AbortRequest(lane, current, cut=cut + cleared, cleared=cleared > 0)
    _request(tx, lane, run, asked, now, grace_ms)
    return AbortRequest(lane, current, Ticket(run, current), cut=cut)


def interrupt_lane(tx: Transaction, lane: int, run: int | None, now: Now, *, actor: str) -> None:
    """Make way for a newer message: request the abort of the run, and end what waits."""
    asked = _Asked(actor, REPLACED, Cause.INTERRUPTED_BY_NEWER)
    _cut_waiting(tx, lane, asked, now)
    if run is not None:
        _request(tx, lane, run, asked, now)


def end_bound(tx: Transaction, message: int, now: Now, *, actor: str, why: str) -> bool:
    """End a message because what it is bound to is gone: at once if it waits, by abort if it runs.

    False: it is not bound to anything, or has ended before.
    """
    rows = tx.rows(sql.PAYLOAD, {"message": message})
    if not rows or rows[0][7] is None:
        return False
    lane, state, *_, bound_to, run, _ = rows[0]
    cause = BoundTo.read(bound_to).gone
    if state == MessageState.RUNNING:
        return _request(tx, lane, run, _Asked(actor, why, cause), now)
    return end_waiting(tx, message, MessageState.ABORTED, RunFailure(cause, why), now, actor=actor)


def _cut_waiting(tx: Transaction, lane: int, asked: _Asked, now: Now) -> int:
    """End everything that waits in a lane as ``aborted``; returns how many messages that were."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    return _cut(tx, waiting, asked, now)


def _clear_head(tx: Transaction, head: int, asked: _Asked, now: Now) -> int:
    """End a waiting head that ran before, with everything that it ran together with: otherwise the abort that was meant
    for its run would become a rerun. Returns how many messages that were."""
    *_, started_at, _, _, _, batch = tx.rows(sql.PAYLOAD, {"message": head})[0]
    if started_at is None:
        return 0
    return _cut(tx, [head] if batch is None else batch_members(tx, batch, MessageState.QUEUED), asked, now)


def _cut(tx: Transaction, messages: list[int], asked: _Asked, now: Now) -> int:
    for message in messages:
        end_waiting(tx, message, MessageState.ABORTED, asked.failure, now, actor=asked.actor, reason=asked.reason)
    return len(messages)


def _request(tx: Transaction, lane: int, run: int, asked: _Asked, now: Now, grace_ms: int | None = None) -> bool:
    """Store the request. False: there was one before; then it can only shorten the grace."""
    clocks = {"now": now.wall, "boot": now.boot, "boot_id": now.boot_id, "slept": now.slept}
    first = tx.run(sql.REQUEST_ABORT, asked._asdict() | clocks | {"run": run, "grace_ms": grace_ms}) == 1
    if not first and (grace_ms is None or tx.run(sql.HURRY_ABORT, {"run": run, "grace_ms": grace_ms}) != 1):
        return False
    where = {"lane": lane, "from_state": LaneState.RUNNING, "to_state": LaneState.RUNNING, "run": run, "epoch": run}
    detail = {"reason": asked.reason, "grace_ms": grace_ms, "again": not first}
    record(tx, EventType.ABORT_REQUESTED, now, **where, actor=asked.actor, cause=asked.cause, detail=detail)
    return first
