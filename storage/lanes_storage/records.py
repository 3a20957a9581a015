"""What goes in and out of storage: plain frozen records, times in whole milliseconds.

``…_at`` is wall time (Unix, milliseconds), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers given by the database and rise with time.
"""

from dataclasses import dataclass, field
from typing import Any

from lanes_storage.law import (
    BoundTo,
    Cause,
    Edge,
    LaneState,
    MessageState,
    Mode,
    OnInterrupt,
    OnSurvivors,
    Overflow,
    RunnerKind,
)

# ---------------------------------------------------------------------------------------------- input


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One piece of input to accept. Exactly one of ``text`` and ``request`` is given; a hold, which is bound to
    its waiter and whose work nobody else does, has neither.

    ``request`` is the JSON text of a chat request with a history of its own. ``runner`` names a runner
    (None: the policy decides). ``bound_owner`` is the owner whose end is this message's end as well.
    ``anonymous`` marks a lane made for one request, not listed once that has ended.
    """

    key: str
    text: str | None = None
    request: str | None = None
    runner: str | None = None
    actor: str = "unknown"
    bound_to: BoundTo | None = None
    bound_owner: int | None = None
    anonymous: bool = False
    idempotency: "Idempotency | None" = None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A sender's own name for one message, scoped to lane and token."""

    key: str
    token: str  # the name of the token, never the token
    digest: str  # of the body: the same key with another body is refused


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits under which a message is accepted."""

    cap: int = 20  # waiting messages of one lane
    if_idle: bool = False  # refuse when the lane has an unfinished message
    mode: Mode = Mode.QUEUE
    overflow: Overflow = Overflow.REJECT
    waiting_run: int | None = None  # the run that will wait for the message: refused where that closes a cycle


@dataclass(frozen=True, slots=True)
class NewOwner:
    """A process that is about to hold or wait for lanes."""

    kind: str  # gateway | desk
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int  # of the process, in the kernel's ticks since boot: tells a reused pid
    fingerprint: str  # of the configuration
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits and policies that a run is claimed under. Judges use these, never their own."""

    run_timeout_ms: int | None
    stall_timeout_ms: int | None
    abort_grace_ms: int
    reconcile_interval_ms: int
    warn_held_after_ms: int
    max_park_ms: int
    on_interrupt: OnInterrupt
    on_survivors: OnSurvivors


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a run must show to write: its id and its epoch."""

    run_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Beat:
    """One live run as its owner's heartbeat names it."""

    ticket: Ticket
    progress: str
    progress_boot: int
    progress_at: int
    busy_until_boot: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One provider that was tried for a message."""

    provider: str
    cause: str  # an AttemptCause, or another word a provider gave
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something ended otherwise than well."""

    cause: Cause
    message: str
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run produced. ``detail`` is JSON text for surfaces that show more than the text."""

    text: str
    detail: str | None = None
    attempts: tuple[Attempt, ...] = ()


# --------------------------------------------------------------------------------------------- output


@dataclass(frozen=True, slots=True)
class Message:
    """One row of ``messages``, with the key of its lane."""

    id: int
    lane_id: int
    key: str
    state: MessageState
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    bound_to: BoundTo | None
    bound_owner: int | None
    run_id: int | None
    reply: str | None
    reply_detail: str | None
    error: Failure | None
    interruptions: int
    parked_until: int | None
    parked_since: int | None
    retry_of: int | None
    retried_as: int | None
    answered_by: int | None
    batch: int | None
    accepted_at: int
    started_at: int | None
    ended_at: int | None
    position: int | None = None  # 1 for the head; None unless queued


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a released lane that might be claimed, and what decides about it."""

    lane_id: int
    key: str
    state: LaneState
    epoch: int
    message_id: int
    runner: str | None
    interruptions: int
    parked_since: int | None
    accepted_at: int
    batch: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits behind or at the head of a lane, as far as collecting is about it."""

    id: int
    text: str | None
    runner: str | None
    bound_to: BoundTo | None
    batch: int | None
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that landed: the run, its fence and the message it is for.

    ``members`` are the messages that it answers, in their order; more than one where they were collected. Then
    ``message`` is the last of them, with all their texts.
    """

    ticket: Ticket
    message: Message
    terms: Terms
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """What a release door did.

    ``landed`` False: the run had lost its lane before (its id and epoch stand no more); nothing changed
    but the count of its refused writes. ``edge`` is what really happened: once an abort is requested,
    every release is the abort edge.
    """

    landed: bool
    edge: Edge | None = None
    message_state: MessageState | None = None
    epoch: int | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Run:
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
    boot_id: str
    progress: str
    progress_at: int
    progress_boot: int
    busy_until_boot: int | None
    left_out: int
    process_host: str | None
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
    waiting: bool  # for a message of another lane: it is not stalled

    @property
    def epoch(self) -> int:
        """The fencing token that this run was claimed under."""
        return self.id

    @property
    def ticket(self) -> Ticket:
        """What this run must show to write."""
        return Ticket(self.id, self.epoch)


@dataclass(frozen=True, slots=True)
class Owner:
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
    heartbeats: int
    drain_by: str | None
    drain_at: int | None
    drain_until: int | None
    ended_at: int | None
    ended_cause: str | None
    held: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a lane claims nothing. ``until`` None: until someone resumes it."""

    reason: str
    actor: str
    at: int
    until: int | None


@dataclass(frozen=True, slots=True)
class LastError:
    """How the last run of a lane ended, when it did not end well."""

    cause: Cause
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as lists show it: its row, its open run and owner, and what waits."""

    id: int
    key: str
    state: LaneState
    epoch: int
    anonymous: bool
    pause: Pause | None
    queued: int
    head_id: int | None
    head_accepted_at: int | None
    parked_until: int | None
    last_error: LastError | None
    updated_at: int
    run: Run | None
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class Event:
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


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A provider that is left alone until a stored time."""

    provider: str
    cause: str
    since: int
    until: int
    tries: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of everything that status shows."""

    lanes: dict[str, int]
    paused: int
    queued: int
    dead_letters: int
    oldest_head_at: int | None
    ghosts: int
    unlimited: int = 0  # held lanes whose run_timeout or stall_timeout is off


@dataclass(frozen=True, slots=True)
class LaneFilter:
    """Which lanes to list. Every condition that is given must hold.

    ``match`` is a glob over keys (``*``, ``?``, ``[…]``), ``contains`` a plain part of the key (the case is
    ignored), ``held_since`` the latest wall time of the claim, ``keys`` an exact choice.
    """

    states: tuple[LaneState, ...] = ()
    match: str | None = None
    contains: str | None = None
    held_since: int | None = None
    keys: tuple[str, ...] = field(default=())
