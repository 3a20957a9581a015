"""The releases: every way in which the lane of a run is released. All are commands for one transition, ``release``.

This file shows one completion from its command to its rows. ``complete`` makes the command. The writer
(``sqlite.writer``) collects commands, opens a transaction and calls ``release`` with all of them. ``release`` reads the
runs, decides how each really ends, and writes that, with the statements of ``lanes_storage.statements``. Then the
writer commits, and wakes the callers with their ``Release``.

Each command carries the run's ticket. If its id and epoch no longer hold the lane, the write is refused and counted,
and the late reply is kept for inspection; nothing else changes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.conversations import give_back
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.doors.shared import (
    Ending,
    NewTurn,
    attempts_json,
    batch_members,
    event,
    finish,
    next_epochs,
    record,
    write_events,
    write_turns,
)
from lanes_storage.doors.shared.ends import End, Evidence, HeldRun, RunEnd, decide, parking
from lanes_storage.doors.shared.sets import array, serialized
from lanes_storage.interface import Bindings, CommandStep, Transaction, call
from lanes_storage.law import (
    INTERRUPTIONS,
    TRANSITIONS,
    AttemptCause,
    Cause,
    Edge,
    EventType,
    LaneState,
    MessageState,
    OnSurvivors,
    PauseKind,
    RunnerKind,
    together,
    turn_of,
)
from lanes_storage.records import Release, RetryTerms, RunFailure, RunResult, RunUsage, Ticket
from lanes_storage.statements import further

# -------------------------------------------------------------------------------------------- commands


def complete(ticket: Ticket, answer: RunResult, now: Now, *, by: str) -> CommandStep[Release]:
    """The run has its reply: the lane is idle, the message done."""
    return call(release, End(ticket, Edge.COMPLETE, now, by, answer=answer))


def fail(
    ticket: Ticket, failure: RunFailure, now: Now, *, by: str, retry: RetryTerms | None = None
) -> CommandStep[Release]:
    """The run failed: the lane is errored, the message failed with cause and provider chain.

    ``retry``, here and below: the terms under which the message is parked instead; given if the run has had no effect
    and none of its reply has reached anybody.
    """
    return call(release, End(ticket, Edge.FAIL, now, by, failure=failure, retry=retry))


def park(
    ticket: Ticket,
    until: int | None,
    failure: RunFailure,
    now: Now,
    *,
    by: str,
    retry: RetryTerms | None = None,
    providers: Sequence[str] = (),
) -> CommandStep[Release]:
    """Every provider refused: the message goes back to the head and waits until ``until`` (wall time), or until one of
    ``providers`` is reset.

    If its waiting time over all parks would exceed the limit, the run fails with the same cause. ``until`` is None if
    the owner had no room for the run after all: then the message waits, without a limit, until there is some.
    """
    end = End(ticket, Edge.PARK, now, by, failure=failure, parked_until=until, retry=retry, providers=providers)
    return call(release, end)


def expire(
    ticket: Ticket,
    failure: RunFailure,
    now: Now,
    *,
    by: str,
    forced: bool,
    evidence: Evidence | None = None,
    retry: RetryTerms | None = None,
) -> CommandStep[Release]:
    """A limit of the run has passed (``run_timeout`` or ``stall_timeout``)."""
    end = End(ticket, Edge.EXPIRE, now, by, failure=failure, forced=forced, evidence=evidence, retry=retry)
    return call(release, end)


def interrupt(ticket: Ticket, failure: RunFailure, now: Now, *, by: str) -> CommandStep[Release]:
    """The owner is draining and has stopped the run itself: ``on_interrupt`` decides what happens to the message."""
    return call(release, End(ticket, Edge.RECLAIM, now, by, failure=failure))


def reclaim(ticket: Ticket, failure: RunFailure, now: Now, *, by: str, evidence: Evidence) -> CommandStep[Release]:
    """The owner is gone, silent, or no longer names the run in its heartbeats: another process releases the lane."""
    return call(release, End(ticket, Edge.RECLAIM, now, by, failure=failure, forced=True, evidence=evidence))


def abort(ticket: Ticket, now: Now, *, by: str, forced: bool) -> CommandStep[Release]:
    """End a run whose abort was requested."""
    return call(release, End(ticket, Edge.ABORT, now, by, forced=forced))


@serialized
def release(tx: Transaction, ends: Sequence[End]) -> list[Release]:
    """Read which runs hold their lanes, decide how each really ends, and write that."""
    held = _held(tx, ends)
    cuts = _cuts(tx, ends, held)
    outcomes = [decide(end, held.get(place), cuts.get(place, 0)) for place, end in enumerate(ends)]
    epochs = next_epochs(tx, sum(end.forced for end, outcome in zip(ends, outcomes, strict=True) if outcome))
    ended = {
        place: _Ended(
            end,
            run := held[place],
            outcome,
            next(epochs) if end.forced else end.ticket.epoch,
            outcome.message_state is MessageState.QUEUED,
            _pauses(end, run, outcome),
            *_members(tx, run),
        )
        for place, (end, outcome) in enumerate(zip(ends, outcomes, strict=True))
        if outcome
    }
    _write(tx, [*ended.values()])
    # a forced release that came second does not count as a late write of the run
    _refuse(tx, [end for place, end in enumerate(ends) if place not in held and not end.forced])
    return [ended[place].release if place in ended else Release(applied=False) for place in range(len(ends))]


# ------------------------------------------------------------------------------------------------ read


def _held(tx: Transaction, ends: Sequence[End]) -> dict[int, HeldRun]:
    """The runs that still hold their lanes, by the place of their command."""
    rows = tx.rows(sql.HELD_RUNS, (array([end.ticket.run_id for end in ends]),))
    held = {row[0]: HeldRun._make(row[1:]) for row in rows}
    return {place: run for place, run in held.items() if run.epoch == ends[place].ticket.epoch}


def _cuts(tx: Transaction, ends: Sequence[End], held: Mapping[int, HeldRun]) -> dict[int, int]:
    """How often a run of the message was interrupted before, for each end that may be one more interruption."""
    places = [place for place in held if (failure := ends[place].failure) and failure.cause in INTERRUPTIONS]
    messages = array([held[place].message_id for place in places])
    return {places[number]: count for number, count in tx.rows(sql.COUNT_CUTS, (messages,))} if places else {}


def _members(tx: Transaction, run: HeldRun) -> tuple[list[int], str | None]:
    """The messages that the run answers, in their order, and their text; the last one is the message of the run."""
    if run.batch is None:
        return [run.message_id], run.text
    members = batch_members(tx, run.batch, MessageState.RUNNING)
    return [*members], together(members.values())


def _pauses(end: End, run: HeldRun, outcome: RunEnd) -> Sequence[PauseKind]:
    """The pauses that an end adds to the lane: by policy, and because processes of the run may still be alive."""
    pauses = [] if outcome.pause is None else [outcome.pause]
    has_processes = end.forced and (run.kind == RunnerKind.COMMAND or run.process_pid is not None)
    if has_processes and run.on_survivors == OnSurvivors.PAUSE:
        pauses.append(PauseKind.SURVIVORS)
    return pauses


# ----------------------------------------------------------------------------------------------- write


class _Ended(NamedTuple):
    """A decided end, with everything needed to write its rows."""

    end: End
    run: HeldRun
    outcome: RunEnd
    epoch: int  # the lane's epoch from now on
    requeued: bool
    pauses: Sequence[PauseKind]
    members: list[int]
    text: str | None

    @property
    def release(self) -> Release:
        return Release(True, self.outcome.edge, self.outcome.message_state, self.epoch, bool(self.pauses))

    @property
    def turn(self) -> NewTurn | None:
        """The turn to remember. None if the message is requeued, or has no text, or one that no model can take."""
        end, run, outcome, _, _, _, members, text = self
        state, failure = outcome.message_state, outcome.failure
        if (
            text is None
            or self.requeued
            or (failure is not None and str(failure.cause) == AttemptCause.CONTEXT_OVERFLOW)
        ):
            return None
        answer = end.answer if state is MessageState.DONE else None
        return NewTurn(members[-1], run.lane_id, run.conversation, run.last_turn, text, state, end.now, answer)

    @property
    def cause(self) -> Cause | None:
        return None if self.outcome.failure is None else self.outcome.failure.cause


def _write(tx: Transaction, ended: Sequence[_Ended]) -> None:
    turns = [each.turn for each in ended]
    released = tx.many(sql.RELEASE_LANE, [_lane(each, turn) for each, turn in zip(ended, turns, strict=True)])
    assert released == len(ended), "the held runs were read in this transaction"
    tx.many(sql.END_RUN, [_run(each) for each in ended])
    write_turns(tx, [turn for turn in turns if turn is not None])
    write_events(tx, [_event(each) for each in ended])
    for each in ended:
        for kind in each.pauses:
            pause_lane(tx, each.run.lane_id, kind, each.end.now, actor=each.end.by, reason=kind)
    for each in ended:
        if each.end.used is not None:
            note_usage(tx, each.run.lane_id, each.run.run_id, each.end.used)
    requeued = [(each, message) for each in ended if each.requeued for message in each.members]
    tx.many(sql.PARK_MESSAGE, [_parked(*one) for one in requeued])
    if requeued and tx.rows(further.ANY_MOVED, {}):  # their place may not be the first
        for lane, now in {each.run.lane_id: each.end.now.wall for each, _ in requeued}.items():
            tx.run(sql.RESET_HEAD, {"lane": lane, "now": now})
    finish(tx, [_ending(each, message) for each in ended if not each.requeued for message in each.members])
    write_events(tx, [_event_of_member(each, message) for each in ended for message in each.members[:-1]])
    for each in ended:
        if each.run.has_input:
            give_back(tx, each.run.run_id, each.run.question, each.end.now)


def _lane(each: _Ended, turn: NewTurn | None) -> Bindings:
    """The row of the lane; a requeued message becomes its head again."""
    end, state, failure = each.end, TRANSITIONS[each.outcome.edge].target, each.outcome.failure
    remembers = failure is not None and state is not LaneState.IDLE
    error = (each.cause, failure.message, end.now.wall) if failure and remembers else (None, None, None)
    head = each.members[0] if each.requeued else None
    of_lane = (str(state), each.epoch, head, turn and turn_of(turn.message))
    return *of_lane, *error, end.now.wall, each.run.lane_id, *end.ticket


def _run(each: _Ended) -> Bindings:
    end, edge = each.end, str(each.outcome.edge)
    late_reply = end.answer.text if end.answer is not None and edge == Edge.ABORT else None
    return edge, each.cause, int(end.forced), end.now.wall, end.by, late_reply, edge, each.run.run_id


def _parked(each: _Ended, message: int) -> dict[str, Any]:
    end, outcome, failure = each.end, each.outcome, each.outcome.failure
    row = parking(message, MessageState.RUNNING, outcome.parked_until, end.now, end.providers, outcome.again)
    row["attempts"] = attempts_json(failure.attempts) if failure else None
    return row if outcome.again is not None else row | {"interruptions": outcome.interruptions}


def _ending(each: _Ended, message: int) -> Ending:
    """The reply is stored with the last message of the batch."""
    end, run, outcome, *_ = each
    last = each.members[-1]
    done, bound = outcome.message_state is MessageState.DONE, run.bound_to is not None
    fields = (message, run.lane_id, run.run_id, bound, outcome.message_state, outcome.interruptions, end.now)
    answer = end.answer if done and message == last else None
    answered_by = last if done and message != last else None
    return Ending(*fields, answer, outcome.message_failure, answered_by)


#: The detail of most releases.
_DONE = json.dumps({"message_state": MessageState.DONE})
_RUNNING = str(LaneState.RUNNING)


def _event(each: _Ended) -> Bindings:
    end, run, outcome, epoch, *_ = each
    completed = outcome.edge is Edge.COMPLETE
    provider_detail = end.answer.told if end.answer is not None and completed else None
    detail = _DONE if completed and not provider_detail else _detail(end, run, outcome) | (provider_detail or {})
    return event(
        outcome.edge,
        end.now,
        lane=run.lane_id,
        from_state=_RUNNING,
        to_state=str(TRANSITIONS[outcome.edge].target),
        run=run.run_id,
        message=run.message_id,
        epoch=epoch,
        actor=end.by,
        cause=each.cause,
        detail=detail,
    )


def _detail(end: End, run: HeldRun, outcome: RunEnd) -> dict[str, Any]:
    failure = outcome.failure
    detail: dict[str, Any] = {"message_state": outcome.message_state}
    if failure is not None:
        detail["message"] = failure.message
        limit = {"budget_ms": failure.budget_ms, "elapsed_ms": failure.elapsed_ms}
        detail |= {name: ms for name, ms in limit.items() if ms is not None}
    if end.forced:
        detail |= {"forced": True, "epoch_before": end.ticket.epoch}
    if outcome.parked_until is not None:
        detail["parked_until"] = outcome.parked_until
    if outcome.again is not None:
        detail["retry"] = run.retries + 1
        detail |= {} if outcome.again.hold else {"aside": True}
    if outcome.edge is Edge.ABORT:
        detail |= {"requested_by": run.abort_actor, "reason": run.abort_reason}
    return detail


def _event_of_member(each: _Ended, message: int) -> Bindings:
    """The event for a message that was answered, or ended, together with the message of the run."""
    end, run, outcome, *_ = each
    failure, state = outcome.message_failure, str(outcome.message_state)
    fields: dict[str, Any] = {"lane": run.lane_id, "from_state": str(MessageState.RUNNING), "to_state": state}
    fields |= {"run": run.run_id, "message": message, "cause": failure.cause if failure else None}
    return event(EventType.ENDED, end.now, **fields, actor=end.by, detail={"together_with": run.message_id})


def note_usage(tx: Transaction, lane: int, run: int, usage: RunUsage) -> None:
    """Store the usage of a run. It counts even if the reply does not."""
    tx.run(further.NOTE_USAGE, {"usage": json.dumps(usage._asdict()), "run": run})
    tx.run(further.ADD_USAGE, usage._asdict() | {"lane": lane})


def _refuse(tx: Transaction, ends: Sequence[End]) -> None:
    """For superseded runs that wrote: count the write, keep the late reply with the run, and record the refusal."""
    for end in ends:
        late_reply, (run, epoch) = None if end.answer is None else end.answer.text, end.ticket
        for lane, message in tx.rows(sql.REFUSE_WRITE, {"run": run, "late_reply": late_reply}):
            if end.used is not None:
                note_usage(tx, lane, run, end.used)
            fields = {"lane": lane, "run": run, "message": message, "epoch": epoch}
            record(tx, EventType.REFUSED_WRITE, end.now, **fields, actor=end.by, detail={"edge": end.edge})
