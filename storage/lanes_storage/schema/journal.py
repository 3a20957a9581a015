"""The journal, and the incidents of which people are told by alerts."""

from sqlalchemy import CheckConstraint

from lanes_storage.fragments import unsent
from lanes_storage.schema.columns import Table, identity, number, partial, together


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
    """Something that people asked to be told of, from when it was seen until it is over, for one alert.

    One gateway sends, under a claim that ends by itself: so a restart neither repeats nor forgets one.
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
    #: How often it could not be sent, and when it is tried next.
    tries: int = 0
    next_at: int
    claimed_by: int | None = None
    claimed_until: int | None = None
