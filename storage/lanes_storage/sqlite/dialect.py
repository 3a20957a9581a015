"""What SQLite words in its own way."""

from lanes_storage.interface import Dialect

#: The plus keeps the planner from walking all runs of the owner for each beat: each is found by its id.
HEARTBEAT_RUNS = """
WITH beats (run, progress, progress_at, progress_boot, busy_until_boot, reply_so_far,
  progress_slept_ms, body_ended_at) AS (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
    json_extract(value, '$[6]'), json_extract(value, '$[7]')
  FROM json_each(:beats)
)
UPDATE runs SET left_out = 0, progress = beats.progress, progress_at = beats.progress_at,
  progress_boot = beats.progress_boot, busy_until_boot = beats.busy_until_boot,
  reply_so_far = beats.reply_so_far, progress_slept_ms = beats.progress_slept_ms,
  body_ended_at = beats.body_ended_at
FROM beats WHERE runs.id = beats.run AND +runs.owner_id = :owner AND runs.ended_at IS NULL
"""

SQLITE = Dialect(name="sqlite", heartbeat_runs=HEARTBEAT_RUNS)
