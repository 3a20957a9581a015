"""The journal."""

from lanes_storage.schema.columns import Table, identity, number


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
