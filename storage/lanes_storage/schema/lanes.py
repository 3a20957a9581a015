"""Lanes, and why no run may claim one."""

from sqlalchemy import CheckConstraint, Column, Index, Text
from sqlmodel import Field

from lanes_storage.fragments import one_of, unlisted
from lanes_storage.law import (
    HELD,
    MAX_KEY,
    REMEMBERING,
    LaneState,
    PauseKind,
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
        # The two indexes of the hot path: lanes with waiting messages, by their wait; lanes that are held.
        partial("lanes_waiting", "head_id", where="head_id IS NOT NULL"),
        # Of the lanes with waiting messages, the free ones: a claim need not walk past a thousand busy lanes.
        partial("lanes_claimable", "run_id", "head_id", where="head_id IS NOT NULL"),
        partial("lanes_held", "run_id", where="run_id IS NOT NULL"),
        # Lanes that ended badly are listed and counted without reading all the others.
        *(partial(f"lanes_{state}", "id", where=f"state = '{state}'") for state in sorted(REMEMBERING)),
        # The smallest index that has every lane: to count them is to walk it, and at a million it still fits the cache
        # of a connection. Its column never changes, so nothing but a new lane writes it.
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
    #: What its runs used and cost, as far as providers told: tokens, and millionths of a US dollar.
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    #: The newest of its turns, and the oldest one that a model is still told (null: as many as the runner says).
    last_turn: int | None = None
    told_from: int | None = None
    error_cause: str | None = None
    error_message: str | None = None
    error_at: int | None = None
    created_at: int
    updated_at: int


class RepeatTable(Table, table=True):
    """That a program asks again for what was just ended, on the lane of its session. ``resumed_at``: when a person last
    resumed that lane; what ended before may be asked again."""

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
    """What was used of a budget, in a sixtieth of its time: ``bucket`` is the wall time at which that began."""

    __tablename__ = "spent"
    __table_args__ = ({"sqlite_with_rowid": False},)
    budget: str = Field(primary_key=True)
    bucket: int = number()
    runs: int
    tokens: int
    cost_micros: int
