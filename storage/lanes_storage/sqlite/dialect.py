"""What SQLite words in its own way."""

from lanes_storage.interface import Dialect

#: MATERIALIZED, so that the join builds an index over the beats instead of parsing them for each run.
HEARTBEAT_RUNS = """
WITH beats (run, progress, progress_at, progress_boot, busy_until_boot) AS MATERIALIZED (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]')
  FROM json_each(:beats)
), held AS (
  SELECT r.id, b.* FROM runs r LEFT JOIN beats b ON b.run = r.id WHERE r.owner_id = :owner AND r.ended_at IS NULL
)
UPDATE runs SET
  left_out = CASE WHEN held.run IS NULL THEN left_out + 1 ELSE 0 END,
  progress = coalesce(held.progress, runs.progress),
  progress_at = coalesce(held.progress_at, runs.progress_at),
  progress_boot = coalesce(held.progress_boot, runs.progress_boot),
  busy_until_boot = CASE WHEN held.run IS NULL THEN runs.busy_until_boot ELSE held.busy_until_boot END
FROM held WHERE runs.id = held.id
"""

SQLITE = Dialect(name="sqlite", heartbeat_runs=HEARTBEAT_RUNS)
