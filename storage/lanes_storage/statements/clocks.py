"""Statements for a wall clock that was set: what waits until a time waits as long as it was to wait."""

from lanes_storage.fragments import unsent

#: How far the wall clock was ahead of the boot clock, and in which boot.
CLOCK_NOTED = """
SELECT (SELECT value FROM counters WHERE name = 'wall_ahead'), (SELECT value FROM counters WHERE name = 'wall_boot')
"""

NOTE_CLOCK = """
INSERT INTO counters (name, value) VALUES ('wall_ahead', :ahead), ('wall_boot', :boot)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

#: What waits, and what runs: found by their indexes, since the texts of all others need not be read.
_UNFINISHED = """
SELECT id FROM messages WHERE state = 'queued'
UNION ALL SELECT message_id FROM runs WHERE ended_at IS NULL
UNION ALL SELECT b.id FROM runs r JOIN messages b ON b.batch = r.message_id WHERE r.ended_at IS NULL
"""
_MOVED = ("since", "until", "answered_at", "refused_at", "tried_last_until")

#: It was set back by ``-:by``.
MOVE_COOLDOWNS = f"UPDATE providers SET {', '.join(f'{name} = {name} + :by' for name in _MOVED)}"
MOVE_PARKS = f"""
UPDATE messages SET parked_until = parked_until + :by,
  parked_since = CASE WHEN parked_since > :now THEN parked_since + :by ELSE parked_since END
WHERE id IN ({_UNFINISHED})
"""

#: How long ago a provider refused a message decides whose fault the next refusal is.
ATTEMPTS = f"SELECT id, attempts FROM messages WHERE attempts IS NOT NULL AND id IN ({_UNFINISHED})"
MOVE_ATTEMPTS = "UPDATE messages SET attempts = :attempts WHERE id = :id"

#: Alerts are told as soon as before, and end so.
MOVE_INCIDENTS = f"""
UPDATE incidents SET seen_at = seen_at + :by, next_at = next_at + :by, claimed_until = claimed_until + :by
WHERE ended_at IS NULL OR {unsent()}
"""
#: Either way: a clock that is set forward and back again must not free a budget. What is taken out is spent again.
TAKE_SPENT = """
DELETE FROM spent WHERE bucket + :by <= :now RETURNING budget, bucket + :by, runs, tokens, cost_micros
"""
MOVE_BUDGET_PAUSES = "UPDATE pauses SET until = until + :by WHERE kind = 'budget'"

#: It was set forward by ``:by``. What was written since then, before anybody noticed, stays: what would begin in the
#: future. A wait for a retry begins at its end.
MOVE_PARKS_ON = f"""
UPDATE messages SET parked_since = parked_since + :by,
  parked_until = CASE WHEN parked_until <= :now THEN parked_until + :by ELSE parked_until END
WHERE id IN ({_UNFINISHED}) AND (parked_since + :by <= :now
  OR (parked_until = parked_since AND parked_until <= :now))
"""

#: Who answered since its cooldown stays well; one that has not is not well for that.
MOVE_REFUSALS_ON = """
UPDATE providers SET refused_at = CASE WHEN refused_at + :by <= :now THEN refused_at + :by ELSE refused_at END,
  answered_at = CASE WHEN answered_at + :by <= :now AND answered_at >= coalesce(until, 0) THEN answered_at + :by
    ELSE answered_at END
"""

#: It was set back before this boot, by an unknown time: what began after ``:latest`` is over.
END_COOLDOWNS = """
UPDATE providers SET since = since + :now - until, answered_at = answered_at + :now - until,
  refused_at = refused_at + :now - until, until = :now
WHERE since > :latest
"""
END_PARKS = """
UPDATE messages SET parked_until = :now, parked_since = :now
WHERE parked_for IS NOT NULL AND parked_until > :latest AND parked_since > :latest
"""
END_INCIDENTS = f"""
UPDATE incidents SET seen_at = min(seen_at, :now), next_at = min(next_at, :now),
  claimed_until = min(claimed_until, :now)
WHERE max(seen_at, next_at, coalesce(claimed_until, 0)) > :latest AND (ended_at IS NULL OR {unsent()})
"""
#: It counts as used just now, since it is not known when.
TAKE_LATER_SPENT = "DELETE FROM spent WHERE bucket > :latest RETURNING budget, :now, runs, tokens, cost_micros"
END_BUDGET_PAUSES = "UPDATE pauses SET until = min(until, :now) WHERE kind = 'budget' AND at > :latest"
#: What lanes ended before that is no longer refused.
END_REPEATS = "UPDATE repeats SET until = min(until, :now), resumed_at = min(resumed_at, :now)"

#: What is moved where it was set back, and forward; and what ends where it was set back by an unknown time.
MOVE_BACK = (MOVE_COOLDOWNS, MOVE_PARKS, MOVE_INCIDENTS, MOVE_BUDGET_PAUSES, END_REPEATS)
MOVE_ON = (MOVE_PARKS_ON, MOVE_REFUSALS_ON)
END = (END_COOLDOWNS, END_PARKS, END_INCIDENTS, END_BUDGET_PAUSES, END_REPEATS)
