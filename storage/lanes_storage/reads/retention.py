"""Queries about old rows: walks by id, oldest first, so that retention needs no index that the hot path must update."""

from lanes_storage.fragments import dead_letter, names
from lanes_storage.interface import Query
from lanes_storage.law import Prunable
from lanes_storage.records import Old
from lanes_storage.statements import pruning as sql

#: Columns of each: id, session key, the time from which its age counts (null: it must be kept), the time of creation.
WALKS = {
    Prunable.MESSAGES: f"""
        SELECT m.id, l.key, CASE WHEN m.state IN ({names(sql.PRUNED_BY_AGE)}) THEN m.ended_at END, m.accepted_at
        FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE m.id > :after ORDER BY m.id LIMIT :limit
    """,
    Prunable.RUNS: """
        SELECT r.id, l.key,
          CASE WHEN NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = r.message_id) THEN r.ended_at END, r.claimed_at
        FROM runs r LEFT JOIN lanes l ON l.id = r.lane_id WHERE r.id > :after ORDER BY r.id LIMIT :limit
    """,
    Prunable.TURNS: """
        SELECT t.id, l.key, t.at, t.at FROM turns t LEFT JOIN lanes l ON l.id = t.lane_id WHERE t.id > :after
        ORDER BY t.id LIMIT :limit
    """,
    Prunable.EVENTS: """
        SELECT e.id, l.key,
          CASE WHEN NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = e.message_id)
            AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = e.run_id) THEN e.at END, e.at
        FROM events e LEFT JOIN lanes l ON l.id = e.lane_id WHERE e.id > :after ORDER BY e.id LIMIT :limit
    """,
    Prunable.LANES: """
        SELECT l.id, l.key,
          CASE WHEN l.state = 'idle' AND l.head_id IS NULL
            AND NOT EXISTS (SELECT 1 FROM lanes c WHERE c.parent_id = l.id)
            AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.lane_id = l.id)
            AND NOT EXISTS (SELECT 1 FROM event_blocks b WHERE b.lane_id = l.id)
            AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.id = l.last_turn) THEN l.updated_at END, l.created_at
        FROM lanes l WHERE l.id > :after ORDER BY l.id LIMIT :limit
    """,
    Prunable.OWNERS: "SELECT id, NULL, ended_at, started_at FROM owners WHERE id > :after ORDER BY id LIMIT :limit",
    Prunable.ANONYMOUS: """
        SELECT l.id, l.key, CASE WHEN l.head_id IS NULL AND l.run_id IS NULL THEN l.updated_at END, l.created_at
        FROM lanes l WHERE l.anonymous AND l.id > :after ORDER BY l.id LIMIT :limit
    """,
    Prunable.DEAD_LETTERS: f"""
        SELECT m.id, l.key, m.ended_at, m.accepted_at
        FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE {dead_letter("m.")} AND m.id > :after
        ORDER BY m.id LIMIT :limit
    """,
}
OLD_IDEMPOTENCY = "SELECT 1 FROM idempotency WHERE accepted_at <= :before LIMIT 1"


def old(kind: Prunable, after: int, limit: int) -> Query[list[Old]]:
    """The rows of a kind after id ``after``, with the columns that decide whether they may be pruned."""
    return Query(WALKS[kind], {"after": after, "limit": limit}, lambda rows: [Old(*row) for row in rows])


def any_old_idempotency(before: int) -> Query[bool]:
    """Whether there is an idempotency key from before ``before`` (wall time)."""
    return Query(OLD_IDEMPOTENCY, {"before": before}, bool)
