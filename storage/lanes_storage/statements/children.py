"""Statements about child lanes, which run the concurrent requests of one session."""

#: The lane that lists them; harmless if it exists.
MAKE_PARENT = """
INSERT INTO lanes (key, state, epoch, anonymous, conversation, created_at, updated_at)
VALUES (:key, 'idle', 0, false, 1, :now, :now) ON CONFLICT (key) DO NOTHING
"""

#: The children of a lane, with what waits in each: free ones first. A success on one that ended badly ends that.
CHILDREN = """
SELECT c.id, c.key, c.run_id IS NULL AND c.head_id IS NULL,
  (SELECT count(*) FROM messages m WHERE m.lane_id = c.id AND m.state = 'queued')
FROM lanes c WHERE c.parent_id = :parent ORDER BY 3 DESC, 4, c.state IN ('errored', 'aborted') DESC, c.id
"""

#: The children of the lane of a key, with their epochs and states.
MEMBERS = """
SELECT c.id, c.key, c.epoch, c.state FROM lanes a JOIN lanes c ON c.parent_id = a.id WHERE a.key = :key ORDER BY c.id
"""

#: A child that is made while its session is paused is paused as well.
INHERIT_PAUSES = """
INSERT INTO pauses (lane_id, kind, reason, actor, at, until)
SELECT c.id, p.kind, p.reason, p.actor, p.at, p.until FROM pauses p JOIN lanes c ON c.key = :key
WHERE p.lane_id = :parent ON CONFLICT (lane_id, kind) DO NOTHING
"""

TAKEN = "SELECT 1 FROM lanes WHERE key = :key"

ADOPT = "UPDATE lanes SET parent_id = :parent WHERE key = :key AND parent_id IS NULL"
