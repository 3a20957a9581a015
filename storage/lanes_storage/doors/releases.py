"""The releases: every way in which a held lane is let go. All of them are commands for one transition, ``release``.

Each shows the run's ticket. Where its id and epoch stand no more, nothing changes but the count of the run's
refused writes, and the late reply is kept for inspection.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.doors.shared.endings import Ending, attempts_json, batch_members, finish
from lanes_storage.doors.shared.journal import event, next_epochs, record, tell
from lanes_storage.doors.shared.outcomes import HeldRun, RunEnd, judge, survivors_pause
from lanes_storage.doors.shared.sets import apart, array
from lanes_storage.interface import CommandStep, Given, Transaction, call
from lanes_storage.law import (
    GHOST_AFTER,
    INTERRUPTIONS,
    TRANSITIONS,
    Edge,
    EventType,
    LaneState,
    MessageState,
    PauseKind,
)
from lanes_storage.records import ProcessIdentity, Release, RunFailure, RunResult, Ticket


class Evidence(NamedTuple):
    """What a judge read before it decided. The release lands only while that is still so.

    None means that the decision did not rest on it.
    """

    heartbeats: int | None = None  # of the owner: it is silent still
    progress_boot: int | None = None  # of the run: it is stalled still
    ghost: bool = False  # the run is left out still
    works: bool = False  # nobody has heard that its body has ended


class End(NamedTuple):
    """The command: how somebody wants a run to end. ``forced``: its owner has not confirmed that it has ended."""

    ticket: Ticket
    edge: Edge
    now: Now
    by: str
    answer: RunResult | None = None
    failure: RunFailure | None = None
    parked_until: int | None = None
    forced: bool = False
    evidence: Evidence | None = None


def complete(ticket: Ticket, answer: RunResult, now: Now, *, by: str) -> CommandStep[Release]:
    """The run has its reply: the lane is idle, the message done."""
    return call(release, End(ticket, Edge.COMPLETE, now, by, answer=answer))


def fail(ticket: Ticket, failure: RunFailure, now: Now, *, by: str) -> CommandStep[Release]:
    """The run failed: the lane is errored, the message failed with cause and provider chain."""
    return call(release, End(ticket, Edge.FAIL, now, by, failure=failure))


def park(ticket: Ticket, until: int | None, failure: RunFailure, now: Now, *, by: str) -> CommandStep[Release]:
    """Every provider refused: the message goes back to the head and waits until ``until`` (wall time).

    When that is longer than it may wait over all its parks, the run fails with the same cause. None: its owner had no
    room for it after all; it waits for no time, and for as long as it takes.
    """
    return call(release, End(ticket, Edge.PARK, now, by, failure=failure, parked_until=until))


def expire(
    ticket: Ticket, failure: RunFailure, now: Now, *, by: str, forced: bool, evidence: Evidence | None = None
) -> CommandStep[Release]:
    """A limit of the run has passed (``run_timeout`` or ``stall_timeout``). ``forced``: its end was not confirmed."""
    return call(release, End(ticket, Edge.EXPIRE, now, by, failure=failure, forced=forced, evidence=evidence))


def interrupt(ticket: Ticket, failure: RunFailure, now: Now, *, by: str) -> CommandStep[Release]:
    """The owner drains and has stopped the run itself: ``on_interrupt`` decides about the message."""
    return call(release, End(ticket, Edge.RECLAIM, now, by, failure=failure))


def reclaim(ticket: Ticket, failure: RunFailure, now: Now, *, by: str, evidence: Evidence) -> CommandStep[Release]:
    """The owner is gone, silent, or left the run out of its heartbeats: someone else lets go of the lane."""
    return call(release, End(ticket, Edge.RECLAIM, now, by, failure=failure, forced=True, evidence=evidence))


def abort(ticket: Ticket, now: Now, *, by: str, forced: bool) -> CommandStep[Release]:
    """End a run whose abort was requested. ``forced``: its end was not confirmed by its owner."""
    return call(release, End(ticket, Edge.ABORT, now, by, forced=forced))


def attach_process(tx: Transaction, ticket: Ticket, child: ProcessIdentity, process_group: int) -> bool:
    """Note the child of a command run and its process group before it may start. False: it must not start."""
    values = child._asdict() | {"run": ticket.run_id, "epoch": ticket.epoch, "process_group": process_group}
    return tx.run(sql.SET_PROCESS, values) == 1


def _of_run(end: End) -> tuple[int]:
    return (end.ticket.run_id,)


@apart(_of_run)
def release(tx: Transaction, ends: Sequence[End]) -> list[Release]:
    """Read what the runs stand at, decide how each really ends, write it."""
    standing = _standing(tx, ends)
    cuts = _cuts(tx, ends, standing)
    outcomes = [
        run and decide(end, run, cuts.get(place, 0))
        for place, (end, run) in enumerate(zip(ends, standing, strict=True))
    ]
    epochs = next_epochs(tx, sum(end.forced for end, outcome in zip(ends, outcomes, strict=True) if outcome))
    ended = [
        _Ended(end, run, outcome, next(epochs) if end.forced else end.ticket.epoch, _members(tx, run))
        if run and outcome
        else None
        for end, run, outcome in zip(ends, standing, outcomes, strict=True)
    ]
    _write(tx, [each for each in ended if each])
    # a judge that came second is no late write of the run
    _refuse(tx, [end for end, run in zip(ends, standing, strict=True) if not run and not end.forced])
    return [each.release if each else Release(landed=False) for each in ended]


# ------------------------------------------------------------------------------------------------- read


def _standing(tx: Transaction, ends: Sequence[End]) -> list[HeldRun | None]:
    rows = tx.rows(sql.STANDING_RUNS, (array([[*end.ticket] for end in ends]),))
    found = {place: HeldRun(*row) for place, *row in rows}
    return [found.get(place) for place in range(len(ends))]


def _cuts(tx: Transaction, ends: Sequence[End], standing: Sequence[HeldRun | None]) -> dict[int, int]:
    """How many runs of its message were interrupted before, of each end that may be one more, by its place."""
    cut = {
        place: [run.lane_id, run.message_id]
        for place, (end, run) in enumerate(zip(ends, standing, strict=True))
        if run and end.failure and end.failure.cause in INTERRUPTIONS
    }
    places = [*cut]
    counted = tx.rows(sql.COUNT_CUTS, (array([*cut.values()]),)) if cut else []
    return {places[number]: count for number, count in counted}


def _members(tx: Transaction, run: HeldRun) -> list[int]:
    """The messages that the run answers, in their order; the last is the one that it is for."""
    return [run.message_id] if run.batch is None else batch_members(tx, run.batch, MessageState.RUNNING)


# ----------------------------------------------------------------------------------------------- decide


def decide(end: End, run: HeldRun | None, cuts: int) -> RunEnd | None:
    """How the run really ends; ``run``: as it stands. None: not by this command, and nothing changes.

    It stands no more, is no longer as its judge saw it, or nobody requested the abort. ``cuts``: how many runs of its
    message were interrupted before, for an end that may be one more.
    """
    if run is None or (end.evidence is not None and not _still_so(end.evidence, run)):
        return None
    answer, failure, until = end.answer, end.failure, end.parked_until
    return judge(run, end.edge, end.now, answer=answer, failure=failure, parked_until=until, cuts=cuts)


def _still_so(evidence: Evidence, standing: HeldRun) -> bool:
    return (
        (evidence.heartbeats is None or evidence.heartbeats == standing.heartbeats)
        and (evidence.progress_boot is None or evidence.progress_boot == standing.progress_boot)
        and (not evidence.ghost or standing.left_out >= GHOST_AFTER)
        and (not evidence.works or standing.body_ended_at is None)
    )


class _Ended(NamedTuple):
    """An end that was decided, and all that its rows are made of."""

    end: End
    run: HeldRun
    outcome: RunEnd
    epoch: int  # of the lane from now on
    members: list[int]

    @property
    def release(self) -> Release:
        return Release(True, self.outcome.edge, self.outcome.message_state, self.epoch, bool(self.pauses))

    @property
    def pauses(self) -> list[PauseKind]:
        survivors = survivors_pause(self.run) if self.end.forced else None
        return [kind for kind in (self.outcome.pause, survivors) if kind is not None]

    @property
    def requeued(self) -> bool:
        return self.outcome.message_state is MessageState.QUEUED


# ------------------------------------------------------------------------------------------------ write


def _write(tx: Transaction, ended: Sequence[_Ended]) -> None:
    landed = tx.many(sql.RELEASE_LANE, [_lane(each) for each in ended])
    assert landed == len(ended), "the standing runs were read in this transaction"
    tx.many(sql.END_RUN, [_run(each) for each in ended])
    tell(tx, [_event(each) for each in ended])
    for each in ended:
        for kind in each.pauses:
            pause_lane(tx, each.run.lane_id, kind, each.end.now, actor=each.end.by, reason=kind)
    tx.many(sql.REQUEUE_MESSAGE, [_place(each, message) for each in ended if each.requeued for message in each.members])
    finish(tx, [_ending(each, message) for each in ended if not each.requeued for message in each.members])
    tell(tx, [_event_of_member(each, message) for each in ended for message in each.members[:-1]])


def _lane(each: _Ended) -> Given:
    """What waits first again is the head if it is requeued."""
    (ticket, _, now, *_), state = each.end, TRANSITIONS[each.outcome.edge].target
    failure, requeued = each.outcome.failure, each.members[0] if each.requeued else None
    error = (
        (None, None, None) if failure is None or state is LaneState.IDLE else (failure.cause, failure.message, now.wall)
    )
    return str(state), each.epoch, requeued, *error, now.wall, each.run.lane_id, ticket.run_id, ticket.epoch


def _run(each: _Ended) -> Given:
    end, failure, edge = each.end, each.outcome.failure, str(each.outcome.edge)
    cause = failure.cause if failure else None
    late = end.answer.text if end.answer is not None and edge == Edge.ABORT else None
    return edge, cause, int(end.forced), end.now.wall, end.by, late, edge, end.ticket.run_id


def _place(each: _Ended, message: int) -> Given:
    failure, until = each.outcome.failure, each.outcome.parked_until
    attempts = attempts_json(failure.attempts) if failure else None
    return each.outcome.interruptions, until, None if until is None else each.end.now.wall, attempts, message


def _ending(each: _Ended, message: int) -> Ending:
    """The reply belongs to the last of the messages."""
    end, run, outcome, _, (*_, last) = each
    done = outcome.message_state is MessageState.DONE
    return Ending(
        message,
        run.lane_id,
        end.ticket.run_id,
        run.bound_to is not None,
        outcome.message_state,
        outcome.interruptions,
        end.now,
        answer=end.answer if done and message == last else None,
        failure=outcome.message_failure,
        answered_by=last if done and message != last else None,
    )


#: What the journal says of most releases.
_DONE = json.dumps({"message_state": MessageState.DONE})


def _event(each: _Ended) -> Given:
    end, run, outcome, epoch, *_ = each
    failure = outcome.failure
    told = end.answer.told if end.answer is not None and outcome.edge is Edge.COMPLETE else None
    return event(
        outcome.edge,
        end.now,
        lane=run.lane_id,
        from_state=str(LaneState.RUNNING),
        to_state=str(TRANSITIONS[outcome.edge].target),
        run=end.ticket.run_id,
        message=run.message_id,
        epoch=epoch,
        actor=end.by,
        cause=failure.cause if failure else None,
        detail=_DONE if outcome.edge is Edge.COMPLETE and not told else _detail(end, run, outcome) | (told or {}),
    )


def _detail(end: End, run: HeldRun, outcome: RunEnd) -> dict[str, Any]:
    failure, detail = outcome.failure, dict[str, Any](message_state=outcome.message_state)
    if failure is not None:
        detail["message"] = failure.message
        limit = {"budget_ms": failure.budget_ms, "elapsed_ms": failure.elapsed_ms}
        detail |= {name: ms for name, ms in limit.items() if ms is not None}
    if end.forced:
        detail |= {"forced": True, "epoch_before": end.ticket.epoch}
    if outcome.parked_until is not None:
        detail["parked_until"] = outcome.parked_until
    if outcome.edge is Edge.ABORT:
        detail |= {"requested_by": run.abort_actor, "reason": run.abort_reason}
    return detail


def _event_of_member(each: _Ended, message: int) -> Given:
    """What became of a message that was answered, or ended, together with the one that the run is for."""
    end, run, outcome, *_ = each
    failure = outcome.message_failure
    return event(
        EventType.ENDED,
        end.now,
        lane=run.lane_id,
        from_state=MessageState.RUNNING,
        to_state=outcome.message_state,
        run=end.ticket.run_id,
        message=message,
        actor=end.by,
        cause=failure.cause if failure else None,
        detail={"together_with": run.message_id},
    )


def _refuse(tx: Transaction, ends: Sequence[End]) -> None:
    """Superseded runs wrote: count it, keep what they brought, change nothing else."""
    for end in ends:
        late, (run, epoch) = None if end.answer is None else end.answer.text, end.ticket
        for lane, message in tx.rows(sql.REFUSE_WRITE, {"run": run, "late_reply": late}):
            what = {"lane": lane, "run": run, "message": message, "epoch": epoch}
            record(tx, EventType.REFUSED_WRITE, end.now, **what, actor=end.by, detail={"edge": end.edge})
