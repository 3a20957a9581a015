"""Statements that keep lanes within limits that people set: how long messages wait, how many come. And the incidents of
which people are told by alerts."""

from lanes_storage.fragments import columns, own_lane, session_of, unsent
from lanes_storage.records import DueIncident

#: Messages that have waited longer than they may.
EXPIRED = """
SELECT id, accepted_at, expires_at FROM messages
WHERE state = 'queued' AND expires_at <= :now ORDER BY expires_at
"""

#: The length of the chain that a message of this run would have before it.
DEPTH_AFTER = "SELECT coalesce(m.depth, 0) + 1 FROM runs r JOIN messages m ON m.id = r.message_id WHERE r.id = :run"

LANES_OF_SESSION = session_of(":lane")

#: When the messages of a lane were accepted, the newest first.
ACCEPTED = "SELECT id, accepted_at FROM messages WHERE lane_id = :lane ORDER BY id DESC"

PAUSE_OF_KIND = f"SELECT 1 FROM pauses WHERE lane_id = {own_lane(':lane')} AND kind = :kind"

# ------------------------------------------------------------------------------------------ incidents

OPEN_INCIDENTS = "SELECT id, alert, kind, subject, seen_at FROM incidents WHERE ended_at IS NULL"

#: Another gateway may have seen it first.
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

#: What is to be sent now for these alerts, and by nobody else.
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

#: Those of an alert that nobody has any more too, though they never end.
PRUNE_INCIDENTS = "DELETE FROM incidents WHERE seen_at <= :before"
