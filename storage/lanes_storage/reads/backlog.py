"""Queries about the heads of lanes, for the backlog of a dispatcher and for warnings."""

import json
from collections.abc import Sequence

from lanes_storage import statements as sql
from lanes_storage.fragments import names, shown_key
from lanes_storage.interface import FEW_ROWS, Query, Row
from lanes_storage.law import MAX_INTERRUPTIONS, EventType
from lanes_storage.records import News, WaitingHead, WaitingLane
from lanes_storage.statements import further

#: The end of a pause that has no end: later than every time.
NEVER = 2**63 - 1
ANY_WAITS = "SELECT 1 FROM lanes WHERE run_id IS NULL AND head_id IS NOT NULL LIMIT 1"

_KEY = shown_key("l")
_UNTIL = f"SELECT max(coalesce(p.until, {NEVER})) FROM pauses p WHERE"
#: When the last park or pause that blocks a head ends. If that time is in the past, the head is not blocked.
_FREE_AT = f"""
max(coalesce(m.parked_until, 0), coalesce(({_UNTIL} p.lane_id = coalesce(l.parent_id, l.id)), 0),
  coalesce(({_UNTIL} p.lane_id IS NULL AND {_KEY} GLOB p.pattern), 0))
"""
_COLUMNS = f"l.id, l.head_id, {_KEY}, m.runner, m.bound_owner, m.interruptions, {_FREE_AT}"

HEADS = f"""
SELECT (SELECT max(id) FROM events), {_COLUMNS} FROM lanes l JOIN messages m ON m.id = l.head_id
WHERE l.head_id > :after AND l.run_id IS NULL ORDER BY l.head_id
"""
#: A pause applies to all lanes of a session, so its event touches all of them.
TOUCHED = f"""
SELECT {_COLUMNS} FROM (SELECT lane_id FROM events WHERE id > :after AND id <= :until
  UNION SELECT c.id FROM events p CROSS JOIN lanes c ON c.parent_id = p.lane_id
    WHERE p.id > :after AND p.id <= :until AND p.type IN ({names((EventType.PAUSED, EventType.RESUMED))})) e
CROSS JOIN lanes l ON l.id = e.lane_id JOIN messages m ON m.id = l.head_id WHERE l.run_id IS NULL
"""
OF_LANES = f"""
SELECT {_COLUMNS} FROM json_each(:lanes) j CROSS JOIN lanes l ON l.id = j.value JOIN messages m ON m.id = l.head_id
WHERE l.run_id IS NULL
"""
WAITING_HEADS = f"""
SELECT l.head_id, {_KEY}, l.key, m.accepted_at, m.parked_until, coalesce(m.retries, 0), m.wait_warned_at
FROM lanes l JOIN messages m ON m.id = l.head_id
WHERE l.head_id > :after ORDER BY l.head_id
"""
#: Events about many lanes at once have no lane id.
_OF_MANY = names((EventType.PAUSED, EventType.RESUMED, EventType.COOLDOWN_ENDED))
NEWS = f"""
SELECT coalesce(max(id), :after), coalesce(max(lane_id IS NULL AND type IN ({_OF_MANY})), 0),
  (SELECT 1 FROM lanes WHERE run_id IS NULL AND head_id IS NOT NULL LIMIT 1 OFFSET {{few}}) IS NULL
FROM events WHERE id > :after
"""


def heads(after: int, limit: int) -> Query[tuple[list[WaitingLane], int]]:
    """The heads of free lanes after message ``after``, the longest wait first; and the id of the newest event."""
    return Query(f"{HEADS} LIMIT {limit:d}", {"after": after}, _with_last, point=limit <= FEW_ROWS)


def touched(after: int, until: int) -> Query[list[WaitingLane]]:
    """The heads of the free lanes that are named by the events after ``after``, up to and including ``until``."""
    return Query(TOUCHED, {"after": after, "until": until}, _all)


def heads_of(lanes: Sequence[int]) -> Query[list[WaitingLane]]:
    """The heads of those of these lanes that are free."""
    return Query(OF_LANES, {"lanes": json.dumps([*lanes])}, _all)


def news(after: int, few: int) -> Query[News]:
    """What is new in the journal after event ``after``, and whether at most ``few`` heads wait now."""
    return Query(NEWS.format(few=int(few)), {"after": after}, lambda rows: News(rows[0][0], *map(bool, rows[0][1:])))


def waiting_heads(after: int, limit: int) -> Query[list[WaitingHead]]:
    """The waiting heads after message ``after``, the longest wait first."""
    return Query(f"{WAITING_HEADS} LIMIT {limit:d}", {"after": after}, lambda rows: [WaitingHead(*row) for row in rows])


def recallable(wall: int) -> Query[bool]:
    """Whether a message that let others pass is due to return to its place at a wall time."""
    return Query(f"{further.RECALLABLE} LIMIT 1", {"now": wall}, bool)


def expired(wall: int) -> Query[bool]:
    """Whether the ``max_wait`` of a waiting message has passed at a wall time."""
    return Query(f"{further.EXPIRED} LIMIT 1", {"now": wall}, bool)


def anyone_waits() -> Query[bool]:
    """Whether a message waits in a free lane."""
    return Query(ANY_WAITS, {}, bool, point=True)


def suspects_running() -> Query[int]:
    """How many held lanes run a suspect: a message that one more interruption makes poison."""
    return Query(sql.COUNT_SUSPECTS, {"suspect": MAX_INTERRUPTIONS - 1}, lambda rows: int(rows[0][0]))


def _all(rows: list[Row]) -> list[WaitingLane]:
    return [WaitingLane(*row) for row in rows]


def _with_last(rows: list[Row]) -> tuple[list[WaitingLane], int]:
    return [WaitingLane(*row[1:]) for row in rows], (rows[0][0] or 0) if rows else 0
