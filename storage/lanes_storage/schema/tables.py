"""The schema, as SQLModel tables with the rules of ``law`` as CHECK constraints: lanes, messages and runs are in
``schema.lanes``, all other tables here.

This is the only description of the newest schema: a fresh database is created from it, and migrations
(``lanes_storage.schema.versions``) upgrade an older one to it. Nothing on the hot path imports this package.

Times are whole milliseconds; ``…_at`` is wall time, ``…_boot`` the boot clock of the writer.
"""

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from lanes_storage.fragments import one_of, unsent
from lanes_storage.law import MAX_KEY, SourceState, TurnState, WatchedState
from lanes_storage.schema import lanes  # noqa: F401 - defines its tables
from lanes_storage.schema.columns import Table, identity, number, partial, together


class TurnTable(Table, table=True):
    """What a person said, and what was answered. It stays when its message is pruned.

    The turns of a lane are a linked list, newest first, from ``lanes.last_turn`` on: each names the one before. So the
    end of a run writes no index, which would be another page for each lane.
    """

    __tablename__ = "turns"
    __table_args__ = (CheckConstraint(one_of("state", TurnState), name="turn_state"),)
    #: The order of the turns: see ``lanes_storage.law.turn_of``.
    id: int = number()
    lane_id: int
    #: The number of its conversation in the lane.
    conversation: int
    before: int | None = None
    #: Null if it was imported.
    message_id: int | None = None
    text: str
    #: The text of the answer; null if there was none.
    reply: str | None = None
    #: The answer as messages of the chat dialect (JSON array), if it is more than its text.
    answer: str | None = None
    state: str
    #: Its size in tokens, if a provider reported it.
    tokens: int | None = None
    at: int


class EventTable(Table, table=True):
    """The journal: what changed, from, to, who, why, when; written with the change."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = identity()
    at: int
    type: str
    lane_id: int | None = None
    from_state: str | None = None
    to_state: str | None = None
    run_id: int | None = None
    message_id: int | None = None
    epoch: int | None = None
    actor: str | None = None
    cause: str | None = None
    detail: str | None = None  # JSON object


class EventBlockTable(Table, table=True):
    """In which blocks of the journal a lane has events. An index on events would be updated with every event, at places
    all over the file."""

    __tablename__ = "event_blocks"
    __table_args__ = ({"sqlite_with_rowid": False},)
    lane_id: int = number()
    block: int = number()


class IncidentTable(Table, table=True):
    """A condition that one alert reports, from when it was first seen until it is over.

    One gateway sends each notification, under a claim that expires: a restart neither repeats nor loses one.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint(together("claimed_by", "claimed_until"), name="incident_claim_whole"),
        partial("incidents_open", "alert", "kind", "subject", where="ended_at IS NULL", unique=True),
        partial("incidents_unsent", "next_at", where=unsent()),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    alert: str
    kind: str
    #: The key of a lane, the name of a provider, the place of a gateway; empty: several lanes together.
    subject: str
    facts: str  # JSON object
    began_at: int
    seen_at: int
    ended_at: int | None = None
    begin_sent_at: int | None = None
    end_sent_at: int | None = None
    #: How many attempts to send it failed, and when the next one is due.
    tries: int = 0
    next_at: int
    claimed_by: int | None = None
    claimed_until: int | None = None


class CounterTable(Table, table=True):
    """Counters of the whole database. ``epoch`` is the fencing counter: one for all lanes. ``touch`` alternates
    between 0 and 1, to test whether the database accepts a write."""

    __tablename__ = "counters"
    name: str = Field(primary_key=True)
    value: int


class OwnerTable(Table, table=True):
    """A process that holds or waits for lanes, with the intervals that it started under."""

    __tablename__ = "owners"
    __table_args__ = (
        CheckConstraint("stale_after_ms >= 3 * heartbeat_interval_ms", name="owner_intervals_fit"),
        CheckConstraint(together("drain_by", "drain_at", "drain_until"), name="owner_drain_whole"),
        CheckConstraint(together("ended_at", "ended_cause"), name="owner_end_whole"),
        partial("owners_living", "id", where="ended_at IS NULL"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    kind: str
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int
    fingerprint: str
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: str  # JSON array of names
    url: str | None = None
    started_at: int
    heartbeat_at: int
    heartbeat_boot: int
    #: ``Now.slept`` at the last heartbeat; null, here and in runs, if an older lanes wrote the row.
    slept_ms: int | None = None
    heartbeats: int = 0
    drain_by: str | None = None
    drain_at: int | None = None
    drain_until: int | None = None
    ended_at: int | None = None
    ended_cause: str | None = None


class ProviderTable(Table, table=True):
    """The health of a provider, for every gateway. A provider without a row is well."""

    __tablename__ = "providers"
    __table_args__ = (CheckConstraint(together("cause", "since", "until"), name="provider_cooldown_whole"),)
    provider: str = Field(primary_key=True)
    #: The last cooldown. It stays when it is over, until an answer shows whether the provider is well again.
    cause: str | None = None
    since: int | None = None
    until: int | None = None
    #: Consecutive refusals; they determine the next cooldown, where a refusal names no time.
    tries: int = 0
    message: str | None = None  # the last error
    #: The key and address with which all of this was observed. For others, only a refusal for load holds.
    fingerprint: str | None = None
    answered_at: int | None = None  # the first answer since the last cooldown or refusal
    tried_last_until: int | None = None
    #: The message that got the last refusal that may be about this message alone (such as a 429), and when.
    refused: int | None = None
    refused_at: int | None = None
    #: Answers, failures by cause and latency of the last hour (JSON array): ``ProviderCounts``.
    counts: str | None = None
    #: The lane that got a refusal which may concern the key or model, or only its request; until any lane is served.
    doubted: str | None = None
    #: How many other requests were in flight when it refused one for load: no more are sent at a time for ``hold_ms``.
    held: int | None = None
    hold_ms: int = 0
    begun: int = 0  # answers begun since it last refused its probe, less ``ONE_MORE`` for each refusal


class SourceTable(Table, table=True):
    """A gateway of another program, and the one process (an owner) that watches it."""

    __tablename__ = "sources"
    __table_args__ = (CheckConstraint(one_of("state", SourceState), name="source_state"),)
    name: str = Field(primary_key=True)
    kind: str
    url: str
    owner_id: int
    state: str
    version: str | None = None
    #: Why it cannot be watched, and what to do about it.
    why: str | None = None
    fix: str | None = None
    #: Since when it is in this state; why it could last not be watched, and when.
    changed_at: int
    error: str | None = None
    error_at: int | None = None


class SightingTable(Table, table=True):
    """A session of a watched gateway, as it was last seen. ``epoch`` changes with the runs that hold it."""

    __tablename__ = "sightings"
    __table_args__ = (
        CheckConstraint(f"length(key) BETWEEN 1 AND {MAX_KEY}", name="sighting_key_length"),
        CheckConstraint(one_of("state", WatchedState), name="sighting_state"),
        {"sqlite_with_rowid": False},
    )
    source: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    state: str
    epoch: int = 1
    runs: str = "[]"  # JSON array of ids, the oldest first
    since: int | None = None
    last_sign: int | None = None
    waiting: int | None = None
    outcome: str | None = None
    #: It was read from the files of the gateway, which does not answer.
    from_files: bool = False
    #: The epochs of the last warning about its silence, and of the last automatic freeing: each occurs once per epoch.
    warned_epoch: int | None = None
    freed_epoch: int | None = None
    changed_at: int


class FreeingTable(Table, table=True):
    """A request to free a session of a watched gateway; the process that watches the gateway carries it out."""

    __tablename__ = "freeings"
    __table_args__ = (
        CheckConstraint(together("ended_at", "outcome"), name="freeing_end_whole"),
        partial("freeings_open", "source", "id", where="ended_at IS NULL"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    source: str
    key: str
    epoch: int
    reset: bool = False
    actor: str
    reason: str | None = None
    asked_at: int
    taken_by: int | None = None
    outcome: str | None = None
    steps: str | None = None  # JSON array
    ended_at: int | None = None


metadata = Table.metadata
#: The schema version of these tables. It differs from ``versions.VERSION`` only if another lanes was installed while
#: the process that imports them was running.
VERSION = 3
