"""Lanes, their messages and their runs."""

from sqlalchemy import CheckConstraint, Column, Computed, Index, Integer, Text
from sqlmodel import Field

from lanes_storage.fragments import dead_letter, one_of, unlisted, unproven
from lanes_storage.law import (
    GHOST_AFTER,
    HELD,
    MAX_KEY,
    RELEASES,
    REMEMBERING,
    TERMINAL,
    BoundTo,
    LaneState,
    MessageState,
    OnInterrupt,
    OnSurvivors,
    PauseKind,
    RunnerKind,
)
from lanes_storage.schema.columns import Table, identity, number, partial, reference, together


class LaneTable(Table, table=True):
    """The one row per session key. It alone says whether the lane is held."""

    __tablename__ = "lanes"
    __table_args__ = (
        CheckConstraint(f"length(key) BETWEEN 1 AND {MAX_KEY}", name="lane_key_length"),
        CheckConstraint(one_of("state", LaneState), name="lane_state"),
        CheckConstraint(f"{one_of('state', HELD)} = (run_id IS NOT NULL)", name="lane_held_by_one_run"),
        CheckConstraint("run_id IS NULL OR epoch > 0", name="lane_held_under_an_epoch"),
        CheckConstraint("parent_id IS NULL OR parent_id <> id", name="lane_is_not_its_parent"),
        CheckConstraint(together("error_cause", "error_message", "error_at"), name="lane_error_whole"),
        # The indexes of the hot path: lanes with waiting messages, by their wait; the free ones of these, so that a
        # claim need not walk past a thousand busy lanes; lanes that are held.
        partial("lanes_waiting", "head_id", where="head_id IS NOT NULL"),
        partial("lanes_claimable", "run_id", "head_id", where="head_id IS NOT NULL"),
        partial("lanes_held", "run_id", where="run_id IS NOT NULL"),
        # Lanes that ended badly are listed and counted without reading all the others.
        *(partial(f"lanes_{state}", "id", where=f"state = '{state}'") for state in sorted(REMEMBERING)),
        # The smallest index that contains every lane. Counting the lanes scans it: with a million lanes it still fits
        # the cache of a connection. Its column never changes, so only new lanes write to it.
        Index("lanes_all", "anonymous"),
        # Lanes that were made for one request are not listed, and are pruned first, once that request has ended.
        partial("lanes_anonymous", "id", where="anonymous"),
        partial("lanes_unlisted", "state", "anonymous", "head_id", "run_id", where=unlisted()),
        partial("lanes_children", "parent_id", where="parent_id IS NOT NULL"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    key: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    state: str
    epoch: int = 0
    run_id: int | None = reference("runs")
    #: The oldest queued message, kept by the doors so that the longest-waiting head is found by index.
    head_id: int | None = reference("messages")
    anonymous: bool = False
    #: For a child lane, which runs one of several concurrent requests of a session: the lane that lists it.
    parent_id: int | None = reference("lanes")
    #: The number of the lane's conversation, and the names that programs behind command runs gave it (JSON object).
    conversation: int = 1
    agent_session: str | None = None
    #: Usage and cost of its runs, as far as providers reported them: tokens, and millionths of a US dollar.
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    #: The newest of its turns, and the oldest one that is still sent to a model (null: only the runner limits them).
    last_turn: int | None = None
    told_from: int | None = None
    error_cause: str | None = None
    error_message: str | None = None
    error_at: int | None = None
    created_at: int
    updated_at: int


class RepeatTable(Table, table=True):
    """A request that a program repeats although lanes has just ended it, by the lane of its session. ``resumed_at``:
    when a person last resumed that lane; requests that ended before then may be repeated."""

    __tablename__ = "repeats"
    lane_id: int = number()
    digest: str | None = None
    cause: str | None = None
    times: int = 0
    until: int | None = None
    resumed_at: int | None = None


class PauseTable(Table, table=True):
    """Why no run may claim a lane, or any lane whose key matches a glob (``*``: all). At most one of each kind."""

    __tablename__ = "pauses"
    __table_args__ = (
        CheckConstraint(one_of("kind", PauseKind), name="pause_kind"),
        CheckConstraint("(lane_id IS NULL) <> (pattern IS NULL)", name="pause_of_one_or_of_many"),
        Index("pauses_of_lane", "lane_id", "kind", unique=True),
        Index("pauses_of_pattern", "pattern", "kind", unique=True),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    lane_id: int | None = reference("lanes")
    pattern: str | None = None
    kind: str
    reason: str
    actor: str
    at: int
    until: int | None = None


class SpentTable(Table, table=True):
    """What was used of a budget in one bucket, a sixtieth of its window. ``bucket`` is the wall time of its start."""

    __tablename__ = "spent"
    __table_args__ = ({"sqlite_with_rowid": False},)
    budget: str = Field(primary_key=True)
    bucket: int = number()
    runs: int
    tokens: int
    cost_micros: int


class MessageTable(Table, table=True):
    """One accepted piece of input. The messages of a lane start in the order of ``rank``."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint(one_of("state", MessageState), name="message_state"),
        # A hold has no input: its waiter does the work itself.
        CheckConstraint(
            "((text IS NULL) <> (request IS NULL))"
            f" OR (text IS NULL AND request IS NULL AND coalesce(bound_to, '') = '{BoundTo.WAITER}')",
            name="message_has_one_input",
        ),
        CheckConstraint(f"{one_of('state', TERMINAL)} = (ended_at IS NOT NULL)", name="message_ends_once"),
        CheckConstraint("state <> 'running' OR run_id IS NOT NULL", name="message_runs_in_a_run"),
        CheckConstraint("reply IS NULL OR state = 'done'", name="message_reply_only_when_done"),
        CheckConstraint("state <> 'failed' OR error_cause IS NOT NULL", name="message_failure_has_a_cause"),
        CheckConstraint(f"bound_to IS NULL OR {one_of('bound_to', BoundTo)}", name="message_bound_to"),
        CheckConstraint(together("bound_to", "bound_owner"), name="message_bound_whole"),
        CheckConstraint("parked_until IS NULL OR parked_since IS NOT NULL", name="message_parked_since"),
        CheckConstraint("interruptions >= 0", name="message_interruptions"),
        CheckConstraint("for_run IS NULL OR state = 'queued'", name="message_for_a_run_waits"),
        Index("messages_of_lane", "lane_id", "id"),
        partial("messages_queued", "lane_id", "rank", where="state = 'queued'"),
        partial("messages_batch", "batch", "id", where="batch IS NOT NULL"),
        partial("messages_failed", "id", "retried_as", where=dead_letter()),
        partial("messages_for_run", "for_run", where="for_run IS NOT NULL"),
        partial("messages_parked", "parked_until", where="parked_for IS NOT NULL"),
        partial("messages_bound", "bound_owner", where="bound_owner IS NOT NULL AND ended_at IS NULL"),
        partial("messages_expiring", "expires_at", where="expires_at IS NOT NULL AND state = 'queued'"),
        partial("messages_moved", "moved_to", where="moved_to IS NOT NULL AND state = 'queued'"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    lane_id: int = reference("lanes", required=True)
    state: str
    text: str | None = None
    request: str | None = None
    #: The request has tools that the provider itself carries out; null if not.
    acts: bool | None = None
    runner: str | None = None
    #: Its first run begins a new conversation.
    fresh: bool | None = None
    actor: str
    #: The person who wrote the message, as the program that sent it names them; and the program that it came from.
    sender: str | None = None
    source: str | None = None
    #: The open run that may take the message while it works: as the answer to its question, or as a steer.
    for_run: int | None = None
    #: The lane was made for one request, or the request was only passed on: if the message fails, it is not a dead
    #: letter.
    anonymous: bool = False
    #: Its position, if that is not the order of acceptance: a person moved it, or it lets others pass (``ASIDE``).
    moved_to: int | None = None
    rank: int | None = Field(default=None, sa_column=Column(Integer, Computed("coalesce(moved_to, id)")))
    #: When its ``max_wait`` ends (wall time).
    expires_at: int | None = None
    bound_to: str | None = None
    bound_owner: int | None = None
    #: For messages that are answered together, from their first claim on: the last of them. Null for a single message.
    batch: int | None = None
    run_id: int | None = None
    reply: str | None = None
    reply_detail: str | None = None
    error_cause: str | None = None
    error_message: str | None = None
    attempts: str | None = None  # JSON array
    interruptions: int = 0
    #: How many messages precede it in its chain, where the run of each message sent the next one.
    depth: int | None = None
    #: How often the policy ``retry`` ran the message again; null if never.
    retries: int | None = None
    parked_until: int | None = None
    parked_since: int | None = None
    #: The providers whose cooldown it waits for (JSON array of names); null: it was never parked for one. It stays when
    #: the message runs, so that no run costs the change of an index.
    parked_for: str | None = None
    retry_of: int | None = None
    retried_as: int | None = None
    answered_by: int | None = None
    accepted_at: int
    wait_warned_at: int | None = None  # once per message, by the gateway that notices its wait first
    started_at: int | None = None
    ended_at: int | None = None


class IdempotencyTable(Table, table=True):
    """The idempotency key that a sender gave a message. There is no foreign key: the row outlives the message."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_age", "accepted_at"), Index("idempotency_message", "message_id"))
    lane_key: str = Field(primary_key=True)
    token: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    message_id: int
    accepted_at: int


#: Conditions: open runs that the last heartbeats of their owner did not name, and open runs that no deadline ends.
LEFT_OUT = f"ended_at IS NULL AND left_out >= {GHOST_AFTER}"
UNLIMITED = "ended_at IS NULL AND (run_timeout_ms IS NULL OR stall_timeout_ms IS NULL)"


class RunTable(Table, table=True):
    """One attempt at a message, with the limits and policies it was claimed under.

    A run's id is the epoch of its claim: both are new with every claim, so one number serves.
    """

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(one_of("kind", RunnerKind), name="run_kind"),
        CheckConstraint(f"edge IS NULL OR {one_of('edge', RELEASES)}", name="run_edge"),
        CheckConstraint(together("edge", "ended_at", "ended_by"), name="run_end_whole"),
        CheckConstraint(
            together("abort_at", "abort_boot", "abort_boot_id", "abort_actor", "abort_cause"),
            name="run_abort_whole",
        ),
        CheckConstraint("edge IS NULL OR abort_at IS NULL OR edge = 'abort'", name="run_abort_is_sticky"),
        CheckConstraint(one_of("on_interrupt", OnInterrupt), name="run_on_interrupt"),
        CheckConstraint(one_of("on_survivors", OnSurvivors), name="run_on_survivors"),
        CheckConstraint(
            "run_timeout_ms IS NULL OR stall_timeout_ms IS NULL OR stall_timeout_ms <= run_timeout_ms",
            name="run_limits_fit",
        ),
        CheckConstraint(
            together("process_host", "process_boot_id", "process_pid", "process_group"), name="run_process_whole"
        ),
        CheckConstraint("question IS NULL OR (ended_at IS NULL AND json_valid(question))", name="run_question_is_open"),
        CheckConstraint("process_start_time IS NULL OR process_pid IS NOT NULL", name="run_process_start"),
        # Invariants 1 and 2: one open run of a lane.
        partial("runs_open", "lane_id", where="ended_at IS NULL", unique=True),
        # Runs whose abort is requested are next to each other: they are read after every commit.
        partial("runs_of_owner", "owner_id", "abort_at", where="ended_at IS NULL"),
        # Runs are never listed by their lane. The entries of this index are next to each other, as the messages of one
        # moment are: an index by lane would be updated at another place with each run.
        Index("runs_of_message", "message_id"),
        # Both are counted for every status, and usually both counts are 0.
        partial("runs_left_out", "left_out", where=LEFT_OUT),
        partial("runs_unlimited", "id", where=UNLIMITED),
        partial("runs_unproven", "lane_id", "process_host", where=unproven()),
        partial("runs_refused", "refused_writes", where="refused_writes > 0"),
        partial("runs_placed", "provider", where="provider IS NOT NULL AND ended_at IS NULL"),
    )
    id: int = number()
    lane_id: int
    message_id: int
    owner_id: int
    runner: str
    kind: str
    run_timeout_ms: int | None = None
    stall_timeout_ms: int | None = None
    abort_grace_ms: int
    reconcile_interval_ms: int
    warn_held_after_ms: int
    max_park_ms: int
    on_interrupt: str
    on_survivors: str
    claimed_at: int
    claimed_boot: int
    #: ``Now.slept`` at the claim, and at the last progress: the time that the machine slept since then does not count.
    claimed_slept_ms: int | None = None
    boot_id: str
    progress: str
    progress_at: int
    progress_boot: int
    progress_slept_ms: int | None = None
    busy_until_boot: int | None = None
    #: The provider that is asked now, since when, and the limit that ends this attempt (JSON object): ``AttemptPhase``.
    attempt: str | None = None
    #: The provider at which the run has a place, if the requests in flight there are limited.
    provider: str | None = None
    asked_boot: int | None = None  # when that provider was asked, if it recovers and has not begun to answer
    #: What the run asks its sender (JSON object: ``RunQuestion``), while it waits for the answer; and how long it has
    #: waited for answers before.
    question: str | None = None
    input_ms: int = 0
    #: The end of the reply so far, at the last heartbeat; kept if the run did not complete.
    reply_so_far: str | None = None
    left_out: int = 0
    #: When the runner's work ended, according to heartbeats, while the release is not stored yet (wall time).
    body_ended_at: int | None = None
    #: The message of this run was interrupted before, and no heartbeat has named this run yet.
    recovering: bool = False
    #: The child of a command run. ``survivors``, a JSON array: the processes that remained; null: unknown.
    #: ``process_start_time`` is null where an older lanes wrote the row.
    process_host: str | None = None
    process_boot_id: str | None = None
    process_pid: int | None = None
    process_start_time: int | None = None
    process_group: int | None = None
    survivors: str | None = None
    #: What the run used and cost (JSON object, ``RunUsage``), as far as its runner reported it.
    usage: str | None = None
    abort_at: int | None = None
    abort_boot: int | None = None
    abort_boot_id: str | None = None
    abort_slept_ms: int | None = None
    abort_grace_asked_ms: int | None = None
    abort_actor: str | None = None
    abort_reason: str | None = None
    abort_cause: str | None = None
    edge: str | None = None
    cause: str | None = None
    forced: bool = False
    ended_at: int | None = None
    ended_by: str | None = None
    refused_writes: int = 0
    late_reply: str | None = None


class WaitTable(Table, table=True):
    """A run that waits, in some process, for a message of another lane. The row counts only while the run is open and
    the message unfinished: then the run is not stalled, and no further wait may close a cycle."""

    __tablename__ = "waits"
    run_id: int = number()
    message_id: int = number()
    host: str = Field(primary_key=True)
    pid_ns: str = Field(primary_key=True)
    pid: int = number()
    boot_id: str
    start_time: int
    since: int
