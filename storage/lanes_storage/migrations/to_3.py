"""From schema 1, that of lanes 0.1, to schema 3. No release had schema 2."""

from collections.abc import Sequence

from lanes_storage.interface import Transaction
from lanes_storage.migrations.rebuilding import make, rebuild

#: The tables that 0.1 did not have, and those that changed. Messages come first, before a rebuilt table leaves free
#: pages to reuse, because their statement calls functions (see ``rebuilding``).
NEW = (
    "pauses",
    "providers",
    "repeats",
    "event_blocks",
    "turns",
    "sources",
    "sightings",
    "freeings",
    "spent",
    "incidents",
)
CHANGED = ("messages", "waits", "runs", "lanes", "owners")

#: The reasons with which 0.1 paused a lane automatically; any other reason came from a person.
KIND = """CASE WHEN pause_until IS NULL AND pause_reason IN ('survivors', 'interrupted', 'restored')
  THEN pause_reason ELSE 'hand' END"""
PAUSES = f"""
INSERT INTO pauses (lane_id, kind, reason, actor, at, until)
SELECT id, {KIND}, pause_reason, pause_actor, pause_at, pause_until FROM lanes WHERE pause_at IS NOT NULL ORDER BY id
"""
PROVIDERS = """
INSERT INTO providers (provider, cause, since, until, tries, hold_ms, begun)
SELECT provider, cause, since, until, tries, 0, 0 FROM cooldowns
"""
EVENT_BLOCKS = """
INSERT INTO event_blocks (lane_id, block)
SELECT DISTINCT lane_id, id / 256 FROM events WHERE lane_id IS NOT NULL ORDER BY 1, 2
"""

#: The process that held the run, or default values if the row of that process was pruned. 0.1 did not store in which
#: process the run waits; such a wait ended with the run.
WAITER = {"host": "''", "boot_id": "''", "pid_ns": "''", "pid": "0", "start_time": "0"}
HOLDER = "coalesce((SELECT o.{0} FROM runs r JOIN owners o ON o.id = r.owner_id WHERE r.id = waits.run_id), {1})"
#: Whether a request has tools that the provider itself carries out, judged by its tools and other fields. 0.1 derived
#: that at each claim.
_TOOL_OF_CLIENT = """CASE WHEN t.type <> 'object' THEN 0
  WHEN json_type(t.value, '$.type') IS NULL THEN json_type(t.value, '$.name') IS NOT NULL
  ELSE coalesce(json_extract(t.value, '$.type') IN ('function', 'custom'), 0) END"""
_FIELDS = " OR ".join(
    f"coalesce(json_extract(request, '$.{name}'), 0) NOT IN (0, '', '[]', '{{}}')"
    for name in ("mcp_servers", "web_search_options", "search_parameters", "plugins")
)
ACTS = f"""CASE WHEN request IS NULL THEN NULL WHEN NOT json_valid(request) THEN 1 WHEN {_FIELDS}
  OR (SELECT 1 FROM json_each(request, '$.tools') t WHERE t.key IS NOT NULL AND NOT {_TOOL_OF_CLIENT} LIMIT 1)
  THEN 1 END"""
#: The values of columns that 0.1 did not have; others are null.
EXPRESSIONS = {
    "waits": {name: HOLDER.format(name, none) for name, none in WAITER.items()},
    "runs": {
        "process_boot_id": "CASE WHEN process_host IS NOT NULL THEN boot_id END",
        "process_pid": "process_group",
        "input_ms": "0",
    },
    "messages": {
        "anonymous": "coalesce((SELECT l.anonymous FROM lanes l WHERE l.id = messages.lane_id), false)",
        "acts": ACTS,
    },
    "lanes": {"conversation": "1"},
}

#: The most turns that are made for a lane: as many as a runner can be configured to send.
TURNS = 1_000
#: The turns that 0.1 found among the messages: each reply, with the texts that it answers. The order of the joins is
#: fixed, from the replies to the texts. The rows that are numbered and sorted in memory hold ids only, never texts.
TURNS_OF_MESSAGES = """
INSERT OR FAIL INTO turns (id, lane_id, conversation, before, message_id, text, reply, state, at)
WITH answered AS (
  SELECT id, lane_id, row_number() OVER (PARTITION BY lane_id ORDER BY id DESC) AS place FROM messages
  WHERE state = 'done' AND text IS NOT NULL AND reply IS NOT NULL AND NOT anonymous
), kept AS (SELECT id, lag(id) OVER (PARTITION BY lane_id ORDER BY id) AS before FROM answered WHERE place <= :most)
SELECT a.id * 1048576, a.lane_id, 1, k.before * 1048576, a.id,
  CASE WHEN a.batch IS NULL THEN a.text ELSE (SELECT group_concat(o.text, '\n\n') FROM
    (SELECT b.text FROM messages b WHERE b.batch = a.batch AND (b.answered_by = a.id OR b.id = a.id) ORDER BY b.id) o
  ) END, a.reply, 'done', a.ended_at
FROM messages a CROSS JOIN kept k ON k.id = a.id ORDER BY a.id
"""
LAST_TURNS = """
UPDATE lanes SET last_turn = t.last FROM (SELECT lane_id, max(id) AS last FROM turns GROUP BY lane_id) t
WHERE t.lane_id = lanes.id
"""


def step(tx: Transaction, creation: Sequence[str]) -> None:
    """Pauses, the health of providers and the turns of conversations move to separate tables; the events of a lane are
    found by blocks of the journal; tables and columns for later features are added.

    ``creation``: the statements that create an empty database of schema 3.
    """
    for table in NEW:
        make(tx, table, creation)
    for filled in (PAUSES, PROVIDERS, EVENT_BLOCKS):
        tx.run(filled, {})
    for table in CHANGED:
        rebuild(tx, table, creation, EXPRESSIONS.get(table, {}))
    tx.run(TURNS_OF_MESSAGES, {"most": TURNS})
    tx.run(LAST_TURNS, {})
    tx.run("DROP INDEX IF EXISTS events_of_lane", {})
    tx.run("DROP TABLE cooldowns", {})
