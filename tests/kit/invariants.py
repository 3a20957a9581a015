"""What must be true after every commit, asked of the rows through the store's own interface."""

from typing import Any

from lanes_storage.interface import Query, Reader
from lanes_storage.law import RELEASES, TERMINAL
from lanes_storage.statements import names

#: What must never be found: a sentence and the statement that would find it.
NEVER = {
    "a lane is running without exactly one open run of its own that carries its epoch": """
        SELECT l.id FROM lanes l WHERE l.state = 'running' AND (l.epoch IS NULL OR l.epoch <> l.run_id
          OR (SELECT count(*) FROM runs r WHERE r.lane_id = l.id AND r.ended_at IS NULL AND r.id = l.run_id) <> 1)
    """,
    "a released lane has an open run": """
        SELECT l.id FROM lanes l JOIN runs r ON r.lane_id = l.id AND r.ended_at IS NULL
        WHERE l.state <> 'running' OR l.run_id IS NULL OR l.run_id <> r.id
    """,
    "the head of a lane is not its oldest waiting message": """
        SELECT l.id FROM lanes l WHERE coalesce(l.head_id, 0) <>
          coalesce((SELECT min(id) FROM messages m WHERE m.lane_id = l.id AND m.state = 'queued'), 0)
    """,
    "a message runs in a run that is not the open one of its lane": """
        SELECT m.id FROM messages m JOIN lanes l ON l.id = m.lane_id
        WHERE m.state = 'running' AND (l.run_id IS NULL OR l.run_id <> m.run_id)
    """,
    "an epoch is larger than the counter": """
        SELECT id FROM lanes WHERE epoch > (SELECT value FROM counters WHERE name = 'epoch')
    """,
    "a run has no claim in the journal, or two": """
        SELECT r.id FROM runs r WHERE
          (SELECT count(*) FROM events e WHERE e.run_id = r.id AND e.type = 'claim') <> 1
    """,
    "a run that ended has not exactly one release in the journal, with the edge that ended it": f"""
        SELECT r.id FROM runs r WHERE
          (SELECT count(*) FROM events e WHERE e.run_id = r.id AND e.type IN ({names(RELEASES)}))
            <> (r.edge IS NOT NULL)
          OR (SELECT count(*) FROM events e WHERE e.run_id = r.id AND e.type = r.edge) <> (r.edge IS NOT NULL)
    """,
    "a message has no acceptance in the journal, or two": """
        SELECT m.id FROM messages m WHERE
          (SELECT count(*) FROM events e WHERE e.message_id = m.id AND e.type = 'accepted') <> 1
    """,
    "a message was answered twice": """
        SELECT message_id FROM runs WHERE edge = 'complete' GROUP BY message_id HAVING count(*) > 1
    """,
    "a message ended without a word in the journal": f"""
        SELECT m.id FROM messages m WHERE m.state IN ({names(TERMINAL)}) AND NOT EXISTS
          (SELECT 1 FROM events e WHERE e.message_id = m.id AND e.type <> 'accepted' AND e.type <> 'claim')
    """,
    "a message that ended otherwise than well has no notice, or two, or another one has any": """
        SELECT m.id FROM messages m WHERE
          (SELECT count(*) FROM events e WHERE e.message_id = m.id AND e.type = 'notice')
            <> (m.state IN ('failed', 'aborted', 'dropped'))
    """,
    "two lanes ran at one epoch": "SELECT epoch FROM lanes WHERE epoch > 0 GROUP BY epoch HAVING count(*) > 1",
}


def broken(reader: Reader) -> list[str]:
    """Every invariant that does not hold, with the ids that break it."""

    def ids(rows: list[Any]) -> list[int]:
        return [row[0] for row in rows]

    found = {sentence: reader.read(Query(statement, {}, ids)) for sentence, statement in NEVER.items()}
    return [f"{sentence}: {rows}" for sentence, rows in found.items() if rows]
