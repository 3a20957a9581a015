"""Statements about child lanes, which run the concurrent requests of one session."""

#: The lane that lists them; harmless if it exists.
MAKE_PARENT = """
INSERT INTO lanes (key, state, epoch, anonymous, conversation, created_at, updated_at)
VALUES (:key, 'idle', 0, false, 1, :now, :now) ON CONFLICT (key) DO NOTHING
"""

#: The children of a lane, with what waits in each: free ones first, and of those the oldest.
CHILDREN = """
SELECT c.id, c.key, c.run_id IS NULL AND c.head_id IS NULL,
  (SELECT count(*) FROM messages m WHERE m.lane_id = c.id AND m.state = 'queued')
FROM lanes c WHERE c.parent_id = :parent ORDER BY 3 DESC, 4, c.id
"""

TAKEN = "SELECT 1 FROM lanes WHERE key = :key"

ADOPT = "UPDATE lanes SET parent_id = :parent WHERE key = :key AND parent_id IS NULL"
