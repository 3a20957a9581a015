"""Queries about lanes: lists by harm, one lane, counts.

A list by harm is four walks over small indexes, one after the other: what waits (the longest first),
what is held, what ended badly, and the rest. Each walk stops at the limit, so that the first page costs the
same for a thousand lanes and for a million.
"""

from lanes_storage import statements as sql
from lanes_storage.interface import Query, Row
from lanes_storage.law import GHOST_AFTER, LaneState
from lanes_storage.reads.shapes import LANE_COLUMNS, OWNER_COLUMNS, RUN_COLUMNS, many, one, to_lane
from lanes_storage.records import Counts, Lane, LaneFilter

JOINS = """
LEFT JOIN messages hm ON hm.id = l.head_id
LEFT JOIN runs r ON r.id = l.run_id LEFT JOIN lanes rl ON rl.id = r.lane_id
LEFT JOIN owners o ON o.id = r.owner_id
"""
SELECT = f"SELECT {LANE_COLUMNS}, {RUN_COLUMNS}, {OWNER_COLUMNS}"
LANE = f"{SELECT} FROM lanes l {JOINS} WHERE l.key = :key"

#: The walks, in the order of harm: the condition that an index serves, its order, and the same as a number.
WALKS = (
    ("l.head_id IS NOT NULL", "l.head_id", "l.head_id"),
    ("l.head_id IS NULL AND l.run_id IS NOT NULL", "l.run_id", "l.run_id"),
    ("l.head_id IS NULL AND l.state = 'errored'", "l.id DESC", "-l.id"),
    ("l.head_id IS NULL AND l.state = 'aborted'", "l.id DESC", "-l.id"),
    ("l.head_id IS NULL AND l.state = 'idle'", "l.id DESC", "-l.id"),
)

COUNTS = f"""
SELECT
  (SELECT count(*) FROM lanes WHERE run_id IS NOT NULL),
  (SELECT count(*) FROM lanes WHERE state = 'errored'),
  (SELECT count(*) FROM lanes WHERE state = 'aborted'),
  (SELECT count(*) FROM lanes),
  (SELECT count(*) FROM lanes WHERE pause_at IS NOT NULL AND (pause_until IS NULL OR pause_until > :now)),
  (SELECT count(*) FROM messages WHERE state = 'queued'),
  (SELECT count(*) FROM messages WHERE state = 'failed' AND retried_as IS NULL),
  (SELECT m.accepted_at FROM lanes l JOIN messages m ON m.id = l.head_id WHERE l.head_id IS NOT NULL
   ORDER BY l.head_id LIMIT 1),
  (SELECT count(*) FROM runs WHERE ended_at IS NULL AND left_out >= {GHOST_AFTER}),
  (SELECT count(*) FROM lanes l JOIN runs r ON r.id = l.run_id
   WHERE l.run_id IS NOT NULL AND (r.run_timeout_ms IS NULL OR r.stall_timeout_ms IS NULL))
"""


def lane(key: str) -> Query[Lane | None]:
    """One lane by its exact key, or None."""
    return Query(LANE, {"key": key}, one(to_lane))


def lanes(chosen: LaneFilter, *, limit: int | None = None, offset: int = 0) -> Query[list[Lane]]:
    """Lanes sorted by harm: unfinished first, the head that has waited longest at the top."""
    where, params = _conditions(chosen)
    page = -1 if limit is None else limit + offset
    walks = " UNION ALL ".join(
        f"SELECT * FROM (SELECT {walk} AS walk, {number} AS place, l.id AS lane_id FROM lanes l"
        f" LEFT JOIN runs r ON r.id = l.run_id WHERE {condition} {where} ORDER BY {order} LIMIT :page)"
        for walk, (condition, order, number) in enumerate(WALKS)
    )
    statement = f"""
    WITH chosen AS (SELECT walk, place, lane_id FROM ({walks}) ORDER BY walk, place LIMIT :limit OFFSET :offset)
    {SELECT} FROM chosen c JOIN lanes l ON l.id = c.lane_id {JOINS} ORDER BY c.walk, c.place
    """
    params |= {"page": page, "limit": -1 if limit is None else limit, "offset": offset}
    return Query(statement, params, many(to_lane))


def lane_place(chosen: LaneFilter, key: str) -> Query[int | None]:
    """Where a lane stands among the chosen ones, counted from 0 in the order of ``lanes``; None if it is not one."""
    where, params = _conditions(chosen)
    walks = " UNION ALL ".join(
        f"SELECT {walk} AS walk, {number} AS place, l.key AS key FROM lanes l"
        f" LEFT JOIN runs r ON r.id = l.run_id WHERE {condition} {where}"
        for walk, (condition, _, number) in enumerate(WALKS)
    )
    statement = f"""
    WITH standing AS ({walks}), sought AS (SELECT walk, place FROM standing WHERE key = :sought)
    SELECT (SELECT count(*) FROM standing s WHERE (s.walk, s.place) < (sought.walk, sought.place)) FROM sought
    """
    return Query(statement, params | {"sought": key}, lambda rows: int(rows[0][0]) if rows else None)


def claimable(owner: int, now_wall: int, *, bound_only: bool = False) -> Query[bool]:
    """Whether there is any head that nothing in the database keeps from being claimed by ``owner``."""
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    return Query(statement, {"after": 0, "owner": owner, "now": now_wall, "limit": 1}, bool)


def lanes_total(chosen: LaneFilter) -> Query[int]:
    """How many lanes a filter chooses."""
    where, params = _conditions(chosen)
    statement = f"SELECT count(*) FROM lanes l LEFT JOIN runs r ON r.id = l.run_id WHERE 1 = 1 {where}"
    return Query(statement, params, lambda rows: int(rows[0][0]))


def counts(now_wall: int) -> Query[Counts]:
    """How much there is of everything."""
    return Query(COUNTS, {"now": now_wall}, _to_counts)


def _to_counts(rows: list[Row]) -> Counts:
    running, errored, aborted, total, paused, queued, dead_letters, oldest, ghosts, unlimited = rows[0]
    by_state = {
        LaneState.IDLE: total - running - errored - aborted,
        LaneState.RUNNING: running,
        LaneState.ERRORED: errored,
        LaneState.ABORTED: aborted,
    }
    by_name = {str(state): count for state, count in by_state.items()}
    return Counts(by_name, paused, queued, dead_letters, oldest, ghosts, unlimited)


def _conditions(chosen: LaneFilter) -> tuple[str, dict[str, object]]:
    """The part of WHERE that a filter adds. An anonymous lane is listed only until its request has ended."""
    where = ["AND (NOT l.anonymous OR l.head_id IS NOT NULL OR l.run_id IS NOT NULL)"]
    params: dict[str, object] = {}
    if chosen.states:
        named = {f"state_{i}": state for i, state in enumerate(chosen.states)}
        where.append(f"AND l.state IN ({', '.join(':' + name for name in named)})")
        params |= named
    if chosen.keys:
        named_keys = {f"key_{i}": key for i, key in enumerate(chosen.keys)}
        where.append(f"AND l.key IN ({', '.join(':' + name for name in named_keys)})")
        params |= named_keys
    if chosen.match is not None:
        where.append("AND l.key GLOB :match")
        params["match"] = chosen.match
    if chosen.contains is not None:
        where.append("AND instr(lower(l.key), lower(:contains)) > 0")
        params["contains"] = chosen.contains
    if chosen.held_since is not None:
        where.append("AND r.claimed_at <= :held_since")
        params["held_since"] = chosen.held_since
    return " ".join(where), params
