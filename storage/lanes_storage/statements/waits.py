"""Statements about runs that wait for messages of other lanes."""

from lanes_storage.fragments import shown_key

#: A row that an earlier process with the same pid left behind is overwritten.
MAKE_WAIT = """
INSERT INTO waits (run_id, message_id, host, boot_id, pid_ns, pid, start_time, since)
VALUES (:run, :message, :host, :boot_id, :pid_ns, :pid, :start_time, :now)
ON CONFLICT (run_id, message_id, host, pid_ns, pid) DO UPDATE SET boot_id = excluded.boot_id,
  start_time = excluded.start_time
"""

#: Writes what the owner's next heartbeat will write too. Not for a run of another boot, whose clocks are not
#: comparable.
WAIT_IS_PROGRESS = """
UPDATE runs SET progress = 'waiting for another lane', progress_at = :now, progress_boot = :boot,
  progress_slept_ms = :slept
WHERE id = :run AND ended_at IS NULL AND boot_id = :boot_id
"""

END_WAIT = """
DELETE FROM waits WHERE run_id = :run AND message_id = :message AND host = :host AND pid_ns = :pid_ns AND pid = :pid
"""

#: Delete all waits in the process of an owner, for any run.
END_WAITS_OF_OWNER = """
DELETE FROM waits WHERE (host, boot_id, pid_ns, pid, start_time) =
  (SELECT host, boot_id, pid_ns, pid, start_time FROM owners WHERE id = :owner)
"""

_LANE = f"SELECT l.id, {shown_key('l')}, l.run_id"

OPEN_RUN = f"{_LANE} FROM runs r JOIN lanes l ON l.run_id = r.id WHERE r.id = :run"

LANE_OF_MESSAGE = f"{_LANE} FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE m.id = :message"

#: The lanes that the run of a lane waits for: the lanes of the unfinished messages that it waits for.
WAITED_FOR = f"""
{_LANE} FROM waits w JOIN messages m ON m.id = w.message_id JOIN lanes l ON l.id = m.lane_id
WHERE w.run_id = :run AND m.ended_at IS NULL
"""
