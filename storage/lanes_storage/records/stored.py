"""The stored records: one for each kind of row."""

from typing import Any, NamedTuple

from lanes_storage.law import BoundTo, Cause, Edge, MessageState, PauseKind, RunnerKind, TurnState
from lanes_storage.records.given import AttemptPhase, ProcessIdentity, ProviderAttempt, RunFailure, Terms, Ticket
from lanes_storage.records.questions import RunQuestion


class MessageRow(NamedTuple):
    """One row of ``messages``, with the key of its lane. The defaults are those of a newly accepted message."""

    id: int
    lane_id: int
    key: str
    state: MessageState
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    bound_to: BoundTo | None = None
    bound_owner: int | None = None
    run_id: int | None = None
    reply: str | None = None
    reply_detail: str | None = None
    error: RunFailure | None = None
    interruptions: int = 0
    parked_until: int | None = None
    parked_since: int | None = None
    retry_of: int | None = None
    retried_as: int | None = None
    answered_by: int | None = None
    batch: int | None = None
    accepted_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    position: int | None = None  # 1 for the head; None unless queued
    reply_so_far: str | None = (
        None  # the last part of the reply at the last heartbeat of the run, unless the run completed
    )
    attempts: tuple[ProviderAttempt, ...] = ()  # the attempts that failed, even if another provider answered
    retries: int = 0  # how often it was run once more by itself, after a run that failed
    expires_at: int | None = None  # if it still waits at that wall time, it ends as expired


class TurnRow(NamedTuple):
    """One row of ``turns``: what a person said and what was answered (None: nothing was)."""

    id: int
    conversation: int
    message_id: int | None
    text: str
    reply: str | None
    answer: str | None  # JSON array of chat messages, if it was more than its text
    state: TurnState
    tokens: int | None
    at: int


class ConversationRow(NamedTuple):
    """One conversation of a lane: its number, how many turns are kept of it, and when it was first and last used."""

    number: int
    turns: int
    began_at: int
    last_at: int


class ConversationState(NamedTuple):
    """The present conversation of a lane: its number, and the first turn that a model may be told."""

    lane_id: int
    number: int
    told_from: int


class RunRow(NamedTuple):
    """One row of ``runs``, with the key of its lane. Its id is the epoch of its claim."""

    id: int
    lane_id: int
    key: str
    message_id: int
    owner_id: int
    runner: str
    kind: RunnerKind
    terms: Terms
    claimed_at: int
    claimed_boot: int
    claimed_slept_ms: int | None
    boot_id: str
    progress: str
    progress_at: int
    progress_boot: int
    progress_slept_ms: int | None
    busy_until_boot: int | None
    left_out: int
    process_host: str | None
    process_boot_id: str | None
    process_pid: int | None
    process_start_time: int | None
    process_group: int | None
    abort_at: int | None
    abort_boot: int | None
    abort_boot_id: str | None
    abort_grace_asked_ms: int | None
    abort_actor: str | None
    abort_reason: str | None
    abort_cause: Cause | None
    edge: Edge | None
    cause: Cause | None
    forced: bool
    ended_at: int | None
    ended_by: str | None
    refused_writes: int
    late_reply: str | None
    waiting: bool  # the run waits for a message of another lane, so it is not stalled
    abort_slept_ms: int | None = None
    # the runner's work has ended, but the release is not stored yet: no limit applies any more
    body_ended_at: int | None = None
    attempt: AttemptPhase | None = None  # the provider that it asks now
    question: RunQuestion | None = None  # what it asks its sender now
    input_ms: int = 0  # how long it waited for the answers to earlier questions

    @property
    def epoch(self) -> int:
        """The fencing token that this run was claimed under."""
        return self.id

    @property
    def ticket(self) -> Ticket:
        """The id and epoch that this run must present to write."""
        return Ticket(self.id, self.epoch)


class Wait(NamedTuple):
    """A run that waits, in a process, for an unfinished message of the lane ``key``."""

    run_id: int
    message_id: int
    key: str
    process: ProcessIdentity
    since: int


class OwnerRow(NamedTuple):
    """One row of ``owners``."""

    id: int
    kind: str
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int
    fingerprint: str
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: tuple[str, ...]
    url: str | None
    started_at: int
    heartbeat_at: int
    heartbeat_boot: int
    slept_ms: int | None
    heartbeats: int
    drain_by: str | None
    drain_at: int | None
    drain_until: int | None
    ended_at: int | None
    ended_cause: str | None
    held: int = 0


class Repeated(NamedTuple):
    """The same request was ended a moment ago. ``times``: how often it was asked. Nothing but this was stored."""

    cause: str
    times: int
    until: int


class PauseRow(NamedTuple):
    """Why no run may claim a lane. ``until`` is None if only a person ends the pause.

    ``pattern``: the glob over keys that is paused; None if the pause is of the lane itself.
    """

    reason: str
    actor: str
    at: int
    until: int | None
    kind: PauseKind = PauseKind.HAND
    pattern: str | None = None


class LastErrorRow(NamedTuple):
    """How the last run of a lane ended, if it failed."""

    cause: Cause
    message: str
    at: int


class EventRow(NamedTuple):
    """One row of the journal."""

    id: int
    at: int
    type: str
    key: str | None
    from_state: str | None
    to_state: str | None
    run_id: int | None
    message_id: int | None
    epoch: int | None
    actor: str | None
    cause: str | None
    detail: dict[str, Any] | None


class CooldownRow(NamedTuple):
    """A provider that is not asked until a stored time."""

    provider: str
    cause: str
    since: int
    until: int
    tries: int


class UnprovenRun(NamedTuple):
    """A command run that was released by force: it is not proven yet whether it left processes behind.

    ``survivors``: the processes that were last seen; None if no process could check. ``started``: it had processes at
    all. ``keeper``: the process that leads them; None if an older lanes wrote the row.
    """

    id: int
    key: str
    abort_grace_ms: int
    survivors: tuple[str, ...] | None
    started: bool
    keeper: ProcessIdentity | None


class ClockNote(NamedTuple):
    """How far the wall clock was ahead of the boot clock in a boot; None: nobody noted it yet."""

    ahead: int | None
    boot: int | None
