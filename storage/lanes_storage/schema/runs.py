"""Runs, and what they wait for."""

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from lanes_storage.fragments import one_of, unproven
from lanes_storage.law import (
    GHOST_AFTER,
    RELEASES,
    OnInterrupt,
    OnSurvivors,
    RunnerKind,
)
from lanes_storage.schema.columns import Table, number, partial, together

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
    #: The provider at which it has a place, if the requests in flight there are limited. The place ends with the run.
    provider: str | None = None
    asked_boot: int | None = None  # when it was asked, if that has cooled and has not begun to answer
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
    #: What the run used and cost (JSON object, ``RunUsage``), as far as its runner told.
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
    """A run that waits, in some process, for a message of another lane. It counts only while the run is open and the
    message unfinished: then it is not stalled, and no wait may close a cycle."""

    __tablename__ = "waits"
    run_id: int = number()
    message_id: int = number()
    host: str = Field(primary_key=True)
    pid_ns: str = Field(primary_key=True)
    pid: int = number()
    boot_id: str
    start_time: int
    since: int
