"""The releases: every way in which a held lane is let go. All of them pass one private door, ``_release``.

Each takes the run's ticket. Where its id and epoch stand no more, nothing changes but the count of the run's
refused writes, and the late reply is kept for inspection.
"""

from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.doors import endings, pauses
from lanes_storage.doors.journal import next_epoch, record
from lanes_storage.doors.outcomes import Outcome, Standing, judge, survivors_pause
from lanes_storage.interface import Transaction
from lanes_storage.law import GHOST_AFTER, INTERRUPTIONS, TRANSITIONS, Edge, EventType, LaneState, MessageState
from lanes_storage.moment import Now
from lanes_storage.records import Answer, Failure, Process, Release, Ticket


class Evidence(NamedTuple):
    """What a judge read before it decided. The release lands only while that is still so.

    None means that the decision did not rest on it.
    """

    heartbeats: int | None = None  # of the owner: it is silent still
    progress_boot: int | None = None  # of the run: it is stalled still
    ghost: bool = False  # the run is left out still
    works: bool = False  # nobody has heard that its body has ended


def complete(tx: Transaction, ticket: Ticket, answer: Answer, now: Now, *, by: str) -> Release:
    """The run has its reply: the lane is idle, the message done."""
    return _release(tx, ticket, Edge.COMPLETE, now, by=by, answer=answer)


def fail(tx: Transaction, ticket: Ticket, failure: Failure, now: Now, *, by: str) -> Release:
    """The run failed: the lane is errored, the message failed with cause and provider chain."""
    return _release(tx, ticket, Edge.FAIL, now, by=by, failure=failure)


def park(tx: Transaction, ticket: Ticket, until: int, failure: Failure, now: Now, *, by: str) -> Release:
    """Every provider refused: the message goes back to the head and waits until ``until`` (wall time).

    When that is longer than it may wait over all its parks, the run fails with the same cause.
    """
    return _release(tx, ticket, Edge.PARK, now, by=by, failure=failure, parked_until=until)


def expire(
    tx: Transaction,
    ticket: Ticket,
    failure: Failure,
    now: Now,
    *,
    by: str,
    forced: bool,
    evidence: Evidence | None = None,
) -> Release:
    """A limit of the run has passed (``run_timeout`` or ``stall_timeout``). ``forced``: its end was not confirmed."""
    return _release(tx, ticket, Edge.EXPIRE, now, by=by, failure=failure, forced=forced, evidence=evidence)


def interrupt(tx: Transaction, ticket: Ticket, failure: Failure, now: Now, *, by: str) -> Release:
    """The owner drains and has stopped the run itself: ``on_interrupt`` decides about the message."""
    return _release(tx, ticket, Edge.RECLAIM, now, by=by, failure=failure)


def reclaim(tx: Transaction, ticket: Ticket, failure: Failure, now: Now, *, by: str, evidence: Evidence) -> Release:
    """The owner is gone, silent, or left the run out of its heartbeats: someone else lets go of the lane."""
    return _release(tx, ticket, Edge.RECLAIM, now, by=by, failure=failure, forced=True, evidence=evidence)


def abort(tx: Transaction, ticket: Ticket, now: Now, *, by: str, forced: bool) -> Release:
    """End a run whose abort was requested. ``forced``: its end was not confirmed by its owner."""
    return _release(tx, ticket, Edge.ABORT, now, by=by, forced=forced)


def attach_process(tx: Transaction, ticket: Ticket, child: Process, process_group: int) -> bool:
    """Note the child of a command run and its process group before it may start. False: it must not start."""
    values = child._asdict() | {"run": ticket.run_id, "epoch": ticket.epoch, "process_group": process_group}
    return tx.run(sql.SET_PROCESS, values) == 1


def _release(
    tx: Transaction,
    ticket: Ticket,
    edge: Edge,
    now: Now,
    *,
    by: str,
    answer: Answer | None = None,
    failure: Failure | None = None,
    forced: bool = False,
    parked_until: int | None = None,
    evidence: Evidence | None = None,
) -> Release:
    rows = tx.rows(sql.STANDING_RUN, {"run": ticket.run_id, "epoch": ticket.epoch})
    if not rows:  # a judge that came second is no late write of the run
        return Release(landed=False) if forced else _refuse(tx, ticket, edge, answer, now, by)
    standing = Standing(*rows[0])
    if evidence is not None and not _still_so(evidence, standing):
        return Release(landed=False)
    cuts = _cuts(tx, standing, failure)
    outcome = judge(standing, edge, now, answer=answer, failure=failure, parked_until=parked_until, cuts=cuts)
    if outcome is None:  # an abort that nobody requested
        return Release(landed=False)
    epoch = next_epoch(tx) if forced else ticket.epoch
    members = _members(tx, standing)
    _let_go(tx, ticket, standing, outcome, epoch, now, head=members[0])
    late = answer.text if answer is not None and outcome.edge is Edge.ABORT else None
    tx.run(
        sql.END_RUN,
        {
            "run": ticket.run_id,
            "edge": outcome.edge,
            "cause": outcome.failure.cause if outcome.failure else None,
            "forced": forced,
            "now": now.wall,
            "by": by,
            "late_reply": late,
        },
    )
    _journal(tx, ticket, standing, outcome, epoch, now, forced=forced, by=by)
    kinds = [kind for kind in (outcome.pause, survivors_pause(standing) if forced else None) if kind is not None]
    for kind in kinds:
        pauses.pause_lane(tx, standing.lane_id, kind, now, actor=by, reason=kind)
    _settle(tx, members, outcome, answer, now)
    for member in members[:-1]:
        _journal_member(tx, ticket, standing, outcome, member, now, by=by)
    return Release(True, outcome.edge, outcome.message_state, epoch, paused=bool(kinds))


def _refuse(tx: Transaction, ticket: Ticket, edge: Edge, answer: Answer | None, now: Now, by: str) -> Release:
    """A superseded run wrote: count it, keep what it brought, change nothing else."""
    late = None if answer is None else answer.text
    for lane, message in tx.rows(sql.REFUSE_WRITE, {"run": ticket.run_id, "late_reply": late}):
        record(
            tx,
            EventType.REFUSED_WRITE,
            now,
            lane=lane,
            run=ticket.run_id,
            message=message,
            epoch=ticket.epoch,
            actor=by,
            detail={"edge": edge},
        )
    return Release(landed=False)


def _cuts(tx: Transaction, standing: Standing, failure: Failure | None) -> int:
    """How many runs of its message were interrupted before, if this may be one more."""
    if failure is None or failure.cause not in INTERRUPTIONS:
        return 0
    return int(tx.rows(sql.COUNT_CUTS, {"lane": standing.lane_id, "message": standing.message_id})[0][0])


def _still_so(evidence: Evidence, standing: Standing) -> bool:
    return (
        (evidence.heartbeats is None or evidence.heartbeats == standing.heartbeats)
        and (evidence.progress_boot is None or evidence.progress_boot == standing.progress_boot)
        and (not evidence.ghost or standing.left_out >= GHOST_AFTER)
        and (not evidence.works or standing.body_ended_at is None)
    )


def _let_go(
    tx: Transaction,
    ticket: Ticket,
    standing: Standing,
    outcome: Outcome,
    epoch: int,
    now: Now,
    *,
    head: int,
) -> None:
    """Change the lane's row. ``head``: what waits first if it is requeued."""
    state = TRANSITIONS[outcome.edge].target
    error = outcome.failure if state is not LaneState.IDLE else None
    landed = tx.run(
        sql.RELEASE_LANE,
        {
            "lane": standing.lane_id,
            "run": ticket.run_id,
            "epoch": ticket.epoch,
            "new_epoch": epoch,
            "state": state,
            "requeued": head if outcome.message_state is MessageState.QUEUED else None,
            "error_cause": error.cause if error else None,
            "error_message": error.message if error else None,
            "error_at": now.wall if error else None,
            "now": now.wall,
        },
    )
    assert landed == 1, "the standing run was read in this transaction"


def _members(tx: Transaction, standing: Standing) -> list[int]:
    """The messages that the run answers, in their order; the last is the one that it is for."""
    if standing.batch is None:
        return [standing.message_id]
    return endings.batch_members(tx, standing.batch, MessageState.RUNNING)


def _settle(tx: Transaction, members: list[int], outcome: Outcome, answer: Answer | None, now: Now) -> None:
    """Bring the messages to where the outcome says. The reply belongs to the last of them."""
    if outcome.message_state is MessageState.QUEUED:
        for message in members:
            _requeue(tx, message, outcome, now)
        return
    done = outcome.message_state is MessageState.DONE
    for message in members:
        last = message == members[-1]
        endings.finish(
            tx,
            message,
            outcome.message_state,
            now,
            interruptions=outcome.interruptions,
            answer=answer if done and last else None,
            failure=outcome.message_failure,
            answered_by=members[-1] if done and not last else None,
        )


def _requeue(tx: Transaction, message: int, outcome: Outcome, now: Now) -> None:
    parked = outcome.parked_until is not None
    tx.run(
        sql.REQUEUE_MESSAGE,
        {
            "message": message,
            "interruptions": outcome.interruptions,
            "parked_until": outcome.parked_until,
            "parked_since": now.wall if parked else None,
            "attempts": endings.attempts_json(outcome.failure.attempts) if outcome.failure else None,
        },
    )


def _journal(
    tx: Transaction,
    ticket: Ticket,
    standing: Standing,
    outcome: Outcome,
    epoch: int,
    now: Now,
    *,
    forced: bool,
    by: str,
) -> None:
    failure = outcome.failure
    detail: dict[str, object] = {"message_state": outcome.message_state}
    if failure is not None:
        detail["message"] = failure.message
        limit = {"budget_ms": failure.budget_ms, "elapsed_ms": failure.elapsed_ms}
        detail |= {name: ms for name, ms in limit.items() if ms is not None}
    if forced:
        detail |= {"forced": True, "epoch_before": ticket.epoch}
    if outcome.parked_until is not None:
        detail["parked_until"] = outcome.parked_until
    if outcome.edge is Edge.ABORT:
        detail |= {"requested_by": standing.abort_actor, "reason": standing.abort_reason}
    record(
        tx,
        EventType(outcome.edge),
        now,
        lane=standing.lane_id,
        from_state=LaneState.RUNNING,
        to_state=TRANSITIONS[outcome.edge].target,
        run=ticket.run_id,
        message=standing.message_id,
        epoch=epoch,
        actor=by,
        cause=failure.cause if failure else None,
        detail=detail,
    )


def _journal_member(
    tx: Transaction, ticket: Ticket, standing: Standing, outcome: Outcome, member: int, now: Now, *, by: str
) -> None:
    """What became of a message that was answered, or ended, together with the one that the run is for."""
    failure = outcome.message_failure
    record(
        tx,
        EventType.ENDED,
        now,
        lane=standing.lane_id,
        from_state=MessageState.RUNNING,
        to_state=outcome.message_state,
        run=ticket.run_id,
        message=member,
        actor=by,
        cause=failure.cause if failure else None,
        detail={"together_with": standing.message_id},
    )
