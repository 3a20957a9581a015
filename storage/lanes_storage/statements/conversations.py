"""Statements about the memory of conversations."""

from lanes_storage.law import TurnState

#: ``OR REPLACE``: nothing about the memory of a lane may keep the lane from being released.
MAKE_TURN = """
INSERT OR REPLACE INTO turns (id, lane_id, conversation, before, message_id, text, reply, answer, state, tokens, at)
VALUES (:id, :lane, :conversation, :before, :message, :text, :reply, :answer, :state, :tokens, :now)
"""

NEW_LAST_TURN = "UPDATE lanes SET last_turn = :turn WHERE id = :lane"

#: The text of a message that ends without a run, and the chain that its turn continues.
UNANSWERED = """
SELECT m.text, m.started_at, l.id, l.conversation, l.last_turn FROM messages m JOIN lanes l ON l.id = m.lane_id
WHERE m.id = :message AND m.text IS NOT NULL AND NOT m.anonymous
"""

#: A retry says the same text again.
RETRY_TURN = f"UPDATE turns SET state = '{TurnState.RETRIED}' WHERE id = :turn"

#: What an agent called the conversation before is forgotten, too.
NEW_CONVERSATION = """
UPDATE lanes SET conversation = conversation + 1, agent_session = NULL, told_from = NULL, updated_at = :now
WHERE id = :lane AND run_id IS NULL RETURNING conversation, last_turn
"""

#: Only while the run holds its lane.
TELL_FROM = "UPDATE lanes SET told_from = :turn WHERE run_id = :run AND epoch = :epoch"

LAST_MESSAGE = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)"

LAST_TURN_SINCE = "SELECT max(id) FROM turns WHERE id >= :first"
