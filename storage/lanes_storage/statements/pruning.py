"""What retention deletes: for each kind of row, the condition under which an old one goes.

The statement that deletes a row repeats the condition of the walk that found it, since the row may have changed.
"""

from typing import NamedTuple

from lanes_storage.fragments import dead_letter, events_of, one_of, shown_key, unnamed, within_block
from lanes_storage.law import BUDGET_OF_LANE, TERMINAL, MessageState, Prunable


class PrunableRows(NamedTuple):
    """Rows of one kind. ``finished`` and ``made``: the times from which their ages count.

    ``among``: which rows of the table are meant, found by an index; ``free``: that nothing needs the row any more;
    ``unheld``: the same, at the time ``:before``.
    """

    table: str
    finished: str
    made: str
    free: str = ""
    among: str = ""
    unheld: str = ""

    @property
    def walk(self) -> str:
        """Selects id, session key, the time from which the age counts (null: it must be kept), the time of creation."""
        own = {"lanes": shown_key("lanes"), "owners": "NULL"}
        key = own.get(self.table, f"(SELECT {shown_key('l')} FROM lanes l WHERE l.id = {self.table}.lane_id)")
        age = f"CASE WHEN {self.free} THEN {self.finished} END" if self.free else self.finished
        chosen = " AND ".join(filter(None, (self.among, "id > :after")))
        return f"SELECT id, {key}, {age}, {self.made} FROM {self.table} WHERE {chosen} ORDER BY id LIMIT :limit"

    @property
    def delete(self) -> str:
        """Deletes the row ``:id``, if it was finished at the time ``:before``."""
        conditions = filter(None, ("id = :id", self.among, self.free, f"{self.finished} <= :before", self.unheld))
        return f"DELETE FROM {self.table} WHERE {' AND '.join(conditions)}"


#: A sender that repeats an idempotency key must still get the message of the first request.
_UNNAMED = unnamed("messages.id")
#: An expired pause does not protect its lane; it is deleted with it.
_UNPAUSED = """NOT EXISTS (SELECT 1 FROM pauses p WHERE p.lane_id = lanes.id
    AND coalesce(p.until, :before + 1) > :before)"""
_CHILDLESS = "NOT EXISTS (SELECT 1 FROM lanes c WHERE c.parent_id = lanes.id)"

KINDS = {
    # Failed messages are dead letters: only a person prunes them. A reply to several messages is stored with the last
    # of them, so that message is deleted last.
    Prunable.MESSAGES: PrunableRows(
        *("messages", "ended_at", "accepted_at"),
        f"""{one_of("state", TERMINAL - {MessageState.FAILED})} AND {_UNNAMED}
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.batch = messages.id AND m.answered_by = messages.id)""",
    ),
    Prunable.DEAD_LETTERS: PrunableRows("messages", "ended_at", "accepted_at", _UNNAMED, among=dead_letter()),
    Prunable.RUNS: PrunableRows(
        *("runs", "ended_at", "claimed_at"), "NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = runs.message_id)"
    ),
    # Of a conversation that is still used, too: what is that old is forgotten.
    Prunable.TURNS: PrunableRows("turns", "at", "at"),
    Prunable.EVENTS: PrunableRows(
        *("events", "at", "at"),
        """NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = events.message_id)
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = events.run_id)""",
    ),
    # A run keeps the event of its claim in the journal, so a lane without events has no runs either.
    Prunable.LANES: PrunableRows(
        *("lanes", "updated_at", "created_at"),
        f"""state = 'idle' AND {_CHILDLESS}
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.lane_id = lanes.id)
  AND NOT EXISTS (SELECT 1 FROM event_blocks b WHERE b.lane_id = lanes.id)
  AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.id = lanes.last_turn)""",
        unheld=_UNPAUSED,
    ),
    Prunable.ANONYMOUS: PrunableRows(
        *("lanes", "updated_at", "created_at"),
        f"head_id IS NULL AND run_id IS NULL AND {_CHILDLESS}",
        among="anonymous",
        unheld=_UNPAUSED,
    ),
    # The newest owner of each configuration stays, as a record of what ran here. An owner with open runs stays too: the
    # release of those runs is decided from its row.
    Prunable.OWNERS: PrunableRows(
        *("owners", "ended_at", "started_at"),
        """NOT EXISTS (SELECT 1 FROM runs r WHERE r.owner_id = owners.id AND r.ended_at IS NULL)
  AND (SELECT 1 FROM owners n WHERE n.id > owners.id AND n.kind = owners.kind
    AND n.fingerprint = owners.fingerprint LIMIT 1) IS NOT NULL""",
    ),
}
PRUNE = {kind: rows.delete for kind, rows in KINDS.items()} | {
    Prunable.EVENTS: f"{KINDS[Prunable.EVENTS].delete} RETURNING lane_id"
}

#: Used when the block contains no event of the lane any more.
PRUNE_BLOCK = f"""
DELETE FROM event_blocks WHERE lane_id = :lane AND block = :block
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.lane_id = :lane AND {within_block("e.id", ":block")})
"""

#: The runs of a lane, found by their claims.
_RUNS_OF_LANE = f"(SELECT e.run_id FROM {events_of(':id')} WHERE e.type = 'claim')"

#: What is deleted together with a run, with a lane, and in addition with an anonymous lane.
PRUNE_ALL_OF_RUN = ("DELETE FROM waits WHERE run_id = :id",)
PRUNE_ALL_OF_IDLE_LANE = (
    "DELETE FROM pauses WHERE lane_id = :id",
    "DELETE FROM repeats WHERE lane_id = :id",
    f"DELETE FROM spent WHERE budget = '{BUDGET_OF_LANE}' || :id",
)
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
