"""The processes that hold lanes, and the counters of the whole database."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from lanes_storage.schema.columns import Table, identity, partial, together


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
