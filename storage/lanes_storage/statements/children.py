"""Statements about child lanes, which run the concurrent requests of one session, and about requests that a program
sends again after lanes ended them."""

from lanes_storage.fragments import NAMED_LANE, lanes_of, session_of

#: The lane of a session, or a child of it; harmless if it exists.
MAKE = """
INSERT INTO lanes (key, state, epoch, anonymous, conversation, parent_id, created_at, updated_at)
VALUES (:key, 'idle', 0, false, 1, :parent, :now, :now) ON CONFLICT (key) DO NOTHING
"""

#: The children of a lane, with what waits in each: free ones first. A success on one that ended badly ends that.
CHILDREN = """
SELECT c.id, c.key, c.run_id IS NULL AND c.head_id IS NULL,
  (SELECT count(*) FROM messages m WHERE m.lane_id = c.id AND m.state = 'queued')
FROM lanes c WHERE c.parent_id = :parent ORDER BY 3 DESC, 4, c.state IN ('errored', 'aborted') DESC, c.id
"""

#: The lane of a key and its children, with their epochs and states.
SESSION = lanes_of(NAMED_LANE, "id, epoch, state")

OWN = "SELECT coalesce(parent_id, id) FROM lanes WHERE id = :lane"

#: Whether anything runs or waits in the session of a lane.
BUSY = f"""
SELECT coalesce(head_id, run_id) FROM lanes
WHERE id IN ({session_of(":lane")}) AND coalesce(head_id, run_id) IS NOT NULL LIMIT 1
"""

TAKEN = "SELECT 1 FROM lanes WHERE key = :key"

# -------------------------------------------------------------------------------- requests that come again


#: How the newest messages of a lane ended, with the digests of those that were passed on.
LAST_ENDED = """
SELECT m.state, m.error_cause, m.attempts, json_extract(m.request, '$.lanes_outline.digest'), m.ended_at
FROM messages m WHERE m.lane_id = :lane ORDER BY m.id DESC LIMIT 8
"""

#: What is stored of a session.
REPEAT = "SELECT r.digest, r.times, r.until, r.resumed_at FROM repeats r WHERE r.lane_id = :lane"

#: The refused requests of the session that a lane belongs to, as long as they are refused.
REFUSED_NOW = """
SELECT r.cause, r.times, r.until FROM lanes l CROSS JOIN repeats r ON r.lane_id = coalesce(l.parent_id, l.id)
WHERE l.id = :lane AND r.until > :now
"""

NOTE_REPEAT = """
INSERT INTO repeats (lane_id, digest, cause, times, until) VALUES (:lane, :digest, :cause, :times, :until)
ON CONFLICT (lane_id) DO UPDATE SET digest = excluded.digest, cause = excluded.cause, times = excluded.times,
  until = excluded.until
"""

#: A person resumed the session. Lanes on which nothing was passed on get no such row.
FORGIVE = f"""
INSERT INTO repeats (lane_id, times, resumed_at) SELECT :lane, 0, :now WHERE (SELECT 1 FROM messages
  WHERE lane_id IN ({lanes_of(":lane")}) AND source IS NOT NULL LIMIT 1) IS NOT NULL
ON CONFLICT (lane_id) DO UPDATE SET digest = NULL, cause = NULL, times = 0, until = NULL, resumed_at = :now
"""
