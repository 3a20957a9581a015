"""What the end of a run means for its lane and its message: pure decisions, no statement."""

from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.law import (
    COUNTED_INTERRUPTIONS,
    INTERRUPTIONS,
    MAX_CUTS,
    MAX_INTERRUPTIONS,
    BoundTo,
    Cause,
    Edge,
    MessageState,
    OnInterrupt,
    OnSurvivors,
    PauseKind,
    RunnerKind,
)
from lanes_storage.records import RunFailure, RunResult


class HeldRun(NamedTuple):
    """A run that still holds its lane: a row of ``statements.STANDING_RUNS``, in its order."""

    lane_id: int
    message_id: int
    kind: str
    on_interrupt: str
    on_survivors: str
    max_park_ms: int
    abort_at: int | None
    abort_cause: str | None
    abort_actor: str | None
    abort_reason: str | None
    left_out: int
    progress_boot: int
    busy_until_boot: int | None
    owner_id: int
    heartbeats: int
    interruptions: int
    bound_to: str | None
    parked_since: int | None
    batch: int | None
    drain_at: int | None  # of its owner
    body_ended_at: int | None


class RunEnd(NamedTuple):
    """How a run really ends.

    ``failure`` is what the lane remembers, ``message_failure`` what the message says; they differ where
    the message goes on, or ends for a reason of its own (poison, a client that is gone).
    """

    edge: Edge
    message_state: MessageState
    interruptions: int
    failure: RunFailure | None = None
    message_failure: RunFailure | None = None
    parked_until: int | None = None
    pause: PauseKind | None = None


def judge(
    run: HeldRun,
    edge: Edge,
    now: Now,
    *,
    answer: RunResult | None = None,
    failure: RunFailure | None = None,
    parked_until: int | None = None,
    cuts: int = 0,
) -> RunEnd | None:
    """Decide how a standing run ends. None: an abort was attempted that nobody had requested.

    ``cuts``: how many runs of its message were interrupted before, for an edge that may be one more.
    """
    if run.abort_at is not None:
        return _aborted(run)
    if edge is Edge.ABORT:
        return None
    if edge is Edge.COMPLETE:
        assert answer is not None
        return RunEnd(edge, MessageState.DONE, run.interruptions)
    assert failure is not None
    if edge is Edge.PARK:
        return _parked(run, failure, parked_until, now)
    if edge is Edge.RECLAIM and failure.cause in INTERRUPTIONS:  # a runner that uses such a word only failed
        return _interrupted(run, edge, failure, cuts + 1)
    return RunEnd(edge, MessageState.FAILED, run.interruptions, failure, failure)


def survivors_pause(run: HeldRun) -> PauseKind | None:
    """Which pause a lane gets whose last run may have left processes behind, or None."""
    wary = run.kind == RunnerKind.COMMAND and run.on_survivors == OnSurvivors.PAUSE
    return PauseKind.SURVIVORS if wary else None


def _aborted(run: HeldRun) -> RunEnd:
    cause = Cause.read(run.abort_cause or Cause.ABORTED)
    words = f"aborted by {run.abort_actor}" + (f": {run.abort_reason}" if run.abort_reason else "")
    failure = RunFailure(cause, words)
    return RunEnd(Edge.ABORT, MessageState.ABORTED, run.interruptions, failure, failure)


def _parked(run: HeldRun, failure: RunFailure, until: int | None, now: Now) -> RunEnd:
    if until is None:
        return RunEnd(Edge.PARK, MessageState.QUEUED, run.interruptions, failure)
    since = now.wall if run.parked_since is None else run.parked_since
    if until > since + run.max_park_ms:
        return RunEnd(Edge.FAIL, MessageState.FAILED, run.interruptions, failure, failure)
    return RunEnd(Edge.PARK, MessageState.QUEUED, run.interruptions, failure, parked_until=until)


def _interrupted(run: HeldRun, edge: Edge, failure: RunFailure, cuts: int) -> RunEnd:
    if run.bound_to is not None:  # it dies with what it is bound to, and never runs again
        gone = BoundTo.read(run.bound_to).gone
        ending = RunFailure(gone, failure.message)
        return RunEnd(edge, MessageState.ABORTED, run.interruptions, failure, ending)
    # an owner that was draining was told to end: that it died before it was done is no fault of its message
    counted = failure.cause in COUNTED_INTERRUPTIONS and run.drain_at is None
    count = run.interruptions + counted
    if run.on_interrupt == OnInterrupt.FAIL:
        return RunEnd(edge, MessageState.FAILED, count, failure, failure)
    if count >= MAX_INTERRUPTIONS:
        poison = RunFailure(Cause.POISON, f"interrupted {count} times, last: {failure.message}")
        return RunEnd(edge, MessageState.FAILED, count, poison, poison)
    if cuts >= MAX_CUTS:
        worn = RunFailure(Cause.DRAINED, f"cut {cuts} times, mostly by drains, last: {failure.message}")
        return RunEnd(edge, MessageState.FAILED, count, worn, worn)
    pause = PauseKind.INTERRUPTED if run.on_interrupt == OnInterrupt.PAUSE else None
    return RunEnd(edge, MessageState.QUEUED, count, failure, pause=pause)
