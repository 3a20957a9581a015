"""Queries about messages."""

from collections.abc import Sequence

from lanes_storage.interface import Query, Row, Transaction
from lanes_storage.law import MessageState
from lanes_storage.reads.shapes import MESSAGE_COLUMNS, many, one, to_message
from lanes_storage.records import Message
from lanes_storage.wording import dead_letter

SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages m JOIN lanes ml ON ml.id = m.lane_id"
MESSAGE = f"{SELECT} WHERE m.id = :id"
OF_LANE = f"{SELECT} WHERE m.lane_id = :lane"
DEAD_LETTERS = f"""
{SELECT} WHERE {dead_letter("m.")} AND m.id < :before ORDER BY m.id DESC LIMIT :limit
"""
#: An exchange is one reply and the texts that it answers, which are several where they were collected. From the turns
#: to those, never the other way: SQLite 3.51 would walk everything that was ever collected.
HISTORY = """
WITH turns AS (
  SELECT id, batch, text, reply FROM messages
  WHERE lane_id = :lane AND id < :before AND state = 'done' AND text IS NOT NULL AND reply IS NOT NULL
  ORDER BY id DESC LIMIT {limit:d}
)
SELECT t.id, t.id AS place, t.text, t.reply FROM turns t
UNION ALL
SELECT t.id, b.id, b.text, t.reply FROM turns t CROSS JOIN messages b ON b.batch = t.batch AND b.answered_by = t.id
ORDER BY 1, 2
"""
NO_LIMIT = -1
#: Behind every message that there will be.
LAST = 2**63 - 1


def message(message_id: int) -> Query[Message | None]:
    """One message, or None."""
    return Query(MESSAGE, {"id": message_id}, one(to_message))


def get_message(tx: Transaction, message_id: int) -> Message | None:
    """The same within a transaction."""
    query = message(message_id)
    return query.shape(tx.rows(query.sql, query.params))


def messages(
    lane_id: int, states: Sequence[MessageState] = (), limit: int | None = None, before: int | None = None
) -> Query[list[Message]]:
    """Messages of a lane, newest first; ``before``: those that were accepted before that one."""
    params: dict[str, object] = {"lane": lane_id}
    most = NO_LIMIT if limit is None else limit
    named = {f"state_{i}": state for i, state in enumerate(states)}
    chosen = f"AND m.state IN ({', '.join(':' + name for name in named)})" if named else ""
    if before is not None:
        chosen += " AND m.id < :before"
        params["before"] = before
    return Query(f"{OF_LANE} {chosen} ORDER BY m.id DESC LIMIT {most:d}", params | named, many(to_message))


def ended_among(ids: Sequence[int]) -> Query[list[int]]:
    """Which of these messages have ended."""
    named = {f"id_{i}": id_ for i, id_ in enumerate(ids)}
    chosen = ", ".join(":" + name for name in named)
    sql = f"SELECT id FROM messages WHERE id IN ({chosen}) AND ended_at IS NOT NULL"
    return Query(sql, named, lambda rows: [row[0] for row in rows])


def dead_letters(limit: int | None = None, before: int | None = None) -> Query[list[Message]]:
    """Failed messages of every lane, newest first; ``before``: those that were accepted before that one."""
    params = {"limit": NO_LIMIT if limit is None else limit, "before": before or LAST}
    return Query(DEAD_LETTERS, params, many(to_message))


def history(lane_id: int, before: int, limit: int) -> Query[list[tuple[str, str]]]:
    """The last finished exchanges of a lane before a message, oldest first: texts and their replies."""
    return Query(HISTORY.format(limit=limit), {"lane": lane_id, "before": before}, _to_turns)


def _to_turns(rows: list[Row]) -> list[tuple[str, str]]:
    turns: dict[int, tuple[list[str], str]] = {}
    for turn, _, text, reply in rows:
        turns.setdefault(turn, ([], reply))[0].append(text)
    return [("\n\n".join(texts), reply) for texts, reply in turns.values()]
