"""Statements that keep lanes within limits that people set: how long messages wait, how many come."""

#: Messages that have waited longer than they may.
EXPIRED = """
SELECT id, accepted_at, expires_at FROM messages
WHERE expires_at IS NOT NULL AND state = 'queued' AND expires_at <= :now ORDER BY expires_at
"""

#: The length of the chain that a message of this run would have before it.
DEPTH_AFTER = "SELECT coalesce(m.depth, 0) + 1 FROM runs r JOIN messages m ON m.id = r.message_id WHERE r.id = :run"

#: When the message was accepted that came so many messages before the last one of its lane.
ACCEPTED_BEFORE = "SELECT accepted_at FROM messages WHERE lane_id = :lane ORDER BY id DESC LIMIT 1 OFFSET :number"

PAUSE_OF_KIND = "SELECT 1 FROM pauses WHERE lane_id = :lane AND kind = :kind"
