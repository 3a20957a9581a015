"""What is known of the sessions of other programs' gateways. Nothing of their conversations is here."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from lanes_storage.fragments import one_of
from lanes_storage.law import MAX_KEY, SourceState, WatchedState
from lanes_storage.schema.columns import Table, identity, partial, together


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
    #: Since when it is in this state; the last reason that it could not be watched, and when that was.
    changed_at: int
    error: str | None = None
    error_at: int | None = None


class SightingTable(Table, table=True):
    """A session of such a gateway, as it was seen last. ``epoch`` changes with the runs that hold it."""

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
    #: When its silence was warned about, and when lanes freed it by itself: once for each epoch.
    warned_epoch: int | None = None
    freed_epoch: int | None = None
    changed_at: int


class FreeingTable(Table, table=True):
    """A request to free such a session, which the process that watches its gateway carries out."""

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
