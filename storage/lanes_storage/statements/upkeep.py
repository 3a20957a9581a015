"""Statements of upkeep: incidents, changes of the wall clock, retention."""

from typing import NamedTuple

from lanes_storage.fragments import columns, dead_letter, events_of, one_of, shown_key, unnamed, unsent, within_block
from lanes_storage.law import BUDGET_OF_LANE, TERMINAL, MessageState, Prunable
from lanes_storage.records import DueIncident

# ------------------------------------------------------------------------------------------- incidents

OPEN_INCIDENTS = "SELECT id, alert, kind, subject, seen_at FROM incidents WHERE ended_at IS NULL"

#: Another gateway may have seen the incident first.
BEGIN_INCIDENT = """
INSERT INTO incidents (alert, kind, subject, facts, began_at, seen_at, tries, next_at)
VALUES (:alert, :kind, :subject, :facts, :now, :now, 0, :now)
ON CONFLICT (alert, kind, subject) WHERE ended_at IS NULL DO NOTHING
"""

SEE_INCIDENT = "UPDATE incidents SET seen_at = :now WHERE id = :id AND ended_at IS NULL"

END_INCIDENT = """
UPDATE incidents SET ended_at = :now, tries = 0, next_at = :now
WHERE id = :id AND ended_at IS NULL AND seen_at <= :unseen_since
"""

#: The incidents of these alerts of which a notification is due, and claimed by nobody.
DUE_INCIDENTS = f"""
SELECT {columns(DueIncident._fields)} FROM incidents
WHERE {unsent()} AND next_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now)
  AND alert IN (SELECT value FROM json_each(:alerts)) ORDER BY next_at
"""

CLAIM_INCIDENT = f"""
UPDATE incidents SET claimed_by = :owner, claimed_until = :until
WHERE id = :id AND {unsent()} AND (claimed_until IS NULL OR claimed_until <= :now)
"""

#: The beginning is sent before the end.
INCIDENT_SENT = """
UPDATE incidents SET end_sent_at = CASE WHEN begin_sent_at IS NULL THEN end_sent_at ELSE :now END,
  begin_sent_at = coalesce(begin_sent_at, :now), tries = 0, next_at = :now, claimed_by = NULL, claimed_until = NULL
WHERE id = :id AND claimed_by = :owner
"""

INCIDENT_NOT_SENT = """
UPDATE incidents SET tries = tries + 1, next_at = :next_at, claimed_by = NULL, claimed_until = NULL
WHERE id = :id AND claimed_by = :owner
"""

#: This includes open incidents of alerts that are no longer configured, which never end.
PRUNE_INCIDENTS = "DELETE FROM incidents WHERE seen_at <= :before"


# -------------------------------------------------------------------------------------- the wall clock

#: How far the wall clock was ahead of the boot clock, and in which boot.
CLOCK_NOTED = """
SELECT (SELECT value FROM counters WHERE name = 'wall_ahead'), (SELECT value FROM counters WHERE name = 'wall_boot')
"""

NOTE_CLOCK = """
INSERT INTO counters (name, value) VALUES ('wall_ahead', :ahead), ('wall_boot', :boot)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

#: The messages that wait or run, found by indexes, so that the texts of other messages are not read.
_UNFINISHED = """
SELECT id FROM messages WHERE state = 'queued'
UNION ALL SELECT message_id FROM runs WHERE ended_at IS NULL
UNION ALL SELECT b.id FROM runs r JOIN messages b ON b.batch = r.message_id WHERE r.ended_at IS NULL
"""
_MOVED = ("since", "until", "answered_at", "refused_at", "tried_last_until")

#: The wall clock was set back by ``-:by``: the stored times move with it.
MOVE_COOLDOWNS = f"UPDATE providers SET {', '.join(f'{name} = {name} + :by' for name in _MOVED)}"
MOVE_PARKS = f"""
UPDATE messages SET parked_until = parked_until + :by,
  parked_since = CASE WHEN parked_since > :now THEN parked_since + :by ELSE parked_since END
WHERE id IN ({_UNFINISHED})
"""

#: How long ago a provider refused a message decides whose fault the next refusal is.
ATTEMPTS = f"SELECT id, attempts FROM messages WHERE attempts IS NOT NULL AND id IN ({_UNFINISHED})"
MOVE_ATTEMPTS = "UPDATE messages SET attempts = :attempts WHERE id = :id"

#: Notifications are sent, and incidents end, as soon as if the clock had not been set.
MOVE_INCIDENTS = f"""
UPDATE incidents SET seen_at = seen_at + :by, next_at = next_at + :by, claimed_until = claimed_until + :by
WHERE ended_at IS NULL OR {unsent()}
"""
#: In both directions: a clock that is set forward and back again must not free a budget. The deleted rows are inserted
#: again with their new times.
TAKE_SPENT = """
DELETE FROM spent WHERE bucket + :by <= :now RETURNING budget, bucket + :by, runs, tokens, cost_micros
"""
MOVE_BUDGET_PAUSES = "UPDATE pauses SET until = until + :by WHERE kind = 'budget'"

#: The wall clock was set forward by ``:by``. Times that would move into the future were written after that, before
#: anybody noticed it, and stay. In a wait for a retry, ``parked_since`` is the end of the wait.
MOVE_PARKS_ON = f"""
UPDATE messages SET parked_since = parked_since + :by,
  parked_until = CASE WHEN parked_until <= :now THEN parked_until + :by ELSE parked_until END
WHERE id IN ({_UNFINISHED}) AND (parked_since + :by <= :now
  OR (parked_until = parked_since AND parked_until <= :now))
"""

#: A provider that has answered since its cooldown stays well; no other provider becomes well by the change.
MOVE_REFUSALS_ON = """
UPDATE providers SET refused_at = CASE WHEN refused_at + :by <= :now THEN refused_at + :by ELSE refused_at END,
  answered_at = CASE WHEN answered_at + :by <= :now AND answered_at >= coalesce(until, 0) THEN answered_at + :by
    ELSE answered_at END
"""

#: The wall clock was set back before this boot, by an unknown time: cooldowns, parks and budget pauses that began after
#: ``:latest`` end.
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
#: Such usage counts as of now, because its real time is unknown.
TAKE_LATER_SPENT = "DELETE FROM spent WHERE bucket > :latest RETURNING budget, :now, runs, tokens, cost_micros"
END_BUDGET_PAUSES = "UPDATE pauses SET until = min(until, :now) WHERE kind = 'budget' AND at > :latest"
#: Repeated requests are no longer refused.
END_REPEATS = "UPDATE repeats SET until = min(until, :now), resumed_at = min(resumed_at, :now)"

#: The statements for a wall clock that was set back, set forward, and set back by an unknown time.
MOVE_BACK = (MOVE_COOLDOWNS, MOVE_PARKS, MOVE_INCIDENTS, MOVE_BUDGET_PAUSES, END_REPEATS)
MOVE_ON = (MOVE_PARKS_ON, MOVE_REFUSALS_ON)
END = (END_COOLDOWNS, END_PARKS, END_INCIDENTS, END_BUDGET_PAUSES, END_REPEATS)


# ------------------------------------------------------------------------------------------- retention


class PrunableRows(NamedTuple):
    """The rows of one kind. ``finished`` and ``made``: the columns from which their ages count.

    Conditions: ``among``, the row is of this kind (found by an index); ``free``, nothing needs the row any more;
    ``unheld``, the same at the time ``:before``.
    """

    table: str
    finished: str
    made: str
    free: str = ""
    among: str = ""
    unheld: str = ""

    @property
    def walk(self) -> str:
        """The SELECT of id, session key, finish time (null: the row must be kept) and creation time."""
        own = {"lanes": shown_key("lanes"), "owners": "NULL"}
        key = own.get(self.table, f"(SELECT {shown_key('l')} FROM lanes l WHERE l.id = {self.table}.lane_id)")
        age = f"CASE WHEN {self.free} THEN {self.finished} END" if self.free else self.finished
        chosen = " AND ".join(filter(None, (self.among, "id > :after")))
        return f"SELECT id, {key}, {age}, {self.made} FROM {self.table} WHERE {chosen} ORDER BY id LIMIT :limit"

    @property
    def delete(self) -> str:
        """The DELETE of the row ``:id``, if it was finished at the time ``:before``."""
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
    # Old turns are forgotten even if their conversation is still in use.
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
        f"""head_id IS NULL AND run_id IS NULL AND {_CHILDLESS}
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.lane_id = lanes.id AND NOT {unnamed("m.id")})""",
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

#: Deletes the entry of a block that contains no event of the lane any more.
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

PRUNE_IDEMPOTENCY = """
DELETE FROM idempotency WHERE (lane_key, token, key) IN (
  SELECT lane_key, token, key FROM idempotency WHERE accepted_at <= :before ORDER BY accepted_at LIMIT :limit)
"""
