"""From schema 2 to schema 3."""

from lanes_storage.interface import Transaction
from lanes_storage.migrations.rebuilding import make, rebuild, statements_of

#: The most turns that are made for a lane. A runner can be told to send no more along.
TURNS = 1_000
#: The turns that older versions found among the messages: each reply, with the texts that it answers. The order of the
#: joins is fixed, from the replies to the texts.
TURNS_OF_MESSAGES = """
INSERT INTO turns (id, lane_id, conversation, before, message_id, text, reply, state, at)
WITH answered AS (
  SELECT m.*, row_number() OVER (PARTITION BY m.lane_id ORDER BY m.id DESC) AS place FROM messages m
  WHERE m.state = 'done' AND m.text IS NOT NULL AND m.reply IS NOT NULL AND NOT m.anonymous
)
SELECT a.id * 1048576, a.lane_id, 1, lag(a.id * 1048576) OVER (PARTITION BY a.lane_id ORDER BY a.id), a.id,
  CASE WHEN a.batch IS NULL THEN a.text ELSE (SELECT group_concat(o.text, char(10, 10)) FROM
    (SELECT b.text FROM messages b WHERE b.batch = a.batch AND (b.answered_by = a.id OR b.id = a.id) ORDER BY b.id) o
  ) END, a.reply, 'done', a.ended_at
FROM answered a WHERE a.place <= :most ORDER BY a.id
"""
LAST_TURNS = """
UPDATE lanes SET last_turn = t.last FROM (SELECT lane_id, max(id) AS last FROM turns GROUP BY lane_id) t
WHERE t.lane_id = lanes.id
"""


def step(tx: Transaction) -> None:
    """The events of a lane are found by blocks of the journal; the provider that a run asks is in one column; turns of
    conversations are kept apart from messages; a message may be meant for a run; providers have a health; what is seen
    of other programs has tables; unused indexes are dropped."""
    made_by = statements_of("schema_3.sql")
    rebuild(tx, "runs", made_by, {"input_ms": "0"})
    for table in ("lanes", "pauses", "messages"):
        rebuild(tx, table, made_by, {})
    rebuild(tx, "providers", made_by, {"refusals": "0"})
    make(tx, "event_blocks", made_by)
    for added in ("repeats", "sources", "sightings", "freeings", "spent", "incidents"):
        make(tx, added, made_by)
    tx.run(
        """INSERT INTO event_blocks (lane_id, block)
        SELECT DISTINCT lane_id, id / 64 FROM events WHERE lane_id IS NOT NULL ORDER BY 1, 2""",
        {},
    )
    for needless in ("events_of_lane", "waits_message"):
        tx.run(f"DROP INDEX {needless}", {})
    make(tx, "turns", made_by)
    tx.run(TURNS_OF_MESSAGES, {"most": TURNS})
    tx.run(LAST_TURNS, {})
