"""Statements about requests that a program sends again after lanes ended them."""

#: The lanes of a session: its own, and its child lanes.
LANES_OF_SESSION = """
SELECT id FROM lanes WHERE key = :key
UNION ALL SELECT c.id FROM lanes a JOIN lanes c ON c.parent_id = a.id WHERE a.key = :key
"""

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
WHERE l.id = :lane AND r.digest IS NOT NULL AND r.until > :now
"""

NOTE_REPEAT = """
INSERT INTO repeats (lane_id, digest, cause, times, until) VALUES (:lane, :digest, :cause, :times, :until)
ON CONFLICT (lane_id) DO UPDATE SET digest = excluded.digest, cause = excluded.cause, times = excluded.times,
  until = excluded.until
"""

#: A person resumed the session. Lanes on which nothing was passed on get no such row.
FORGIVE = """
INSERT INTO repeats (lane_id, times, resumed_at) SELECT :lane, 0, :now WHERE (SELECT 1 FROM messages
  WHERE lane_id IN (SELECT id FROM lanes WHERE id = :lane UNION ALL SELECT id FROM lanes WHERE parent_id = :lane)
  AND source IS NOT NULL LIMIT 1) IS NOT NULL
ON CONFLICT (lane_id) DO UPDATE SET digest = NULL, cause = NULL, times = 0, until = NULL, resumed_at = :now
"""
