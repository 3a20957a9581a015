"""Queries about the journal."""

from typing import Any

from lanes_storage.fragments import block_of, columns, events_of, names, session_of, shown_key
from lanes_storage.interface import Query, Row
from lanes_storage.law import RELEASES, EventType
from lanes_storage.reads.choices import Conditions, events_among
from lanes_storage.reads.shapes import UNREADABLE, many, parsed
from lanes_storage.records import EventRow, LaneFilter

COLUMNS = columns(EventRow._fields, "e.", key=shown_key("l"))
#: Approximate size of the earlier events of a page: an event may contain the text of a message.
SIZE_BEFORE = """
coalesce(sum(coalesce(length(p.detail), 0)) OVER (
  ORDER BY p.id {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
"""
RELEASE = f"""
SELECT e.epoch FROM {events_of(":lane")} WHERE e.run_id = :run AND e.type IN ({names(RELEASES)})
ORDER BY b.block DESC, e.id DESC LIMIT 1
"""

TIME_OF_EVENT = "SELECT at FROM events WHERE id <= :id ORDER BY id DESC LIMIT 1"
EVENT_SINCE = "SELECT 1 FROM events WHERE id > :after AND id <= :until AND at >= :since LIMIT 1"


def epoch_of_release(lane: int, run: int) -> Query[int | None]:
    """The epoch of the lane after the end of a run."""
    return Query(RELEASE, {"lane": lane, "run": run}, lambda rows: rows[0][0] if rows else None)


def events(
    *,
    lane: int | None = None,
    session: bool = False,
    after: int = 0,
    before: int | None = None,
    since: int | None = None,
    type: str | None = None,  # noqa: A002 - the journal's own word
    limit: int | None = None,
    newest: bool = False,
    chosen: LaneFilter | None = None,
    within: int | None = None,
) -> Query[list[EventRow]]:
    """The journal after event ``after`` and before event ``before``, oldest first; ``newest`` takes the last
    ``limit`` events instead of the first.

    ``session``: also those of the other lanes of its session. ``since`` is wall time in milliseconds; ``chosen`` is a
    filter of events. ``within``: stop after the event with which the page exceeds this many characters.
    """
    choice = Conditions([], {}) if chosen is None else events_among(chosen)
    table, terms, id_ = "events e", ["e.id"], "e.id"
    if lane is not None:
        # with two lower bounds, an engine may search by either one; the + makes it search by the start of the block
        of = (f"({session_of(':lane')})", "IN") if session else (":lane",)
        table, terms, id_ = events_of(*of), ["b.block", "e.id"], "+e.id"
    among = {
        f"{id_} > :after": True,
        f"{id_} < :before": before is not None,
        f"b.block >= {block_of(':after')}": lane is not None and after > 0,
        f"b.block <= {block_of(':before')}": lane is not None and before is not None,
        "e.type = :type": type is not None,
        "e.at >= :since": since is not None,
    }
    order, most = "DESC" if newest else "ASC", -1 if limit is None else limit
    sorting = ", ".join(f"{term} {order}" for term in terms)
    params = {"after": after, "before": before, "lane": lane, "type": type, "since": since, "within": within}
    text = f"""
    SELECT {COLUMNS} FROM {table} LEFT JOIN lanes l ON l.id = e.lane_id
    WHERE {" AND ".join(each for each, holds in among.items() if holds)}{choice.where} ORDER BY {sorting} LIMIT {most:d}
    """
    if within is not None:
        page = f"(SELECT p.*, {SIZE_BEFORE.format(order=order)} AS size FROM ({text}) p)"
        text = f"SELECT * FROM {page} WHERE size < :within ORDER BY id {order}"

    def shape(rows: list[Row]) -> list[EventRow]:
        return many(to_event)(rows[::-1] if newest else rows)

    return Query(text, params | choice.params, shape, broad=True)


def notices(after: int, limit: int) -> Query[list[EventRow]]:
    """The notices after event ``after``, oldest first: for the engine, which follows the journal."""
    return events(after=after, type=EventType.NOTICE, limit=limit)._replace(broad=False)


def last_event_id() -> Query[int]:
    """The id of the newest event; 0 if there is none."""
    return Query("SELECT coalesce(max(id), 0) FROM events", {}, lambda rows: int(rows[0][0]), point=True)


def first_event_id() -> Query[int]:
    """The id of the oldest event; 1 if there is none."""
    return Query("SELECT coalesce(min(id), 1) FROM events", {}, lambda rows: int(rows[0][0]), point=True)


def time_of_event(number: int) -> Query[int | None]:
    """When the newest event up to this id happened (wall time); None if there is none."""
    return Query(TIME_OF_EVENT, {"id": number}, lambda rows: rows[0][0] if rows else None, point=True)


def has_event_since(since: int, after: int, until: int) -> Query[bool]:
    """Whether one of the events after ``after``, up to and including ``until``, happened at ``since`` or later."""
    return Query(EVENT_SINCE, {"since": since, "after": after, "until": until}, bool)


def to_event(row: Row) -> EventRow:
    """An event from COLUMNS."""
    detail = None
    if row[11] is not None:
        known: dict[str, Any] | None = parsed(row[11], dict)
        detail = {"unreadable": row[11][:UNREADABLE]} if known is None else known
    return EventRow._make([*row[:11], detail])
