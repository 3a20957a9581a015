"""How a run ends: the command, what is read about the run, and the decision. Pure functions, without a database."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from lanes_storage.clock import Now
from lanes_storage.law import (
    COUNTED_INTERRUPTIONS,
    GHOST_AFTER,
    INTERRUPTIONS,
    MAX_CUTS,
    MAX_INTERRUPTIONS,
    PASSING,
    BoundTo,
    Cause,
    Edge,
    MessageState,
    OnInterrupt,
    PauseKind,
)
from lanes_storage.records import RetryTerms, RunFailure, RunResult, RunUsage, Ticket

#: How long a client on its connection waits for providers that refuse a key, a model or a quota, in milliseconds: only
#: a person can end such a refusal, and the client would hear nothing meanwhile.
CLIENT_PARK_MS = 10_000


class Evidence(NamedTuple):
    """What the judging process read before it decided. The release takes effect only if that is still true.

    A field is None if the decision did not depend on it.
    """

    heartbeats: int | None = None  # the owner's count of heartbeats: unchanged if the owner is still silent
    progress_boot: int | None = None  # the time of the run's last progress: unchanged if the run is still stalled
    ghost: bool = False  # the heartbeats still do not name the run
    works: bool = False  # no heartbeat has reported that its work has ended


class End(NamedTuple):
    """The command: end a run by this edge. ``forced``: its owner has not confirmed that the run has ended."""

    ticket: Ticket
    edge: Edge
    now: Now
    by: str
    answer: RunResult | None = None
    failure: RunFailure | None = None
    parked_until: int | None = None
    forced: bool = False
    evidence: Evidence | None = None
    retry: RetryTerms | None = None  # None: no automatic retry
    providers: Sequence[str] = ()  # those that a parked message waits for

    @property
    def about(self) -> tuple[int]:
        return (self.ticket.run_id,)

    @property
    def used(self) -> RunUsage | None:
        """What the run used, if its answer reports it."""
        return None if self.answer is None else self.answer.usage


class HeldRun(NamedTuple):
    """A run that still holds its lane: a row of ``statements.HELD_RUNS`` after the place of its command."""

    run_id: int
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
    heartbeats: int
    interruptions: int
    bound_to: str | None
    parked_since: int | None
    batch: int | None
    drain_at: int | None  # when its owner began to drain
    body_ended_at: int | None
    retries: int = 0
    accepted_at: int = 0
    process_pid: int | None = None
    conversation: int = 1
    last_turn: int | None = None
    text: str | None = None  # for the conversation; None if its lane has none, or for a request with its own history
    has_input: int = 0  # whether messages wait for the run to take them
    question: str | None = None
    epoch: int = 0  # of its lane


class RunEnd(NamedTuple):
    """How a run really ends.

    ``failure`` is what the lane stores, ``message_failure`` what the message stores; they differ if the message is
    requeued, or ends for another reason (poison, a client that is gone).
    """

    edge: Edge
    message_state: MessageState
    interruptions: int
    failure: RunFailure | None = None
    message_failure: RunFailure | None = None
    parked_until: int | None = None
    pause: PauseKind | None = None
    again: RetryTerms | None = None  # the terms of the retry that the message waits for


def decide(end: End, run: HeldRun | None, cuts: int) -> RunEnd | None:
    """How the run really ends. Returns None if this command does not end it; then nothing changes.

    That is so if the run no longer holds its lane (``run`` is None), has changed since it was judged, or if nobody
    requested the abort. ``cuts``: how often runs of its message were interrupted before, if this may be one more.
    """
    if run is None or (end.evidence is not None and not _still_so(end.evidence, run)):
        return None
    if run.abort_at is not None:
        sentence = f"aborted by {run.abort_actor}" + (f": {run.abort_reason}" if run.abort_reason else "")
        failure = RunFailure(Cause.read(run.abort_cause), sentence)
        return RunEnd(Edge.ABORT, MessageState.ABORTED, run.interruptions, failure, failure)
    if end.edge is Edge.ABORT:
        return None
    if end.edge is Edge.COMPLETE:
        return RunEnd(end.edge, MessageState.DONE, run.interruptions)
    assert end.failure is not None
    failure, retry = end.failure, end.retry
    # only its owner may claim a bound message, so that cannot wait for another run once the owner drains
    may_wait = run.bound_to is None or run.drain_at is None
    if end.edge is Edge.PARK and may_wait:
        limit = ParkLimit.of(run.max_park_ms, run.bound_to, {each.cause for each in failure.attempts})
        since = end.now.wall if run.parked_since is None else run.parked_since
        if end.parked_until is None or limit.allows(since, end.parked_until):
            return RunEnd(Edge.PARK, MessageState.QUEUED, run.interruptions, failure, parked_until=end.parked_until)
        failure, retry = limit.passed(failure), limit.again(retry)
    # if the runner itself reported such a cause, the run has failed
    if end.edge is Edge.RECLAIM and failure.cause in INTERRUPTIONS:
        return _interrupted(end.edge, run, failure, cuts + 1)
    # only its waiter can do the work of a hold
    retry = retry if may_wait and run.bound_to != BoundTo.WAITER else None
    if (again := retry_at(retry, failure, run.message_id, run.retries, run.accepted_at, end.now)) is not None:
        return RunEnd(Edge.PARK, MessageState.QUEUED, run.interruptions, failure, parked_until=again, again=retry)
    edge = Edge.FAIL if end.edge is Edge.PARK else end.edge
    return RunEnd(edge, MessageState.FAILED, run.interruptions, failure, failure)


class ParkLimit(NamedTuple):
    """How long a message may wait for its providers, over all its parks.

    ``lasting``: the causes for which the providers refuse it, if these make the limit shorter than ``max_park`` because
    only a person can end them.
    """

    max_park_ms: int
    lasting: frozenset[str] = frozenset()

    @classmethod
    def of(cls, max_park_ms: int, bound_to: str | None, causes: Collection[str]) -> "ParkLimit":
        """The limit of a message that its providers refuse for these causes."""
        if bound_to == BoundTo.CLIENT and PASSING.isdisjoint(causes) and max_park_ms > CLIENT_PARK_MS and causes:
            return cls(CLIENT_PARK_MS, frozenset(causes))
        return cls(max_park_ms)

    def allows(self, since: int, until: int) -> bool:
        """Whether a message that has been parked since ``since`` may wait until ``until``."""
        return until <= since + self.max_park_ms

    def passed(self, failure: RunFailure) -> RunFailure:
        """The failure of a message that would have to wait longer."""
        reason = "its client is not kept waiting for that" if self.lasting else "it may wait no longer (max_park)"
        return failure._replace(message=f"{failure.message}; {reason}")

    def again(self, retry: RetryTerms | None) -> RetryTerms | None:
        """The retry that may still run the message: for lasting causes, only if it names one of them."""
        return None if retry is not None and self.lasting and retry.causes.isdisjoint(self.lasting) else retry


def retry_at(
    retry: RetryTerms | None, failure: RunFailure, message: int, retries: int, accepted_at: int, now: Now
) -> int | None:
    """When (wall time) a message that failed is retried automatically; None: it is not, and ends."""
    if retry is None or retries + 1 >= retry.attempts or not retry.covers(failure):
        return None
    at = now.wall + retry.wait_ms(retries, message)
    return at if at <= accepted_at + retry.max_age_ms else None


def parking(
    message: int, before: MessageState, until: int | None, now: Now, providers: Sequence[str], retry: RetryTerms | None
) -> dict[str, Any]:
    """The parameters of ``statements.PARK_MESSAGE`` for a message that waits for ``retry``, or for one of
    ``providers``. ``until``: a wall time; None: until a slot is free."""
    row: dict[str, Any] = {
        "message": message,
        "before": before,
        "until": until,
        "attempts": None,
        "interruptions": None,
    }
    row |= {"retry": retry is not None, "aside": retry is not None and not retry.hold}
    parked_for = json.dumps([*providers]) if providers and retry is None and until is not None else None
    return row | {"since": None if until is None else now.wall, "parked_for": parked_for}


def _still_so(evidence: Evidence, held: HeldRun) -> bool:
    return (
        (evidence.heartbeats is None or evidence.heartbeats == held.heartbeats)
        and (evidence.progress_boot is None or evidence.progress_boot == held.progress_boot)
        and (not evidence.ghost or held.left_out >= GHOST_AFTER)
        and (not evidence.works or held.body_ended_at is None)
    )


def _interrupted(edge: Edge, run: HeldRun, failure: RunFailure, cuts: int) -> RunEnd:
    # the message ends together with the client or process that it is bound to, and does not run again
    if run.bound_to is not None:
        ending = RunFailure(BoundTo.read(run.bound_to).end_cause, failure.message)
        return RunEnd(edge, MessageState.ABORTED, run.interruptions, failure, ending)
    # a draining owner was asked to end: if it dies before it is done, that is not the message's fault
    count = run.interruptions + (failure.cause in COUNTED_INTERRUPTIONS and run.drain_at is None)
    if run.on_interrupt == OnInterrupt.FAIL:
        return RunEnd(edge, MessageState.FAILED, count, failure, failure)
    if count >= MAX_INTERRUPTIONS:
        poison = RunFailure(Cause.POISON, f"interrupted {count} times, last: {failure.message}")
        return RunEnd(edge, MessageState.FAILED, count, poison, poison)
    if cuts >= MAX_CUTS:
        drained = RunFailure(Cause.DRAINED, f"cut {cuts} times, mostly by drains, last: {failure.message}")
        return RunEnd(edge, MessageState.FAILED, count, drained, drained)
    pause = PauseKind.INTERRUPTED if run.on_interrupt == OnInterrupt.PAUSE else None
    return RunEnd(edge, MessageState.QUEUED, count, failure, pause=pause)
