"""Statements that run a message once more, by itself or by a person, and that change the order of a lane."""

from lanes_storage.fragments import one_of, shown_key
from lanes_storage.law import ASIDE, RETRIABLE

#: By itself: its time at providers is counted from the end of this wait. ``:aside``: it lets others pass. A message
#: that did not run keeps the attempts that it has.
RETRY_MESSAGE = f"""
UPDATE messages SET state = 'queued', retries = coalesce(retries, 0) + 1, parked_until = :until, parked_since = :until,
  parked_for = NULL, attempts = CASE state WHEN 'running' THEN :attempts ELSE attempts END,
  moved_to = CASE WHEN :aside THEN id + {ASIDE} ELSE moved_to END
WHERE id = :message AND state = :before
"""

#: Whether a waiting message has another position than that of its acceptance.
ANY_MOVED = "SELECT 1 FROM messages WHERE moved_to IS NOT NULL AND state = 'queued' LIMIT 1"

#: Messages that let others pass, and whose wait is over.
RECALLABLE = f"""
SELECT id, lane_id FROM messages
WHERE moved_to >= {ASIDE} AND state = 'queued' AND parked_until <= :now ORDER BY moved_to
"""

#: Its position is that of its acceptance again; that it is named at all says that others passed it.
RECALL = "UPDATE messages SET moved_to = id WHERE id = :message"

#: A message that a person may retry, if it has ended otherwise than well.
TO_RETRY = f"""
SELECT m.state, m.retried_as, m.text, m.request, m.runner, {shown_key("l")}, l.id, m.depth,
  m.fresh AND m.started_at IS NULL, m.acts
FROM messages m JOIN lanes l ON l.id = m.lane_id
WHERE m.id = :message
"""

MARK_RETRIED = f"""
UPDATE messages SET retried_as = :new WHERE id = :message AND {one_of("state", RETRIABLE)} AND retried_as IS NULL
"""

#: The ranks of the first message that waits in a lane, and of what runs there.
RANKS = """
SELECT * FROM (SELECT rank FROM messages WHERE lane_id = :lane AND state = 'queued' ORDER BY rank LIMIT 1)
UNION ALL SELECT m.rank FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.id = r.message_id
  WHERE l.id = :lane
UNION ALL SELECT m.rank FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.batch = r.message_id
  WHERE l.id = :lane
"""

#: It leaves the messages that it was collected with.
MOVE_MESSAGE = "UPDATE messages SET moved_to = :to, batch = NULL WHERE id = :message"
