"""Statements about other programs' gateways: who watches them, what was seen, and requests to free a session."""

#: The owner that watches a source, and the state of the source; no row: it was never watched.
WATCHER_OF = "SELECT owner_id, state, why FROM sources WHERE name = :name"

TAKE_SOURCE = """
INSERT INTO sources (name, kind, url, owner_id, state, changed_at)
VALUES (:name, :kind, :url, :owner, 'unreachable', :now)
ON CONFLICT (name) DO UPDATE SET kind = :kind, url = :url, owner_id = :owner
"""

NOTE_SOURCE = """
UPDATE sources SET state = :state, version = coalesce(:version, version), why = :why, fix = :fix,
  changed_at = CASE WHEN state = :state THEN changed_at ELSE :now END,
  error = coalesce(:why, error), error_at = CASE WHEN :why IS NULL THEN error_at ELSE :now END
WHERE name = :name AND owner_id = :owner
"""

WATCHES = "SELECT 1 FROM sources WHERE name = :name AND owner_id = :owner"

KEPT_SIGHTINGS = "SELECT key, state, epoch, runs, warned_epoch, freed_epoch FROM sightings WHERE source = :source"

KEEP_SIGHTING = """
INSERT INTO sightings (source, key, state, epoch, runs, since, last_sign, waiting, outcome, from_files, changed_at)
VALUES (:source, :key, :state, :epoch, :runs, :since, :last_sign, :waiting, :outcome, :from_files, :now)
ON CONFLICT (source, key) DO UPDATE SET state = :state, epoch = :epoch, runs = :runs, since = :since,
  last_sign = :last_sign, waiting = :waiting, outcome = :outcome, from_files = :from_files,
  changed_at = CASE WHEN state = :state AND epoch = :epoch THEN changed_at ELSE :now END
"""

DROP_SIGHTING = "DELETE FROM sightings WHERE source = :source AND key = :key"

#: Sources that are no longer configured, with what was seen of them.
DROP_SOURCES = "DELETE FROM sources WHERE name NOT IN (SELECT value FROM json_each(:names)) RETURNING name"
DROP_SIGHTINGS = "DELETE FROM sightings WHERE source NOT IN (SELECT name FROM sources)"

#: Takes effect once for each epoch.
_ONCE = """
UPDATE sightings SET {done} = epoch
WHERE source = :source AND key = :key AND epoch = :epoch AND {done} IS NOT epoch
"""
WARNED = _ONCE.format(done="warned_epoch")
FREED_BY_ITSELF = _ONCE.format(done="freed_epoch")

EPOCH_OF_SIGHTING = "SELECT epoch, state FROM sightings WHERE source = :source AND key = :key"

ASK_TO_FREE = """
INSERT INTO freeings (source, key, epoch, reset, actor, reason, asked_at)
VALUES (:source, :key, :epoch, :reset, :actor, :reason, :now) RETURNING id
"""

#: Requests that nobody carries out: not taken, or taken by a process that no longer watches.
OPEN_FREEINGS = """
SELECT id, key, epoch, reset, actor FROM freeings
WHERE source = :source AND ended_at IS NULL AND (taken_by IS NULL OR taken_by <> :owner) ORDER BY id
"""
TAKE_FREEING = "UPDATE freeings SET taken_by = :owner WHERE id = :id AND ended_at IS NULL"
END_FREEING = """
UPDATE freeings SET outcome = :outcome, steps = :steps, ended_at = :now WHERE id = :id AND ended_at IS NULL
RETURNING source, key, actor, reason
"""
PRUNE_FREEINGS = "DELETE FROM freeings WHERE ended_at < :before"
