"""Statements about questions of runs, and about messages that an open run may take while it works."""

#: The run that may ask: it holds its lane, no abort was requested, and it asks nothing yet. With the actor and the
#: sender of its message, who may answer.
ASKING_RUN = """
SELECT r.lane_id, r.message_id, m.actor, m.sender FROM lanes l JOIN runs r ON r.id = l.run_id
  JOIN messages m ON m.id = r.message_id
WHERE l.run_id = :run AND l.epoch = :epoch AND r.abort_at IS NULL AND r.question IS NULL
"""

#: Its limits do not pass while it waits, so it is busy until the limit of the question.
ASK = """
UPDATE runs SET question = :question, progress = :progress, progress_at = :now, progress_boot = :boot,
  progress_slept_ms = :slept, busy_until_boot = :busy_until WHERE id = :run
"""

#: The run that may take a message, with what it asks.
TAKING_RUN = """
SELECT r.lane_id, r.message_id, r.question FROM lanes l JOIN runs r ON r.id = l.run_id
WHERE l.run_id = :run AND l.epoch = :epoch AND r.abort_at IS NULL
"""

END_QUESTION = """
UPDATE runs SET question = NULL, input_ms = input_ms + :waited, progress = :progress, progress_at = :now,
  progress_boot = :boot, progress_slept_ms = :slept, busy_until_boot = NULL WHERE id = :run
"""

NOTE_ANSWER = "UPDATE runs SET question = json_set(question, '$.answer', :message) WHERE id = :run"

#: The message that was the answer has ended otherwise: the question waits for another.
FORGET_ANSWER = """
UPDATE runs SET question = json_remove(question, '$.answer')
WHERE id = :run AND json_extract(question, '$.answer') = :message
"""

#: The message that answers a question: while that names it, it waits.
ANSWERING_MESSAGE = "SELECT id, text, actor, sender FROM messages WHERE id = :message"

#: The oldest message that was meant for a run, other than the answer to its question.
OLDEST_MEANT = """
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

#: An answer whose question is gone.
REWORD = "UPDATE messages SET text = :text WHERE id = :message"
