"""Queries about the turns of conversations. The turns of a lane are a chain, which is walked from its end."""

from lanes_storage.fragments import characters, columns
from lanes_storage.interface import FEW_ROWS, Query, Row
from lanes_storage.law import TurnState
from lanes_storage.reads.shapes import many, one
from lanes_storage.records import ConversationRow, ConversationState, TurnRow

_COLUMNS = columns(TurnRow._fields, "t.")
_SIZE = " + ".join(characters(f"t.{column}") for column in ("text", "reply", "answer"))
#: The newest turns of the lane's conversation that a model may be told, as long as they have at most ``:within``
#: characters together. Each is found by its id. A turn whose message let others pass has a smaller id than those before
#: it in the chain.
RECALLED = f"""
WITH RECURSIVE chain(id, before, conversation, first, number, size) AS (
  SELECT t.id, t.before, t.conversation, coalesce(l.told_from, 0), 1, {_SIZE} FROM lanes l JOIN turns t
    ON t.id = l.last_turn
  WHERE l.id = :lane AND t.lane_id = l.id AND t.conversation = l.conversation
  UNION ALL
  SELECT t.id, t.before, c.conversation, c.first, c.number + 1, c.size + {_SIZE} FROM chain c CROSS JOIN turns t
    ON t.id = c.before
  WHERE t.lane_id = :lane AND t.conversation = c.conversation AND c.number < {{most:d}} AND c.size < :within
)
SELECT {_COLUMNS} FROM chain c CROSS JOIN turns t ON t.id = c.id
WHERE c.size <= :within AND c.id >= c.first AND t.state <> '{TurnState.RETRIED}'
"""
#: Each turn of a lane, the newest first, of every conversation.
_CHAIN = """
WITH RECURSIVE chain(id, before) AS (
  SELECT t.id, t.before FROM lanes l JOIN turns t ON t.id = l.last_turn WHERE l.id = :lane AND t.lane_id = l.id
  UNION ALL
  SELECT t.id, t.before FROM chain c CROSS JOIN turns t ON t.id = c.before WHERE t.lane_id = :lane
)
"""
CONVERSATIONS = f"""
{_CHAIN}
SELECT t.conversation, count(*), min(t.at), max(t.at) FROM chain c CROSS JOIN turns t ON t.id = c.id
GROUP BY t.conversation ORDER BY t.conversation
"""
CONVERSATION = f"""
{_CHAIN}
SELECT {_COLUMNS} FROM chain c CROSS JOIN turns t ON t.id = c.id
WHERE t.conversation = :number AND t.state <> '{TurnState.RETRIED}' ORDER BY t.id DESC LIMIT {{most:d}}
"""
OF_LANE = "SELECT id, conversation, coalesce(told_from, 0) FROM lanes WHERE key = :key"
NO_LIMIT = -1


def recalled(lane_id: int, most: int, within: int) -> Query[list[TurnRow]]:
    """The last turns of the lane's conversation that a model may be told, oldest first: at most ``most``, with at most
    ``within`` characters together."""
    params = {"lane": lane_id, "within": within}
    return Query(RECALLED.format(most=most), params, _to_turns, point=most <= FEW_ROWS)


def conversation_state(key: str) -> Query[ConversationState | None]:
    """The present conversation of a lane, or None if there is no such lane."""
    return Query(OF_LANE, {"key": key}, one(lambda row: ConversationState(*row)))


def conversations(lane_id: int) -> Query[list[ConversationRow]]:
    """The conversations of a lane of which turns are kept, oldest first."""
    return Query(CONVERSATIONS, {"lane": lane_id}, many(lambda row: ConversationRow(*row)), broad=True)


def conversation(lane_id: int, number: int, limit: int | None = None) -> Query[list[TurnRow]]:
    """The turns of one conversation, or the last ones of them, oldest first."""
    most = NO_LIMIT if limit is None else limit
    params = {"lane": lane_id, "number": number}
    return Query(CONVERSATION.format(most=most), params, _to_turns, broad=True)


def _to_turns(rows: list[Row]) -> list[TurnRow]:
    """The turns, oldest first. They are few: a sort in SQL would be a table for it."""
    ordered = sorted(rows, key=lambda row: int(row[0]))
    return [TurnRow._make([*row[:6], TurnState.read(row[6]), *row[7:]]) for row in ordered]
