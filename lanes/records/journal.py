"""The record of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lanes.records.record import Record
from lanes_storage import records as rows

if TYPE_CHECKING:
    from lanes.records.kinds import Count, Detail, EventWord, Id, JsonName, Key, Moment


class Event(Record):
    """One row of the journal."""

    id: Id
    at: Moment
    type: EventWord
    key: Key | None
    from_state: Annotated[str | None, JsonName("from"), "the state before"]
    to_state: Annotated[str | None, JsonName("to"), "the state after"]
    run_id: Id | None
    message_id: Id | None
    epoch: Count | None
    actor: str | None
    cause: str | None
    detail: Detail | None

    @classmethod
    def of(cls, row: rows.EventRow) -> Event:
        """The record of a row."""
        return Event(*row)
