"""Values from ``law`` and conditions that several statements share, as SQL."""

from collections.abc import Iterable
from enum import StrEnum

#: The number of events in a block. A lane has one row for each block with events of it; a read scans the block.
EVENTS_OF_A_BLOCK = 256


def names(words: Iterable[StrEnum]) -> str:
    """A SQL list of the words, in a fixed order."""
    return ", ".join(f"'{word}'" for word in sorted(words))


def columns(fields: Iterable[str], of: str = "", **others: str) -> str:
    """The columns of a table with the names of a record's fields, in their order; with ``:`` as ``of``, parameters.

    ``of``, here and below: the alias of the table, with a dot. ``others``: the expressions of fields that are none of
    its columns.
    """
    return ", ".join(others.get(field, f"{of}{field}") for field in fields)


def no_pause(lane: str, now: str) -> str:
    """A SQL condition: no pause applies at the wall time ``now``; ``lane`` is the alias of a row of ``lanes``. A pause
    of a lane applies to its whole session.

    Two lookups in a table that is mostly empty, each with a limit, so that the planner does not turn them into a join.
    """
    holds = f"(p.until IS NULL OR p.until > {now}) LIMIT 1) IS NULL"
    return (
        f"(SELECT 1 FROM pauses p WHERE p.lane_id = coalesce({lane}.parent_id, {lane}.id) AND {holds}"
        f" AND (SELECT 1 FROM pauses p WHERE p.lane_id IS NULL AND {shown_key(lane)} GLOB p.pattern AND {holds}"
    )


def unlisted(of: str = "") -> str:
    """A SQL condition on a lane: it was made for one request, which has ended. Such lanes are not listed and not
    counted."""
    return f"{of}anonymous AND {of}head_id IS NULL AND {of}run_id IS NULL"


def shown_key(lane: str) -> str:
    """A SQL expression: the key under which a lane is shown, and that policies and globs match. For a child lane, the
    key of its session."""
    return of_own_lane(lane, "key")


def of_own_lane(lane: str, column: str) -> str:
    """A SQL expression: a column of a lane; for a child lane, of the lane of its session."""
    parent = f"(SELECT parent.{column} FROM lanes parent WHERE parent.id = {lane}.parent_id)"
    return f"CASE WHEN {lane}.parent_id IS NULL THEN {lane}.{column} ELSE {parent} END"


def own_lane(lane: str) -> str:
    """A SQL expression: the id of the lane of the session that the lane with this id belongs to. The pauses, budget and
    usage of a session are stored under that lane."""
    return f"(SELECT coalesce(parent_id, id) FROM lanes WHERE id = {lane})"


#: A SQL expression: the id of the lane with the key ``:key``.
NAMED_LANE = "(SELECT id FROM lanes WHERE key = :key)"


def lanes_of(session: str, columns: str = "id") -> str:
    """A SELECT: the lane of a session, which has the id ``session``, then its child lanes."""
    select = f"SELECT {columns} FROM lanes WHERE"
    return f"{select} id = {session} UNION ALL {select} parent_id = {session}"


def session_of(lane: str) -> str:
    """A SELECT: the lanes of the session that the lane with this id belongs to; mostly only that lane."""
    return lanes_of(own_lane(lane))


def shown_for(session: str) -> str:
    """A SQL expression: the lane that is shown for a session, which is the worst of its lanes. Of several that run, it
    is the one that has been silent for longest; the session's own lane only if no child lane is as bad."""
    return (
        f"(SELECT x.id FROM ({lanes_of(session, 'id, parent_id, run_id, head_id, state')}) x ORDER BY"
        " CASE WHEN x.run_id IS NOT NULL THEN 0 WHEN x.head_id IS NOT NULL THEN 1"
        " WHEN x.state = 'errored' THEN 2 WHEN x.state = 'aborted' THEN 3 ELSE 4 END,"
        " (SELECT run.progress_at FROM runs run WHERE run.id = x.run_id),"
        " x.parent_id IS NULL, coalesce(x.run_id, x.id) LIMIT 1)"
    )


def shown_of_session(lane: str) -> str:
    """A SQL condition: the lane belongs to no session with child lanes, or is the one that is shown for its session."""
    # The first part is evaluated once for a statement: most databases have no child lanes.
    return (
        "((SELECT 1 FROM lanes WHERE parent_id IS NOT NULL LIMIT 1) IS NULL OR"
        f" {lane}.id = {shown_for(f'coalesce({lane}.parent_id, {lane}.id)')})"
    )


def of_session(lane: str) -> str:
    """A SQL condition: the lane belongs to a session with child lanes."""
    # The first part is evaluated once for a statement: most databases have no child lanes.
    return (
        f"((SELECT 1 FROM lanes WHERE parent_id IS NOT NULL LIMIT 1) IS NOT NULL AND ({lane}.parent_id IS NOT NULL"
        f" OR (SELECT 1 FROM lanes child WHERE child.parent_id = {lane}.id LIMIT 1) IS NOT NULL))"
    )


def in_session(lane: str, counted: str, alone: str) -> str:
    """A SQL expression: ``counted``, over the lanes ``g``, for a session with child lanes; otherwise ``alone``."""
    session = lanes_of(f"coalesce({lane}.parent_id, {lane}.id)", "id, run_id, head_id")
    return f"CASE WHEN {of_session(lane)} THEN (SELECT {counted} FROM ({session}) g) ELSE {alone} END"


def queued_of(lane: str) -> str:
    """A SQL expression: how many messages wait in a lane, or in its session."""
    waiting = "(SELECT count(*) FROM messages q WHERE q.state = 'queued' AND q.lane_id = {}.id)"
    alone = f"CASE WHEN {lane}.head_id IS NULL THEN 0 ELSE {waiting.format(lane)} END"
    return in_session(lane, f"sum({waiting.format('g')})", alone)


def open_of(lane: str) -> str:
    """A SQL expression: how many lanes of a session with child lanes have a run or a waiting message; null for other
    lanes."""
    return in_session(lane, "count(coalesce(g.run_id, g.head_id))", "NULL")


def head_of(lane: str) -> str:
    """A SQL expression: the message that has waited in a lane for longest, or in its session."""
    return in_session(lane, "min(g.head_id)", f"{lane}.head_id")


def runs_of(lane: str) -> str:
    """A SQL expression: how many runs an abort of a lane, or of its session, ends."""
    return in_session(lane, "count(g.run_id)", f"{lane}.run_id IS NOT NULL")


def reruns_of(lane: str) -> str:
    """A SQL expression: how many waiting messages such an abort ends: in each free lane the head, if it ran before,
    with all messages that ran with it."""
    with_it = "(SELECT count(*) FROM messages b WHERE b.batch = h.batch AND b.state = 'queued')"
    count = f"CASE WHEN h.started_at IS NULL THEN 0 WHEN h.batch IS NULL THEN 1 ELSE {with_it} END"
    free = "coalesce((SELECT {1} FROM messages h WHERE h.id = {0}.head_id AND {0}.run_id IS NULL), 0)"
    alone = f"CASE WHEN {lane}.head_id IS NULL THEN 0 ELSE {free.format(lane, count)} END"
    return in_session(lane, f"sum({free.format('g', count)})", alone)


def characters(text: str) -> str:
    """A SQL expression: the length of a text in characters. If the text contains NUL, where ``length`` stops, it may be
    too small."""
    return f"coalesce(max(length({text}), length(CAST({text} AS BLOB)) / 4), 0)"


def dead_letter(of: str = "") -> str:
    """A SQL condition on a message: it failed, and its lane was not made for one request, so a retry makes sense."""
    return f"{of}state = 'failed' AND NOT {of}anonymous"


def unsent() -> str:
    """A SQL condition on an incident: a notification is still to be sent, of its beginning or of its end."""
    return "(begin_sent_at IS NULL OR (ended_at IS NOT NULL AND end_sent_at IS NULL))"


def unproven(of: str = "") -> str:
    """A SQL condition on a run: it was released by force, may have had processes, and it is not proven that all of them
    have ended."""
    had_processes = f"({of}kind = 'command' OR {of}process_pid IS NOT NULL)"
    return f"{of}forced AND {had_processes} AND coalesce({of}survivors, '') <> '[]'"


def unnamed(message: str) -> str:
    """A SQL condition: the message with this id has no idempotency key with which its sender could repeat the
    request."""
    return f"NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.message_id = {message})"


def one_of(column: str, words: Iterable[StrEnum]) -> str:
    """A SQL condition: the column is one of the words.

    For conditions that are checked at each write. For IN with more than two values SQLite builds a temporary table at
    each execution, which takes fifteen times as long.
    """
    return "(" + " OR ".join(f"{column} = '{word}'" for word in sorted(words)) + ")"


def block_of(event: str) -> str:
    """A SQL expression: the block of the journal that an event is in, by its id."""
    return f"{event} / {EVENTS_OF_A_BLOCK}"


def within_block(event: str, block: str) -> str:
    """A SQL condition: an event, by its id, is in a block of the journal."""
    first = f"{block} * {EVENTS_OF_A_BLOCK}"
    return f"{event} >= {first} AND {event} < {first} + {EVENTS_OF_A_BLOCK}"


def events_of(lane: str, operator: str = "=") -> str:
    """A SQL table: the events ``e`` of a lane in its blocks ``b``. Ordering by ``b.block, e.id``, ascending or
    descending, needs no sort. With ``IN`` as ``operator``, ``lane`` is a SELECT of several lanes."""
    blocks = f"(SELECT lane_id, block FROM event_blocks WHERE lane_id {operator} {lane})"
    return f"{blocks} b CROSS JOIN events e ON e.lane_id = b.lane_id AND {within_block('e.id', 'b.block')}"
