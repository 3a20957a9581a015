"""The statements that few messages need."""

from lanes_storage.fragments import NAMED_LANE, lanes_of, one_of, own_lane, session_of, shown_key, unproven
from lanes_storage.law import ASIDE, BUDGET_OF_LANE, RETRIABLE, TurnState

# -------------------------------------------------------------------------------------- retries, order

#: Whether a waiting message has another position than that of its acceptance.
ANY_MOVED = "SELECT 1 FROM messages WHERE moved_to IS NOT NULL AND state = 'queued' LIMIT 1"

#: Messages that let others pass, and whose own wait is over.
RECALLABLE = f"""
SELECT id, lane_id FROM messages
WHERE moved_to >= {ASIDE} AND state = 'queued' AND parked_until <= :now ORDER BY moved_to
"""

#: Restores the position in the order of acceptance. ``moved_to`` stays set, to show that others passed the message.
RECALL = "UPDATE messages SET moved_to = id WHERE id = :message"

MARK_RETRIED = f"""
UPDATE messages SET retried_as = :new WHERE id = :message AND {one_of("state", RETRIABLE)} AND retried_as IS NULL
"""

#: The ranks of the first message that waits in a lane, and of what runs there.
RANKS = """
SELECT * FROM (SELECT rank FROM messages WHERE lane_id = :lane AND state = 'queued' ORDER BY rank LIMIT 1)
UNION ALL SELECT m.rank FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.id = r.message_id
  WHERE l.id = :lane
UNION ALL SELECT m.rank FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.batch = r.message_id
  WHERE l.id = :lane
"""

#: The message leaves its batch.
MOVE_MESSAGE = "UPDATE messages SET moved_to = :to, batch = NULL WHERE id = :message"


# -------------------------------------------------------------------------------------------- sessions

#: The lane of a session, or a child of it; harmless if it exists.
MAKE_SESSION_LANE = """
INSERT INTO lanes (key, state, epoch, anonymous, conversation, parent_id, created_at, updated_at)
VALUES (:key, 'idle', 0, false, 1, :parent, :now, :now) ON CONFLICT (key) DO NOTHING
"""

#: The children of a lane with the number of their waiting messages, the best one for the next message first: a free
#: lane, preferably one that ended badly, since a success ends that. Otherwise the lane where the fewest wait; of
#: several, the one whose head has waited longest, or whose run began first: if something has to make way, it is the
#: oldest.
CHILD_LANES = """
SELECT c.id, c.key, c.run_id IS NULL AND c.head_id IS NULL,
  (SELECT count(*) FROM messages m WHERE m.lane_id = c.id AND m.state = 'queued')
FROM lanes c WHERE c.parent_id = :parent
ORDER BY 3 DESC, 4, c.head_id, c.run_id, c.state IN ('errored', 'aborted') DESC, c.id
"""

#: The lane of a key and its children, with their epochs and states.
SESSION_LANES = lanes_of(NAMED_LANE, "id, epoch, state")

OWN_LANE = "SELECT coalesce(parent_id, id) FROM lanes WHERE id = :lane"

#: Whether anything runs or waits in the session of a lane.
BUSY_IN_SESSION = f"""
SELECT coalesce(head_id, run_id) FROM lanes
WHERE id IN ({session_of(":lane")}) AND coalesce(head_id, run_id) IS NOT NULL LIMIT 1
"""

# ----------------------------------------------------------------------------------- repeated requests


#: How the newest messages of a lane ended, with the digests of those that were passed on.
LAST_ENDED = """
SELECT m.state, m.error_cause, m.attempts, json_extract(m.request, '$.lanes_outline.digest'), m.ended_at
FROM messages m WHERE m.lane_id = :lane ORDER BY m.id DESC LIMIT 8
"""

#: What is stored about the last request that a session repeated.
REPEAT = "SELECT r.digest, r.times, r.until, r.resumed_at FROM repeats r WHERE r.lane_id = :lane"

#: The refused requests of the session that a lane belongs to, as long as they are refused.
REFUSED_NOW = """
SELECT r.cause, r.times, r.until FROM lanes l CROSS JOIN repeats r ON r.lane_id = coalesce(l.parent_id, l.id)
WHERE l.id = :lane AND r.until > :now
"""

NOTE_REPEAT = """
INSERT INTO repeats (lane_id, digest, cause, times, until) VALUES (:lane, :digest, :cause, :times, :until)
ON CONFLICT (lane_id) DO UPDATE SET digest = excluded.digest, cause = excluded.cause, times = excluded.times,
  until = excluded.until
"""

#: A person resumed the session. A session to which no program has sent a message gets no row.
FORGIVE = f"""
INSERT INTO repeats (lane_id, times, resumed_at) SELECT :lane, 0, :now WHERE (SELECT 1 FROM messages
  WHERE lane_id IN ({lanes_of(":lane")}) AND source IS NOT NULL LIMIT 1) IS NOT NULL
ON CONFLICT (lane_id) DO UPDATE SET digest = NULL, cause = NULL, times = 0, until = NULL, resumed_at = :now
"""


# ----------------------------------------------------------------------------------------------- waits

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

#: The lanes of the unfinished messages that a run waits for.
WAITED_FOR = f"""
{_LANE} FROM waits w JOIN messages m ON m.id = w.message_id JOIN lanes l ON l.id = m.lane_id
WHERE w.run_id = :run AND m.ended_at IS NULL
"""


# ---------------------------------------------------------------------------------------------- limits

#: Messages that have waited longer than they may.
EXPIRED = """
SELECT id, accepted_at, expires_at FROM messages
WHERE state = 'queued' AND expires_at <= :now ORDER BY expires_at
"""

#: The ``depth`` of a message that this run sends.
DEPTH_AFTER = "SELECT coalesce(m.depth, 0) + 1 FROM runs r JOIN messages m ON m.id = r.message_id WHERE r.id = :run"

LANES_OF_SESSION = session_of(":lane")

#: When the messages of a lane were accepted, the newest first.
ACCEPTED = "SELECT id, accepted_at FROM messages WHERE lane_id = :lane ORDER BY id DESC"

PAUSE_OF_KIND = f"SELECT 1 FROM pauses WHERE lane_id = {own_lane(':lane')} AND kind = :kind"


# -------------------------------------------------------------------------------------- usage and cost

#: The name under which a budget is counted: its own or, if that is empty, one for the session of the lane ``:lane``.
_BUDGET = f"CASE :name WHEN '' THEN '{BUDGET_OF_LANE}' || {own_lane(':lane')} ELSE :name END"

NOTE_USAGE = "UPDATE runs SET usage = :usage WHERE id = :run"

#: Adds to what the runs of a session used. The cost leaves out runs of which it is unknown.
ADD_USAGE = f"""
UPDATE lanes SET input_tokens = coalesce(input_tokens, 0) + :input_tokens,
  output_tokens = coalesce(output_tokens, 0) + :output_tokens,
  cost_micros = CASE WHEN :cost_micros IS NULL THEN cost_micros ELSE coalesce(cost_micros, 0) + :cost_micros END
WHERE id = {own_lane(":lane")}
"""

_SPEND = """
INSERT INTO spent (budget, bucket, runs, tokens, cost_micros) VALUES ({budget}, :bucket, :runs, :tokens, :cost_micros)
ON CONFLICT (budget, bucket) DO UPDATE SET runs = runs + excluded.runs, tokens = tokens + excluded.tokens,
  cost_micros = cost_micros + excluded.cost_micros
"""
SPEND = _SPEND.format(budget=_BUDGET)
#: The same under the stored name, for rows that were taken out.
SPEND_AGAIN = _SPEND.format(budget=":budget")

SPENT = f"""
SELECT coalesce(sum(runs), 0), coalesce(sum(tokens), 0), coalesce(sum(cost_micros), 0), min(bucket)
FROM spent WHERE budget = {_BUDGET} AND bucket > :after
"""

FORGET_SPENT = f"DELETE FROM spent WHERE budget = {_BUDGET} AND bucket <= :after"


# --------------------------------------------------------------------------------------- conversations

#: ``OR REPLACE``: a conflict in the memory of a lane must not prevent the release of the lane.
MAKE_TURN = """
INSERT OR REPLACE INTO turns (id, lane_id, conversation, before, message_id, text, reply, answer, state, tokens, at)
VALUES (:id, :lane, :conversation, :before, :message, :text, :reply, :answer, :state, :tokens, :now)
"""

NEW_LAST_TURN = "UPDATE lanes SET last_turn = :turn WHERE id = :lane"

#: The retry will have a turn with the same text.
RETRY_TURN = f"UPDATE turns SET state = '{TurnState.RETRIED}' WHERE id = :turn"

#: The names that agents gave the previous conversation are forgotten too.
NEW_CONVERSATION = """
UPDATE lanes SET conversation = conversation + 1, agent_session = NULL, told_from = NULL, updated_at = :now
WHERE id = :lane AND run_id IS NULL RETURNING conversation, last_turn
"""

#: Only while the run holds its lane.
TELL_FROM = "UPDATE lanes SET told_from = :turn WHERE run_id = :run AND epoch = :epoch"

LAST_MESSAGE = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)"

LAST_TURN_SINCE = "SELECT max(id) FROM turns WHERE id >= :first"


# ------------------------------------------------------------------------------- questions and steers

#: While the run waits for an answer, its limits do not apply: it is busy until the limit of the question.
ASK = """
UPDATE runs SET question = :question, progress = :progress, progress_at = :now, progress_boot = :boot,
  progress_slept_ms = :slept, busy_until_boot = :busy_until WHERE id = :run
"""

#: A run that may ask and take messages: it holds its lane, and no abort was requested. With its open question, and the
#: actor and the sender of its message, who may answer.
INPUT_RUN = """
SELECT r.lane_id, r.message_id, r.question, m.actor, m.sender FROM lanes l JOIN runs r ON r.id = l.run_id
  JOIN messages m ON m.id = r.message_id
WHERE l.run_id = :run_id AND l.epoch = :epoch AND r.abort_at IS NULL
"""

END_QUESTION = """
UPDATE runs SET question = NULL, input_ms = input_ms + :waited, progress = :progress, progress_at = :now,
  progress_boot = :boot, progress_slept_ms = :slept, busy_until_boot = NULL WHERE id = :run
"""

NOTE_ANSWER = "UPDATE runs SET question = json_set(question, '$.answer', :message) WHERE id = :run"

#: The message with the answer has ended before the run took it: the question waits for another answer.
FORGET_ANSWER = """
UPDATE runs SET question = json_remove(question, '$.answer')
WHERE id = :run AND json_extract(question, '$.answer') = :message
"""

#: The oldest message that was meant for a run, other than the answer to its question.
OLDEST_INPUT = """
SELECT id, text, actor, sender FROM messages WHERE for_run = :run AND id <> :answer ORDER BY rank
"""

#: The run takes a message, which is answered by the message of the run.
HAND_OVER = """
UPDATE messages SET state = 'done', for_run = NULL, answered_by = :answered_by, ended_at = :now
WHERE id = :message AND for_run = :run
"""

#: A message is no longer meant for a run.
GIVE_BACK = "UPDATE messages SET for_run = NULL WHERE id = :message"

#: The run of these messages has ended: they wait as other messages do.
GIVE_ALL_BACK = "UPDATE messages SET for_run = NULL WHERE for_run = :run"

#: For an answer whose question is closed.
REWORD = "UPDATE messages SET text = :text WHERE id = :message"


# ----------------------------------------------------------------------------------- processes of runs

#: ``:session`` is a JSON object of one runner; null removes it.
KEEP_SESSION = """
UPDATE lanes SET agent_session =
  json_patch(CASE WHEN json_valid(agent_session) THEN agent_session ELSE '{}' END, :session)
WHERE run_id = :run AND epoch = :epoch
"""

NOTE_SURVIVORS = "UPDATE runs SET survivors = :survivors WHERE id = :run AND forced RETURNING lane_id"

UNPROVEN_OF_LANE = f"SELECT 1 FROM runs WHERE lane_id IN ({session_of(':lane')}) AND {unproven()} LIMIT 1"
