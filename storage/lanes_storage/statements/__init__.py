"""Every statement that writes, and every read that a write depends on. This module has those that every message needs,
the other modules of this package the rest. All other reads are in ``lanes_storage.reads``.

Plain SQL with ``:name`` parameters. A read for a set of commands takes them as a JSON array, by ``json_each``, and is
written so that each row is found by its key. The array is flat: extracting a number from a nested array costs as much
as finding a row by it. Sets of states come from ``law``, so that guards cannot drift from it.
"""

from lanes_storage.fragments import block_of, columns, no_pause, one_of, own_lane, shown_key
from lanes_storage.law import ASIDE, INTERRUPTIONS, REMEMBERING, TERMINAL
from lanes_storage.records import FreeHead, Terms, WaitingMessage

# -------------------------------------------------------------------------------------------- counters

#: The last of ``:count`` new epochs.
NEXT_EPOCHS = "UPDATE counters SET value = value + :count WHERE name = 'epoch' RETURNING value"

#: After a restore: epochs that were assigned since the copy was made are not assigned again.
RAISE_EPOCH = "UPDATE counters SET value = CASE WHEN value < :least THEN :least ELSE value END WHERE name = 'epoch'"

#: The value changes, because an engine may skip a write that changes nothing.
TOUCH = "UPDATE counters SET value = 1 - value WHERE name = 'touch'"

# ----------------------------------------------------------------------------------------------- lanes

FIND_LANE = "SELECT id, state, epoch, run_id, head_id FROM lanes WHERE key = :key"

#: For each of ``:keys``, a JSON array: its place, the last ids that were assigned to a lane and to a message, and
#: whether anything is paused; then its lane (null: no such lane), how many messages wait there, and the question of its
#: run unless the abort of that was requested.
TARGET_LANES = """
SELECT k.key, (SELECT seq FROM sqlite_sequence WHERE name = 'lanes'),
  (SELECT seq FROM sqlite_sequence WHERE name = 'messages'), (SELECT 1 FROM pauses LIMIT 1) IS NOT NULL,
  l.id, l.state, l.run_id, l.head_id, CASE WHEN l.head_id IS NULL THEN 0 ELSE
    (SELECT count(*) FROM messages m WHERE m.lane_id = l.id AND m.state = 'queued') END, l.anonymous,
  CASE WHEN l.run_id IS NULL THEN NULL ELSE
    (SELECT r.question FROM runs r WHERE r.id = l.run_id AND r.abort_at IS NULL) END
FROM json_each(:keys) k LEFT JOIN lanes l ON l.key = k.value
"""

MAKE_LANE = """
INSERT INTO lanes (id, key, state, epoch, anonymous, conversation, created_at, updated_at)
VALUES (:id, :key, 'idle', 0, :anonymous, 1, :created, :now)
"""

_CANDIDATES = f"""
SELECT l.id, {shown_key("l")}, l.state, l.epoch, m.id, m.runner, m.interruptions, m.parked_since, m.accepted_at,
  m.batch, (SELECT 1 FROM pauses p WHERE p.lane_id = coalesce(l.parent_id, l.id) LIMIT 1) IS NOT NULL,
  coalesce(m.retries, 0), m.fresh AND m.started_at IS NULL, m.started_at IS NOT NULL, m.acts,
  m.bound_to
FROM {{source}}
WHERE {{chosen}} AND l.run_id IS NULL
  AND {no_pause("l", ":now")}
  AND (m.parked_until IS NULL OR m.parked_until <= :now) AND (m.expires_at IS NULL OR m.expires_at > :now)
  AND (SELECT 1 FROM owners o WHERE o.id = :owner AND o.ended_at IS NULL AND o.drain_at IS NULL) IS NOT NULL
"""
_LONGEST_FIRST = f"{_CANDIDATES}ORDER BY l.head_id"

#: Heads that this owner may claim, the longest wait first: none while it drains, and none once it was declared gone,
#: since its runs would be reclaimed at once. A lane without a run is released (a CHECK of the schema). What depends on
#: configuration (slots, runners, cooling providers, suspects) is decided by the dispatcher, in the same transaction.
CANDIDATES = _LONGEST_FIRST.format(
    source="lanes l JOIN messages m ON m.id = l.head_id",
    chosen="l.head_id > :after AND (m.bound_owner IS NULL OR m.bound_owner = :owner)",
)

#: CANDIDATES for an owner that runs only messages bound to it: found from these messages, even if queues are long.
BOUND_CANDIDATES = _LONGEST_FIRST.format(
    source="messages m JOIN lanes l ON l.id = m.lane_id AND l.head_id = m.id",
    chosen="l.head_id > :after AND m.bound_owner = :owner AND m.ended_at IS NULL",
)

#: CANDIDATES among the heads ``:heads``, a JSON array of ids that were chosen before; in no order.
CHOSEN_CANDIDATES = _CANDIDATES.format(
    source="json_each(:heads) j CROSS JOIN messages m ON m.id = j.value"
    " CROSS JOIN lanes l ON l.id = m.lane_id AND l.head_id = m.id",
    chosen="(m.bound_owner IS NULL OR m.bound_owner = :owner)",
)

#: Those of ``:heads``, a JSON array of ids, that are still as CANDIDATES read them at the wall times ``:times``: their
#: places, and for each the last message that would be answered with it, from ``:lasts`` (null: the head itself).
UNCHANGED_HEADS = f"""
SELECT {columns(FreeHead._fields, "m.", place="h.key", key=shown_key("l"))}
FROM json_each(:heads) h CROSS JOIN messages m
  ON m.id = CASE WHEN :lasts IS NULL THEN h.value ELSE json_extract(:lasts, '$[' || h.key || ']') END
  CROSS JOIN lanes l ON l.id = m.lane_id
WHERE l.run_id IS NULL AND l.head_id = h.value
  AND {no_pause("l", "json_extract(:times, '$[' || h.key || ']')")}
"""

#: The claim, of the messages from ``:head`` to ``:last``: the same message unless several were collected.
CLAIM_LANE = """
UPDATE lanes SET state = 'running', run_id = :run, epoch = :run,
  head_id = (SELECT id FROM messages WHERE lane_id = :lane AND state = 'queued'
    AND rank > (SELECT rank FROM messages WHERE id = :last) ORDER BY rank LIMIT 1),
  error_cause = NULL, error_message = NULL, error_at = NULL, updated_at = :now
WHERE id = :lane AND run_id IS NULL AND head_id = :head
"""

#: The only statement that releases a lane, which is held while it names a run (a CHECK of the schema). The lane is
#: found by its id, because the statement changes the index of held lanes. A requeued message becomes the head again.
RELEASE_LANE = """
UPDATE lanes SET state = :state, run_id = NULL, epoch = :new_epoch, head_id = coalesce(:requeued, head_id),
  last_turn = coalesce(:turn, last_turn),
  error_cause = :error_cause, error_message = :error_message, error_at = :error_at, updated_at = :now
WHERE id = :lane AND run_id = :run AND epoch = :epoch
"""

ACK_LANE = f"""
UPDATE lanes SET state = 'idle', error_cause = NULL, error_message = NULL, error_at = NULL, updated_at = :now
WHERE id = :lane AND {one_of("state", REMEMBERING)}
"""

#: Lanes of a restored copy in which something waits or runs.
UNFINISHED_LANES = """
SELECT id, key FROM lanes WHERE id IN
  (SELECT coalesce(parent_id, id) FROM lanes WHERE head_id IS NOT NULL OR run_id IS NOT NULL) ORDER BY id
"""

CHANGED_LANE = "UPDATE lanes SET updated_at = :now WHERE id = :lane"

#: Used after waiting messages were added, or removed other than by a claim.
RESET_HEAD = """
UPDATE lanes SET updated_at = :now,
  head_id = (SELECT id FROM messages WHERE lane_id = :lane AND state = 'queued' ORDER BY rank LIMIT 1)
WHERE id = :lane
"""

#: For a message that was added at the tail: it becomes the head if there is none, or if the head lets others pass.
NEW_TAIL = f"""
UPDATE lanes SET
  head_id = coalesce((SELECT m.id FROM messages m WHERE m.id = head_id AND m.rank < {ASIDE}), :message),
  updated_at = :now
WHERE id = :lane
"""

# ---------------------------------------------------------------------------------------------- pauses

#: A second pause of the same kind replaces the first.
_PAUSE = """
INSERT INTO pauses ({of}, kind, reason, actor, at, until) VALUES ({value}, :kind, :reason, :actor, :now, :until)
ON CONFLICT ({of}, kind) DO UPDATE SET reason = excluded.reason, actor = excluded.actor, at = excluded.at,
  until = excluded.until
"""
PAUSE_LANE = _PAUSE.format(of="lane_id", value=":lane")
PAUSE_PATTERN = _PAUSE.format(of="pattern", value=":pattern")

END_PAUSES = f"DELETE FROM pauses WHERE lane_id = {own_lane(':lane')}"
END_PAUSE = f"{END_PAUSES} AND kind = :kind"
END_PATTERN_PAUSES = """
DELETE FROM pauses WHERE pattern = :pattern AND kind = coalesce(:kind, kind) AND at = coalesce(:set_at, at)"""

#: The pause of a glob is compared with each head, so those that have expired must not accumulate.
PRUNE_GLOB_PAUSES = "DELETE FROM pauses WHERE lane_id IS NULL AND until <= :now"

# -------------------------------------------------------------------------------------------- messages

MAKE_MESSAGE = """
INSERT INTO messages (id, lane_id, state, text, actor, anonymous, interruptions, accepted_at, request, runner, fresh,
  sender, source, bound_to, bound_owner, for_run, retry_of, expires_at, depth, acts)
VALUES (:id, :lane, 'queued', :text, :actor, :anonymous, 0, :now, :request, :runner, :fresh,
  :sender, :source, :bound_to, :bound_owner, :for_run, :retry_of, :expires_at, :depth, :acts)
"""

#: The same for a message that is just a text, as most are: binding all the other values as null would take longer than
#: storing the text.
MAKE_TEXT = """
INSERT INTO messages (id, lane_id, state, text, actor, anonymous, interruptions, accepted_at)
VALUES (:id, :lane, 'queued', :text, :actor, :anonymous, 0, :now)
"""

#: Messages that are answered together share the parking time of their head: a newer text does not extend it.
START_MESSAGE = """
UPDATE messages SET state = 'running', run_id = :run, batch = :batch, parked_until = NULL,
  parked_since = coalesce(:parked_since, parked_since), started_at = coalesce(started_at, :now)
WHERE id = :message AND state = 'queued'
"""

#: The waiting messages of a lane, from its head on, to decide which are answered together.
COLLECTABLE = f"""
SELECT {columns(WaitingMessage._fields)} FROM messages
WHERE lane_id = :lane AND state = 'queued' ORDER BY rank
"""

#: The members of a batch that are in the same state; a dropped message no longer belongs to it.
BATCH = "SELECT id, text FROM messages WHERE batch = :batch AND state = :state ORDER BY id"

FINISH_MESSAGE = f"""
UPDATE messages SET state = :state, reply = :reply, reply_detail = :reply_detail, error_cause = :error_cause,
  error_message = :error_message, attempts = :attempts, interruptions = :interruptions,
  answered_by = :answered_by, ended_at = :now
WHERE id = :message AND NOT {one_of("state", TERMINAL)}
"""

#: Parks a message in state ``:before``: after its run, or as a head that no provider takes. ``:retry``: it waits for an
#: automatic retry, and its parking time counts from the end of this wait; ``:aside``: it lets others pass meanwhile. A
#: message that did not run keeps its attempts.
PARK_MESSAGE = f"""
UPDATE messages SET state = 'queued', interruptions = coalesce(:interruptions, interruptions), parked_until = :until,
  parked_since = CASE WHEN :retry THEN :until ELSE coalesce(parked_since, :since) END, parked_for = :parked_for,
  attempts = CASE state WHEN 'running' THEN :attempts ELSE attempts END,
  retries = CASE WHEN :retry THEN coalesce(retries, 0) + 1 ELSE retries END,
  moved_to = CASE WHEN :aside THEN id + {ASIDE} ELSE moved_to END
WHERE id = :message AND state = :before
"""

#: Several gateways may notice a long wait: only the first one warns.
WARN_WAIT = """
UPDATE messages SET wait_warned_at = :now WHERE id = :message AND wait_warned_at IS NULL
  AND (SELECT 1 FROM lanes l WHERE l.head_id = messages.id) IS NOT NULL
RETURNING lane_id
"""

HELD_BY_RUN = "SELECT id, state FROM lanes WHERE run_id = :run AND epoch = :epoch"

WAITING_OF_LANE = "SELECT id FROM messages WHERE lane_id = :lane AND state = 'queued' ORDER BY rank"

#: A message, with what is needed of its lane to end, remember or retry the message without a run.
FIND_MESSAGE = f"""
SELECT m.id, m.lane_id, m.state, m.text, m.request, m.runner, m.actor, m.sender, m.fresh AND m.started_at IS NULL,
  m.acts, m.anonymous, m.started_at, m.interruptions, m.bound_to, m.run_id, m.batch, m.for_run, m.retried_as, m.depth,
  {shown_key("l")}, l.conversation, l.last_turn
FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE m.id = :message
"""

WAITING_OF_OWNER = (
    "SELECT id, bound_to FROM messages WHERE bound_owner = :owner AND ended_at IS NULL AND state = 'queued'"
)

#: Whether an owner may claim. A message must not be bound to an owner that will never claim it.
CLAIMING_OWNER = "SELECT 1 FROM owners WHERE id = :owner AND ended_at IS NULL AND drain_at IS NULL"

FIND_IDEMPOTENT = """
SELECT digest, message_id FROM idempotency WHERE lane_key = :lane_key AND token = :token AND key = :key
"""

MAKE_IDEMPOTENT = """
INSERT INTO idempotency (lane_key, token, key, digest, message_id, accepted_at)
VALUES (:lane_key, :token, :key, :digest, :message, :now)
"""

# ------------------------------------------------------------------------------------------------ runs

#: ``recovering``: the last run of its message was reclaimed.
MAKE_RUN = f"""
INSERT INTO runs (id, lane_id, message_id, owner_id, runner, kind, {columns(Terms._fields)},
  claimed_at, claimed_boot, claimed_slept_ms, boot_id, progress, progress_at, progress_boot, progress_slept_ms,
  provider, left_out, recovering, forced, refused_writes, input_ms)
VALUES (:run, :lane, :message, :owner, :runner, :kind, {columns(Terms._fields, ":")},
  :now, :boot, :slept, :boot_id, 'claimed', :now, :boot, :slept, :provider, 0,
  coalesce((SELECT b.edge = 'reclaim' FROM messages m JOIN runs b ON b.id = m.run_id WHERE m.id = :head), false),
  false, 0, 0)
"""

#: The rows from which the ends of runs are decided, for those of ``:runs``, a JSON array, that still hold their lanes.
HELD_RUNS = """
SELECT t.key, r.id, r.lane_id, r.message_id, r.kind, r.on_interrupt, r.on_survivors, r.max_park_ms, r.abort_at,
  r.abort_cause, r.abort_actor, r.abort_reason, r.left_out, r.progress_boot, o.heartbeats, m.interruptions, m.bound_to,
  m.parked_since, m.batch, o.drain_at, r.body_ended_at, coalesce(m.retries, 0), m.accepted_at,
  r.process_pid, l.conversation, l.last_turn, CASE WHEN NOT m.anonymous THEN m.text END,
  CASE WHEN l.head_id IS NULL THEN 0 ELSE
    (SELECT 1 FROM messages f WHERE f.for_run = r.id LIMIT 1) IS NOT NULL END, r.question, l.epoch
FROM json_each(:runs) t CROSS JOIN runs r ON r.id = t.value JOIN lanes l ON l.id = r.lane_id
  JOIN messages m ON m.id = r.message_id JOIN owners o ON o.id = r.owner_id
WHERE l.run_id = r.id AND r.ended_at IS NULL
"""

END_RUN = """
UPDATE runs SET edge = :edge, cause = :cause, forced = :forced, ended_at = :now, ended_by = :by,
  late_reply = coalesce(:late_reply, late_reply), question = NULL,
  reply_so_far = CASE WHEN :edge = 'complete' THEN NULL ELSE reply_so_far END
WHERE id = :run AND ended_at IS NULL
"""

REFUSE_WRITE = """
UPDATE runs SET refused_writes = refused_writes + 1, late_reply = coalesce(late_reply, :late_reply)
WHERE id = :run RETURNING lane_id, message_id
"""

REQUEST_ABORT = """
UPDATE runs SET abort_at = :now, abort_boot = :boot, abort_boot_id = :boot_id, abort_slept_ms = :slept,
  abort_grace_asked_ms = :grace_ms,
  abort_actor = :actor, abort_reason = :reason, abort_cause = :cause
WHERE id = :run AND ended_at IS NULL AND abort_at IS NULL
"""

#: A second request can only shorten the grace of the first.
HURRY_ABORT = """
UPDATE runs SET abort_grace_asked_ms = :grace_ms
WHERE id = :run AND ended_at IS NULL AND abort_at IS NOT NULL
  AND coalesce(abort_grace_asked_ms, abort_grace_ms) > :grace_ms
"""

SET_PROCESS = """
UPDATE runs SET process_host = :host, process_boot_id = :boot_id, process_pid = :pid,
  process_start_time = :start_time, process_group = :process_group
WHERE id = :run AND ended_at IS NULL AND abort_at IS NULL
  AND (SELECT 1 FROM lanes l WHERE l.run_id = :run AND l.epoch = :epoch) IS NOT NULL
"""

COUNT_SUSPECTS = """
SELECT count(*) FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.id = r.message_id
WHERE l.run_id IS NOT NULL AND m.interruptions >= :suspect
"""

#: Counts a heartbeat of the owner that did not name this run.
LEAVE_OUT = "UPDATE runs SET left_out = left_out + 1 WHERE id = :run AND ended_at IS NULL"

OPEN_RUNS_OF_OWNER = "SELECT id FROM runs WHERE owner_id = :owner AND ended_at IS NULL"

#: Those of ``:owners``, a JSON array, that have not ended, with each run that they hold (null if they hold none).
LIVING_OWNERS = """
SELECT o.id, r.id, r.recovering, r.lane_id, r.message_id, r.progress_boot FROM json_each(:owners) g
  CROSS JOIN owners o ON o.id = g.value LEFT JOIN runs r ON r.owner_id = o.id AND r.ended_at IS NULL
WHERE o.ended_at IS NULL
"""

#: Stores that a heartbeat of the owner names this run.
BEAT_RUN = """
UPDATE runs SET left_out = 0, progress = :progress, progress_at = :progress_at, progress_boot = :progress_boot,
  busy_until_boot = :busy_until_boot, reply_so_far = :reply_so_far, progress_slept_ms = :progress_slept_ms,
  body_ended_at = :body_ended_at, attempt = :attempt
WHERE id = :run AND owner_id = :owner AND ended_at IS NULL
"""

RECOVERED = "UPDATE runs SET recovering = false WHERE id = :run AND recovering"

# ---------------------------------------------------------------------------------------------- owners

MAKE_OWNER = """
INSERT INTO owners (kind, host, boot_id, pid_ns, pid, start_time, fingerprint, heartbeat_interval_ms, stale_after_ms,
  runners, url, started_at, heartbeat_at, heartbeat_boot, slept_ms, heartbeats)
VALUES (:kind, :host, :boot_id, :pid_ns, :pid, :start_time, :fingerprint, :heartbeat_interval_ms, :stale_after_ms,
  :runners, :url, :now, :now, :boot, :slept, 0) RETURNING id
"""

HEARTBEAT_OWNER = """
UPDATE owners SET heartbeat_at = :now, heartbeat_boot = :boot, slept_ms = :slept, heartbeats = heartbeats + 1
WHERE id = :owner AND ended_at IS NULL
"""

#: For each of ``:messages``, a JSON array: its place, and how many of its runs were interrupted, if any.
COUNT_CUTS = f"""
SELECT j.key, count(*) FROM json_each(:messages) j CROSS JOIN runs r ON r.message_id = j.value
WHERE {one_of("r.cause", INTERRUPTIONS)} GROUP BY j.key
"""

DRAIN_OWNER = """
UPDATE owners SET drain_by = :by, drain_at = :now, drain_until = :until WHERE id = :owner AND ended_at IS NULL
"""

END_OWNER = """
UPDATE owners SET ended_at = :now, ended_cause = :cause
WHERE id = :owner AND ended_at IS NULL AND heartbeats = coalesce(:heartbeats, heartbeats)
"""

# --------------------------------------------------------------------------------------------- journal

RECORD = """
INSERT INTO events (at, type, lane_id, from_state, to_state, run_id, message_id, epoch, actor, cause, detail)
VALUES (:at, :type, :lane, :from_state, :to_state, :run, :message, :epoch, :actor, :cause, :detail)
"""

#: For the last ``:count`` events: their ids have no gap, since only one transaction at a time assigns them.
MARK_BLOCKS = f"""
INSERT INTO event_blocks (lane_id, block) SELECT lane_id, {block_of("id")} FROM events
WHERE id > (SELECT max(id) FROM events) - :count AND lane_id IS NOT NULL ON CONFLICT DO NOTHING
"""
