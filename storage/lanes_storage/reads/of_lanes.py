"""Queries about lanes: lists in some order, one lane, counts."""

import json
from collections.abc import Mapping

from lanes_storage import statements as sql
from lanes_storage.fragments import (
    NAMED_LANE,
    dead_letter,
    head_of,
    no_pause,
    open_of,
    own_lane,
    reruns_of,
    runs_of,
    shown_for,
    shown_key,
    shown_of_session,
    unlisted,
)
from lanes_storage.interface import Query, Row
from lanes_storage.law import GHOST_AFTER, LaneState, PauseKind
from lanes_storage.reads.choices import LISTED, QUEUED, Conditions, Walk, choice_of, walks_of
from lanes_storage.reads.shapes import LANE_COLUMNS, OWNER_ROW, PAUSE_COLUMNS, RUN_COLUMNS, many, one, to_lane, to_pause
from lanes_storage.records import (
    LaneCounts,
    LaneFilter,
    LaneGroupRow,
    LaneOrder,
    LaneRow,
    LaneSort,
    LaneTally,
    PauseRow,
    Repeated,
    SortPlace,
)
from lanes_storage.statements import further

#: Of several pauses, the one that ends last is shown; if several end last, the first of them.
JOINS = f"""
LEFT JOIN pauses pa ON pa.id = (SELECT p.id FROM pauses p
  WHERE p.lane_id = coalesce(l.parent_id, l.id) OR (p.lane_id IS NULL AND {shown_key("l")} GLOB p.pattern)
  ORDER BY p.until IS NULL DESC, p.until DESC, p.id LIMIT 1)
LEFT JOIN messages hm ON hm.id = {head_of("l")}
LEFT JOIN runs r ON r.id = l.run_id LEFT JOIN lanes rl ON rl.id = r.lane_id
LEFT JOIN messages rm ON rm.id = r.message_id
LEFT JOIN owners o ON o.id = r.owner_id
"""
SELECT = f"SELECT {LANE_COLUMNS}, {RUN_COLUMNS}, {OWNER_ROW}"
PAUSE = f"""
SELECT {PAUSE_COLUMNS} FROM pauses pa
WHERE pa.lane_id = {own_lane(":lane")} OR (pa.lane_id IS NULL AND :key GLOB pa.pattern)
ORDER BY pa.until IS NULL DESC, pa.until DESC, pa.id LIMIT 1
"""
#: The pauses of globs that have not expired.
GLOB_PAUSES = f"""
SELECT {PAUSE_COLUMNS} FROM pauses pa WHERE pa.lane_id IS NULL AND (pa.until IS NULL OR pa.until > :now) ORDER BY pa.id
"""
#: The pauses of lanes that last until it is proven that nothing of a run is left.
SURVIVOR_PAUSES = f"""
SELECT {PAUSE_COLUMNS} FROM pauses pa WHERE pa.lane_id IS NOT NULL AND pa.kind = '{PauseKind.SURVIVORS}' ORDER BY pa.id
"""
#: The lane of a key; for a session with child lanes the one that is shown for all.
LANE = f"{SELECT} FROM lanes l {JOINS} WHERE l.id = {shown_for(NAMED_LANE)}"
BY_ATTENTION = LaneOrder()
NO_LIMIT = -1
#: From this offset on, counting the lanes before a page is faster than sorting them.
FAR = 2_000

#: A table: the number of child lanes, counted once for a statement. Most databases have none.
CHILDREN = "(SELECT count(*) AS children FROM lanes WHERE parent_id IS NOT NULL)"
#: The number of listed lanes. Counting all rows and subtracting the few hidden ones takes a tenth of the time of
#: testing each row.
#: Of each session that has child lanes, one lane is listed: so all but one are hidden, which is as many as it has
#: children.
ALL = f"(SELECT count(*) FROM lanes) - (SELECT count(*) FROM lanes WHERE {unlisted()}) - children"
#: The number of unlisted lanes of such sessions that meet a condition, found from the child lanes. Without child lanes,
#: no temporary table is built.
HIDDEN = f"""
CASE children WHEN 0 THEN 0 ELSE
  (SELECT count(*) FROM lanes l WHERE l.id IN (SELECT c.id FROM lanes c WHERE c.parent_id IS NOT NULL
    UNION ALL SELECT c.parent_id FROM lanes c WHERE c.parent_id IS NOT NULL)
  AND {{0}} AND NOT ({shown_of_session("l")})) END
"""
#: The number of listed lanes in state errored or aborted.
OF_STATE = f"""
(SELECT count(*) FROM lanes WHERE state = '{{0}}') - (SELECT count(*) FROM lanes WHERE {unlisted()} AND state = '{{0}}')
  - {HIDDEN.format("l.state = '{0}'")}
"""
#: The number of paused lanes: all lanes if everything is paused; the matching lanes if a glob is paused; otherwise the
#: lanes with a pause.
PAUSED = f"""
CASE
WHEN (SELECT 1 FROM pauses WHERE pattern = '*' AND (until IS NULL OR until > :now) LIMIT 1) IS NOT NULL THEN {ALL}
WHEN (SELECT 1 FROM pauses WHERE lane_id IS NULL AND (until IS NULL OR until > :now) LIMIT 1) IS NOT NULL
THEN (SELECT count(*) FROM lanes l WHERE {LISTED} AND NOT ({no_pause("l", ":now")}))
ELSE (SELECT count(*) FROM (SELECT 1 FROM pauses p CROSS JOIN lanes l ON l.id = p.lane_id
  WHERE p.lane_id IS NOT NULL AND (p.until IS NULL OR p.until > :now) AND NOT ({unlisted("l.")}) GROUP BY p.lane_id))
END
"""
#: Each count has a small index, so that the cost does not depend on the number of idle or held lanes. None builds a
#: temporary table, which would take longer than counting the usual number of rows.
#: ``id > 0`` excludes nothing: without it SQLite uses the index of all open runs, and reads each of them.
COUNTS = f"""
SELECT
  (SELECT count(*) FROM lanes WHERE run_id IS NOT NULL) - {HIDDEN.format("l.run_id IS NOT NULL")},
  {OF_STATE.format("errored")},
  {OF_STATE.format("aborted")},
  {ALL},
  {PAUSED},
  (SELECT count(*) FROM messages WHERE state = 'queued'),
  (SELECT count(*) FROM messages WHERE {dead_letter()} AND retried_as IS NULL),
  (SELECT m.accepted_at FROM lanes l JOIN messages m ON m.id = l.head_id WHERE l.head_id IS NOT NULL
   ORDER BY l.head_id LIMIT 1),
  (SELECT count(*) FROM runs WHERE ended_at IS NULL AND left_out >= {GHOST_AFTER}),
  (SELECT count(*) FROM runs WHERE id > 0 AND ended_at IS NULL
   AND (run_timeout_ms IS NULL OR stall_timeout_ms IS NULL)),
  (SELECT count(*) FROM owners o CROSS JOIN runs r ON r.owner_id = o.id
   WHERE o.ended_at IS NULL AND o.heartbeat_at + o.stale_after_ms <= :now AND r.ended_at IS NULL)
FROM {CHILDREN}
"""


def pause(lane_id: int, key: str) -> Query[PauseRow | None]:
    """The pause of a lane, even an expired one."""
    return Query(PAUSE, {"lane": lane_id, "key": key}, one(to_pause))


def glob_pauses(now_wall: int) -> Query[list[PauseRow]]:
    """The pauses of all lanes, or of lanes whose keys match a glob, oldest first."""
    return Query(GLOB_PAUSES, {"now": now_wall}, many(to_pause))


def survivor_pauses() -> Query[list[PauseRow]]:
    """The pauses of lanes that last until it is proven that nothing of a run is left, oldest first."""
    return Query(SURVIVOR_PAUSES, {}, many(to_pause))


def lane(key: str) -> Query[LaneRow | None]:
    """One lane by its exact key, or None."""
    return Query(LANE, {"key": key}, one(to_lane))


def repeated(lane_id: int, now_wall: int) -> Query[Repeated | None]:
    """The repeated request that is refused on a lane at a wall time."""
    return Query(further.REFUSED_NOW, {"lane": lane_id, "now": now_wall}, one(lambda row: Repeated(*row)))


def lanes(
    chosen: LaneFilter, *, order: LaneOrder = BY_ATTENTION, limit: int | None = None, offset: int = 0
) -> Query[list[LaneRow]]:
    """The chosen lanes in some order; if by attention, unfinished lanes come first, the longest wait at the top."""
    choice, walks = choice_of(chosen), walks_of(order)
    pages = _far_pages if limit is not None and offset > FAR else _near_pages
    sorting = f"walk, word{_direction(walks)}, first, second"
    statement = f"""
    WITH chosen AS ({pages(walks, choice, sorting)})
    {SELECT} FROM chosen c JOIN lanes l ON l.id = c.lane_id {JOINS} ORDER BY {sorting}
    """
    most = NO_LIMIT if limit is None else limit
    page = {"limit": most, "offset": offset, "page": NO_LIMIT if limit is None else limit + offset}
    return Query(statement, choice.params | page | _named(order), many(to_lane), broad=True)


def _near_pages(walks: tuple[Walk, ...], choice: Conditions, sorting: str) -> str:
    """Every walk from its beginning to the end of the page."""
    union = " UNION ALL ".join(
        f"SELECT * FROM ({_walk(number, walk, choice)} ORDER BY {walk.order} LIMIT :page)"
        for number, walk in enumerate(walks)
    )
    return f"SELECT * FROM ({union}) ORDER BY {sorting} LIMIT :limit OFFSET :offset"


def _far_pages(walks: tuple[Walk, ...], choice: Conditions, sorting: str) -> str:
    """Every walk from the beginning of the page: counting the rows before the page is faster than sorting them."""
    unions = []
    for number, walk in enumerate(walks):
        before = "".join(f" - {_count(each, choice)}" for each in walks[:number])
        skip = f"(SELECT CASE WHEN n > 0 THEN n ELSE 0 END FROM (SELECT :offset{before} AS n) AS rest)"
        unions.append(f"SELECT * FROM ({_walk(number, walk, choice)} ORDER BY {walk.order} LIMIT :limit OFFSET {skip})")
    return f"SELECT * FROM ({' UNION ALL '.join(unions)}) ORDER BY {sorting} LIMIT :limit"


def lane_place(
    chosen: LaneFilter, key: str, *, order: LaneOrder = BY_ATTENTION, outside: bool = False
) -> Query[int | None]:
    """The position of a lane among the chosen ones, from 0, in the order of ``lanes``; None if it is not chosen.

    ``outside``: also return the position that the lane would have if it were chosen; None if there is no such lane.
    """
    choice = choice_of(chosen)
    sought = _in_order(order, Conditions([], {}) if outside else choice, f"{shown_key('l')} = :sought")
    statement = _before(sought, order, choice)
    return Query(statement, choice.params | {"sought": key} | _named(order), one(lambda row: int(row[0])), broad=True)


def sort_place(lane_id: int, *, order: LaneOrder = BY_ATTENTION) -> Query[SortPlace | None]:
    """Where a lane stands in an order."""
    statement = f"SELECT walk, word, first, second FROM ({_in_order(order, Conditions([], {}), 'l.id = :id')})"
    return Query(statement, {"id": lane_id} | _named(order), one(lambda row: SortPlace(*row)), broad=True)


def lanes_until(chosen: LaneFilter, place: SortPlace, *, order: LaneOrder = BY_ATTENTION) -> Query[int | None]:
    """How many of the chosen lanes stand at a place in the order of ``lanes`` or before it; None if the order has no
    such place."""
    choice = choice_of(chosen)
    place_select = "SELECT :walk AS walk, :word AS word, :first AS first, :second AS second"
    statement = _before(place_select, order, choice, "<=")
    return Query(statement, choice.params | place._asdict() | _named(order), one(lambda row: row[0]), broad=True)


def _in_order(order: LaneOrder, among: Conditions, condition: str) -> str:
    """A SELECT: the places of the lanes that meet a condition."""
    walks = enumerate(walks_of(order))
    return " UNION ALL ".join(f"{_walk(number, walk, among)} AND {condition}" for number, walk in walks)


def _before(sought: str, order: LaneOrder, choice: Conditions, operator: str = "<") -> str:
    """A SELECT: how many of the chosen lanes stand before the place that the SELECT ``sought`` gives."""
    walks, cases = walks_of(order), []
    for number, walk in enumerate(walks):
        whole = "".join(f"{_count(before, choice)} + " for before in walks[:number])
        word = f"word {'>' if walk.text is not None and walk.text.descending else '<'} sought.word"
        inside = f"SELECT count(*) FROM ({_walk(number, walk, choice)}) AS w WHERE w.{word}"
        inside += f" OR (w.word = sought.word AND (w.first, w.second) {operator} (sought.first, sought.second))"
        cases.append(f"WHEN {number} THEN {whole}({inside})")
    return f"WITH sought AS ({sought}) SELECT CASE sought.walk {' '.join(cases)} END FROM sought"


def _named(order: LaneOrder) -> dict[str, object]:
    """The parameters of an order."""
    return {"silent": json.dumps(order.silent)} if order.by is LaneSort.SILENT else {}


def claimable(owner: int, now_wall: int, *, bound_only: bool = False) -> Query[bool]:
    """Whether there is a head that ``owner`` could claim, as far as the database decides."""
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    return Query(f"{statement} LIMIT 1", {"after": 0, "owner": owner, "now": now_wall}, bool)


def lanes_total(chosen: LaneFilter) -> Query[int]:
    """How many lanes a filter chooses."""
    choice = choice_of(chosen)
    every = f"SELECT {ALL} FROM {CHILDREN}"
    some = f"SELECT count(*) FROM {choice.table()} WHERE 1 = 1{choice.where}"
    statement = every if choice.conditions == [LISTED] else some
    return Query(statement, choice.params, lambda rows: int(rows[0][0]), broad=True)


def tally(chosen: LaneFilter) -> Query[LaneTally]:
    """Counts over the lanes that a filter chooses, by state. Needs ``at``."""
    choice = choice_of(chosen)
    sums = (runs_of("l"), reruns_of("l"), QUEUED, f"NOT ({no_pause('l', ':now')})")
    sql = f"SELECT l.state, count(*), {', '.join(f'sum({each})' for each in sums)}"
    statement = f"{sql} FROM {choice.table(*sums)} WHERE 1 = 1{choice.where} GROUP BY l.state"

    def shape(rows: list[Row]) -> LaneTally:
        states = {LaneState.read(row[0]): int(row[1]) for row in rows}
        return LaneTally(states, *(sum(int(row[place]) for row in rows) for place in range(2, 6)))

    return Query(statement, choice.params | {"now": chosen.at}, shape, broad=True)


def lane_epochs(chosen: LaneFilter, limit: int) -> Query[list[tuple[str, int | None, LaneState]]]:
    """Key, epoch and state of at most ``limit`` of the chosen lanes, the newest first. None is the epoch of a session
    that runs several requests."""
    choice = choice_of(chosen)
    statement = f"""
    SELECT {shown_key("l")}, CASE WHEN {open_of("l")} > 0 THEN NULL ELSE l.epoch END, l.state FROM {choice.table()}
    WHERE 1 = 1{choice.where} ORDER BY l.id DESC LIMIT :limit
    """
    shape = many(lambda row: (str(row[0]), row[1], LaneState.read(row[2])))
    return Query(statement, choice.params | {"limit": limit}, shape, broad=True)


def lane_groups(chosen: LaneFilter, parts: int, silent: Mapping[int, int], limit: int) -> Query[list[LaneGroupRow]]:
    """The chosen lanes by the first ``parts`` parts of their keys (between colons): the worst group first.

    ``silent``: the silence of each silent run in milliseconds, by id. The query reads all chosen lanes.
    """
    choice = choice_of(chosen)
    first = f"""SELECT {shown_key("l")} AS key, l.state, {head_of("l")} AS head_id, l.run_id, 0 AS at,
      instr({shown_key("l")}, ':') AS step
      FROM {choice.table()} WHERE 1 = 1{choice.where}"""
    # MATERIALIZED: otherwise SQLite would evaluate each step again wherever it is named
    steps = [f"cut_0 AS MATERIALIZED ({first})"] + [
        f"""cut_{part + 1} AS MATERIALIZED (SELECT key, state, head_id, run_id,
          CASE WHEN step > 0 THEN at + step END AS at, instr(substr(key, at + step + 1), ':') AS step
          FROM cut_{part})"""
        for part in range(parts)
    ]
    statement = f"""
    WITH silences AS MATERIALIZED (SELECT CAST(key AS INTEGER) AS run, value AS ms FROM json_each(:silent)),
    {", ".join(steps)}
    SELECT coalesce(substr(key, 1, at - 1), key) AS prefix, count(*),
      count(run_id) AS running, sum(state = 'errored') AS errored, sum(state = 'aborted'), count(head_id) AS waiting,
      count(run) AS silent, max(ms), at IS NULL
    FROM cut_{parts} LEFT JOIN silences ON run = run_id
    GROUP BY prefix, at IS NULL
    ORDER BY silent DESC, errored DESC, waiting DESC, running DESC, count(*) DESC, prefix LIMIT :limit
    """
    params = choice.params | {"silent": json.dumps(dict(silent)), "limit": limit}
    return Query(statement, params, many(lambda row: LaneGroupRow._make([*row[:-1], bool(row[-1])])), broad=True)


def counts(now_wall: int) -> Query[LaneCounts]:
    """The counts that ``status`` shows."""
    return Query(COUNTS, {"now": now_wall}, _to_counts, broad=True)


def _to_counts(rows: list[Row]) -> LaneCounts:
    running, errored, aborted, total, *others = rows[0]
    by_state = {
        LaneState.IDLE: total - running - errored - aborted,
        LaneState.RUNNING: running,
        LaneState.ERRORED: errored,
        LaneState.ABORTED: aborted,
    }
    return LaneCounts({str(state): count for state, count in by_state.items()}, *others)


def _walk(number: int, walk: Walk, choice: Conditions) -> str:
    table = choice.table(walk.condition, *(term.sql for term in walk.terms))
    return f"SELECT {number} AS walk, {walk.values}, l.id AS lane_id FROM {table} WHERE {walk.condition}{choice.where}"


def _count(walk: Walk, choice: Conditions) -> str:
    return f"(SELECT count(*) FROM {choice.table(walk.condition)} WHERE {walk.condition}{choice.where})"


def _direction(walks: tuple[Walk, ...]) -> str:
    """At most one walk of an order sorts by text."""
    return " DESC" if any(walk.text is not None and walk.text.descending for walk in walks) else ""
