"""What the dashboard knows of lanes: small records that any source can fill, whatever it stores itself.

``…_ms`` is an age or a duration as it was when the record was read: whoever shows it later adds what has passed
since (``lanes_tui.columns.Sight``). ``…_at`` and ``…_until`` are wall time in milliseconds. Ids are opaque.
"""

from dataclasses import dataclass, field
from typing import Any

from lanes_storage.law import LaneState, MessageState
from lanes_storage.moment import Now


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds a lane."""

    id: str
    host: str
    pid: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a lane claims nothing. ``until`` None: until someone resumes it."""

    reason: str
    until: int | None


@dataclass(frozen=True, slots=True)
class LastError:
    """How the last run of a lane ended, when it did not end well."""

    cause: str
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Run:
    """The run that holds a lane. ``left_ms`` is negative once it is overdue; None: it has no limit."""

    id: str
    message_id: str
    held_ms: int
    left_ms: int | None
    stall_limit_ms: int | None
    beat_ms: int | None
    quiet_ms: int
    progress: str
    aborting: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as the table shows it."""

    key: str
    state: LaneState
    epoch: int
    pause: Pause | None
    queued: int
    head_wait_ms: int | None
    interruptions: int
    parked_until: int | None
    last_error: LastError | None
    updated_at: int
    run: Run | None
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A lane as it was when somebody chose it for an action: what has moved on since is left alone."""

    key: str
    epoch: int
    state: LaneState

    @classmethod
    def of(cls, lane: Lane) -> "Mark":
        """The lane as it is on the screen."""
        return cls(lane.key, lane.epoch, lane.state)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a search came to: the lane, its place among those that the filter chooses, and the count of all hits."""

    key: str
    place: int
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One provider that was tried for a message."""

    provider: str
    cause: str
    message: str
    at: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message ended otherwise than well."""

    cause: str
    message: str
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a lane. ``text`` None: a chat request with a history of its own.

    ``reply_so_far``: the end of what its run had said at its last heartbeat, unless it completed.
    """

    id: str
    key: str
    state: MessageState
    position: int | None
    text: str | None
    reply: str | None
    reply_so_far: str | None
    error: Failure | None
    interruptions: int
    parked_until: int | None
    retry_of: str | None
    retried_as: str | None
    answered_by: str | None
    accepted_at: int
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the journal."""

    id: str
    at: int
    type: str
    key: str | None
    from_state: str | None
    to_state: str | None
    run_id: str | None
    message_id: str | None
    epoch: int | None
    actor: str | None
    cause: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """An abort that was requested."""

    at: int
    actor: str | None
    reason: str | None
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is held to. None: that limit is off, or not known."""

    runner: str
    kind: str
    run_timeout_ms: int | None
    stall_timeout_ms: int | None
    abort_grace_ms: int
    stale_after_ms: int | None
    busy_ms: int | None
    asked: Asked | None
    missed_heartbeats: int
    refused_writes: int


@dataclass(frozen=True, slots=True)
class Detail:
    """One lane with its newest messages, its last events, and the paragraph that says what it waits for."""

    at: Now
    lane: Lane
    why: str
    limits: Limits | None
    messages: list[Message]
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Drain:
    """Who asked an owner to claim nothing more. ``until`` None: without an end."""

    by: str
    until: int | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway, or a desk that holds lanes for its own code, and whether it lives as far as the source can tell."""

    kind: str  # "gateway" or "desk"
    id: str
    host: str
    pid: int
    alive: bool
    held: int
    draining: Drain | None
    started_at: int
    beat_ms: int
    url: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A provider that is left alone."""

    provider: str
    cause: str
    until: int


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at a glance, as it was at ``at``."""

    at: Now
    gateways: list[Gateway]
    desks: list[Gateway]
    lanes: dict[str, int]
    paused: int
    queued: int
    dead_letters: int
    oldest_head_ms: int | None
    ghosts: int
    unlimited: int
    silent: int
    cooldowns: list[Cooldown] = field(default_factory=list)

    @property
    def owners(self) -> list[Gateway]:
        """All processes that may hold lanes."""
        return [*self.gateways, *self.desks]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the lanes that a filter chooses, in the order that was asked for.

    ``offset`` is the place of the first row among all ``total``. ``at`` is when it was read.
    """

    at: Now
    offset: int
    rows: list[Lane]
    total: int

    def place_of(self, key: str) -> int | None:
        """Where a lane stands among all, if it is in this window."""
        return next((self.offset + i for i, lane in enumerate(self.rows) if lane.key == key), None)

    def lane_at(self, place: int) -> Lane | None:
        """The lane at that place, if it is in this window."""
        inside = 0 <= place - self.offset < len(self.rows)
        return self.rows[place - self.offset] if inside else None
