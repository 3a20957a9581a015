"""Every statement that deletes old finished rows. Each repeats the conditions under which its row may be deleted."""

from lanes_storage.fragments import dead_letter, events_of, one_of, unlisted, unnamed, within_block
from lanes_storage.law import TERMINAL, MessageState

#: Terminal states that are pruned by age. Failed messages are dead letters: only a person prunes them.
PRUNED_BY_AGE = TERMINAL - {MessageState.FAILED}

#: A sender that repeats an idempotency key must still get the message of the first request.
_UNNAMED = unnamed("messages.id")

#: A reply to several messages is stored with the last of them, so that message is deleted last.
PRUNE_MESSAGE = f"""
DELETE FROM messages WHERE id = :id AND {one_of("state", PRUNED_BY_AGE)} AND ended_at <= :before AND {_UNNAMED}
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.batch = messages.id AND m.answered_by = messages.id)
"""

PRUNE_DEAD_LETTER = f"""
DELETE FROM messages WHERE id = :id AND {dead_letter()} AND ended_at <= :before AND {_UNNAMED}
"""

PRUNE_RUN = """
DELETE FROM runs WHERE id = :id AND ended_at <= :before
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = runs.message_id)
"""

#: Of a conversation that is still used, too: what is that old is forgotten.
PRUNE_TURN = "DELETE FROM turns WHERE id = :id AND at <= :before"

PRUNE_EVENT = """
DELETE FROM events WHERE id = :id AND at <= :before
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = events.message_id)
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = events.run_id) RETURNING lane_id
"""

#: Used when the block contains no event of the lane any more.
PRUNE_BLOCK = f"""
DELETE FROM event_blocks WHERE lane_id = :lane AND block = :block
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.lane_id = :lane AND {within_block("e.id", ":block")})
"""

#: An expired pause does not protect its lane; it is deleted with it.
_UNPAUSED = """NOT EXISTS (SELECT 1 FROM pauses p WHERE p.lane_id = lanes.id
    AND coalesce(p.until, :before + 1) > :before)"""
_CHILDLESS = "NOT EXISTS (SELECT 1 FROM lanes c WHERE c.parent_id = lanes.id)"

#: A run keeps the event of its claim in the journal, so a lane without events has no runs either.
PRUNE_LANE = f"""
DELETE FROM lanes WHERE id = :id AND state = 'idle' AND updated_at <= :before AND {_UNPAUSED} AND {_CHILDLESS}
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.lane_id = lanes.id)
  AND NOT EXISTS (SELECT 1 FROM event_blocks b WHERE b.lane_id = lanes.id)
  AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.id = lanes.last_turn)
"""

#: The newest owner of each configuration stays, as a record of what ran here. An owner with open runs stays too: the
#: release of those runs is decided from its row.
PRUNE_OWNER = """
DELETE FROM owners WHERE id = :id AND ended_at <= :before
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.owner_id = owners.id AND r.ended_at IS NULL)
  AND (SELECT 1 FROM owners n WHERE n.id > owners.id AND n.kind = owners.kind
    AND n.fingerprint = owners.fingerprint LIMIT 1) IS NOT NULL
"""

PRUNE_ANONYMOUS = f"""
DELETE FROM lanes WHERE id = :id AND {unlisted()} AND updated_at <= :before AND {_UNPAUSED} AND {_CHILDLESS}
"""

#: The runs of a lane, found by their claims.
_RUNS_OF_LANE = f"(SELECT e.run_id FROM {events_of(':id')} WHERE e.type = 'claim')"

#: What is deleted together with a run, with a lane, and in addition with an anonymous lane.
PRUNE_ALL_OF_RUN = ("DELETE FROM waits WHERE run_id = :id",)
PRUNE_ALL_OF_IDLE_LANE = ("DELETE FROM pauses WHERE lane_id = :id", "DELETE FROM repeats WHERE lane_id = :id")
PRUNE_ALL_OF_LANE = (
    *PRUNE_ALL_OF_IDLE_LANE,
    "DELETE FROM messages WHERE lane_id = :id",
    f"DELETE FROM waits WHERE run_id IN {_RUNS_OF_LANE}",
    f"DELETE FROM runs WHERE id IN {_RUNS_OF_LANE}",
    f"DELETE FROM events WHERE id IN (SELECT e.id FROM {events_of(':id')})",
    "DELETE FROM event_blocks WHERE lane_id = :id",
)

#: The pause of a glob is compared with each head, so those that have expired must not accumulate.
PRUNE_GLOB_PAUSES = "DELETE FROM pauses WHERE lane_id IS NULL AND until <= :now"

PRUNE_IDEMPOTENCY = """
DELETE FROM idempotency WHERE (lane_key, token, key) IN (
  SELECT lane_key, token, key FROM idempotency WHERE accepted_at <= :before ORDER BY accepted_at LIMIT :limit)
"""
