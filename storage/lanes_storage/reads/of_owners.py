"""Queries about owners and their runs, which are the input of judges, and about providers."""

import json
from collections.abc import Sequence

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.fragments import columns, names, shown_key, unproven
from lanes_storage.interface import Query, Row
from lanes_storage.law import Cause, Edge
from lanes_storage.reads.shapes import OWNER_COLUMNS, RUN_COLUMNS, many, one, parsed, to_owner, to_run
from lanes_storage.records import (
    ClockNote,
    CooldownRow,
    OwnerLoad,
    OwnerOrders,
    OwnerRow,
    PlacesTaken,
    ProcessIdentity,
    ProviderRow,
    RunRow,
    SilentRun,
    Ticket,
    UnprovenRun,
    Wait,
)
from lanes_storage.statements.providers import ALL_PROVIDERS, PLACES_TAKEN
from lanes_storage.statements.upkeep import CLOCK_NOTED

#: The edges by which failed runs end.
FAILURES = (Edge.FAIL, Edge.EXPIRE, Edge.RECLAIM)
LIVING = f"SELECT {OWNER_COLUMNS} FROM owners o WHERE o.ended_at IS NULL ORDER BY o.id"
#: How many of the newest runs are read. They cover the last minutes, without an index by the time of their end.
NEWEST_RUNS = 20_000
LOADS = f"""
WITH newest AS (SELECT id, owner_id, message_id, edge, ended_at FROM runs ORDER BY id DESC LIMIT {NEWEST_RUNS}),
of_owner AS (
  SELECT owner_id, count(*) AS runs, sum(edge = 'complete') AS answers, sum(edge IN ({names(FAILURES)})) AS failures,
    max(CASE WHEN edge IN ({names(FAILURES)}) THEN message_id END) AS failed
  FROM newest WHERE ended_at >= :since GROUP BY owner_id)
SELECT o.id, coalesce(f.runs, 0), coalesce(f.answers, 0), coalesce(f.failures, 0),
  (SELECT count(*) FROM json_each(:silent) j JOIN runs r ON r.id = j.value WHERE r.owner_id = o.id),
  (SELECT m.error_cause FROM messages m WHERE m.id = f.failed)
FROM owners o LEFT JOIN of_owner f ON f.owner_id = o.id WHERE o.ended_at IS NULL ORDER BY o.id
"""
OWNER = f"SELECT {OWNER_COLUMNS} FROM owners o WHERE o.id = :id"
OWNERS = f"""
SELECT {OWNER_COLUMNS} FROM json_each(:ids) j CROSS JOIN owners o ON o.id = j.value ORDER BY j.key
"""
RUN = f"SELECT {RUN_COLUMNS} FROM runs r JOIN lanes rl ON rl.id = r.lane_id WHERE r.id = :id"
OPEN_RUNS = f"""
SELECT {RUN_COLUMNS} FROM lanes rl JOIN runs r ON r.id = rl.run_id WHERE rl.run_id IS NOT NULL
"""
#: Leaves out the healthy runs of an owner: its heartbeats name them, no abort is requested, and they do not wait.
NOT_PLAIN_OF = """
(r.owner_id <> :owner OR r.left_out > 0 OR r.abort_at IS NOT NULL OR r.id IN (SELECT w.run_id FROM waits w))
"""
#: A single query, since it runs after every commit and mostly finds nothing. The joins begin with the waits, and with
#: the messages that runs may take, which are few: an owner may have many runs.
ORDERS_OF_OWNER = """
SELECT
  (SELECT json_array(drain_by, drain_at, drain_until) FROM owners
   WHERE id = :owner AND drain_at IS NOT NULL AND ended_at IS NULL),
  (SELECT json_group_array(json_array(r.id, l.epoch, r.abort_cause, coalesce(r.abort_grace_asked_ms, r.abort_grace_ms)))
   FROM runs r JOIN lanes l ON l.run_id = r.id
   WHERE r.owner_id = :owner AND r.ended_at IS NULL AND r.abort_at IS NOT NULL),
  (SELECT json_group_array(w.run_id)
   FROM waits w CROSS JOIN runs r ON r.id = w.run_id CROSS JOIN messages m ON m.id = w.message_id
   WHERE r.owner_id = :owner AND r.ended_at IS NULL AND m.ended_at IS NULL),
  (SELECT json_group_array(json_array(m.for_run, m.id)) FROM messages m JOIN runs r ON r.id = m.for_run
   WHERE m.for_run IS NOT NULL AND r.owner_id = :owner)
"""
WAITS = f"""
SELECT w.run_id, w.message_id, {shown_key("l")}, w.host, w.boot_id, w.pid_ns, w.pid, w.start_time, w.since
FROM waits w JOIN runs r ON r.id = w.run_id JOIN messages m ON m.id = w.message_id JOIN lanes l ON l.id = m.lane_id
WHERE r.ended_at IS NULL AND m.ended_at IS NULL
"""
LANE_OF_RUN = "SELECT l.id, l.agent_session FROM runs r JOIN lanes l ON l.id = r.lane_id WHERE r.id = :run"
#: Runs that were released by force, and whose processes are not proven to have ended. Some had no processes at all.
UNPROVEN = f"""
SELECT r.id, {shown_key("rl")}, r.abort_grace_ms, r.survivors, r.process_host, r.process_boot_id, o.pid_ns,
  r.process_pid, r.process_start_time
FROM runs r JOIN lanes rl ON rl.id = r.lane_id JOIN owners o ON o.id = r.owner_id
WHERE {unproven("r.")}
"""
REFUSED_WRITES = "SELECT coalesce(sum(refused_writes), 0) FROM runs WHERE refused_writes > 0"
REAL_RUNNER = "SELECT 1 FROM owners WHERE kind = 'gateway' AND runners <> '[]' AND fingerprint <> :simulated LIMIT 1"


#: A run counts as silent after this part of its limit (2: half of it).
SILENT_PART = 2
#: The limit by which silence is judged for a run whose stall limit is off.
NO_LIMIT_MS = 120_000


def clock_noted() -> Query[ClockNote]:
    """The stored note about the wall clock."""
    return Query(CLOCK_NOTED, {}, lambda rows: ClockNote(*rows[0]), point=True)


def _age(of: str, boot: str, slept: str, wall: str) -> str:
    """An age, computed like ``Now.awake_since`` for a run of the same boot, and by the wall clock for other runs."""
    awake = f":boot - {boot} - CASE WHEN {slept} IS NULL THEN 0 ELSE max(0, :slept - {slept}) END"
    return f"max(0, CASE WHEN {of}.boot_id = :boot_id THEN {awake} ELSE :now - {wall} END)"


#: A field of the provider attempt that a run waits for, if the stored JSON can be read.
_PHASE = """CASE WHEN json_valid(r.attempt) AND json_type(r.attempt, '$.limit_ms') = 'integer'
  THEN json_extract(r.attempt, '$.{0}') END"""
_QUIET = _age("r", "r.progress_boot", "r.progress_slept_ms", "r.progress_at")
_LEAST_LIMIT = f"min(coalesce(r.stall_timeout_ms, {NO_LIMIT_MS}), coalesce({_PHASE.format('limit_ms')}, 1e15))"
#: One walk over the open runs, whatever the number of lanes. ``lanes.text.ages`` computes the same for one run.
SILENT_RUNS = f"""
WITH open AS (
  SELECT r.id, r.lane_id, r.boot_id, r.stall_timeout_ms AS stall,
    {_QUIET} AS quiet,
    max(0, coalesce(r.busy_until_boot - r.progress_boot, 0)) AS busy,
    (SELECT 1 FROM waits w JOIN messages m ON m.id = w.message_id WHERE w.run_id = r.id AND m.ended_at IS NULL LIMIT 1)
      IS NOT NULL AS waits,
    {_PHASE.format("provider")} AS provider, {_PHASE.format("limit")} AS asks, {_PHASE.format("limit_ms")} AS asks_ms,
    {_PHASE.format("at")} AS asked_at, {_PHASE.format("boot")} AS asked_boot, {_PHASE.format("slept")} AS asked_slept
  FROM runs r WHERE r.ended_at IS NULL AND r.body_ended_at IS NULL AND {SILENT_PART} * {_QUIET} >= {_LEAST_LIMIT}
), quiets AS (
  SELECT o.*, max(0, o.quiet - o.busy) AS stalled, CASE WHEN o.asks_ms IS NULL THEN NULL ELSE
    min(o.quiet, {_age("o", "o.asked_boot", "o.asked_slept", "o.asked_at")}) END AS unanswered
  FROM open o
), judged AS (
  SELECT q.*, q.unanswered IS NOT NULL AND
    (q.waits OR q.stall IS NULL OR q.asks_ms - q.unanswered <= q.stall + q.busy - q.quiet) AS provides FROM quiets q
), silences AS (
  SELECT j.id, j.lane_id, CASE WHEN j.provides THEN j.unanswered ELSE j.stalled END AS silent,
    CASE WHEN j.provides THEN j.asks_ms ELSE j.stall END AS most,
    CASE WHEN j.provides THEN j.asks WHEN j.stall IS NOT NULL THEN '{Cause.STALL_TIMEOUT}' END AS name,
    CASE WHEN j.provides THEN j.provider END AS provider
  FROM judged j WHERE j.provides OR NOT j.waits
)
SELECT s.id, {shown_key("l")}, s.silent, s.most, s.name, s.provider, count(*) OVER ()
FROM silences s JOIN lanes l ON l.id = s.lane_id
WHERE s.silent > 0 AND {SILENT_PART} * s.silent >= coalesce(s.most, {NO_LIMIT_MS})
ORDER BY 1.0 * s.silent / max(1, coalesce(s.most, {NO_LIMIT_MS})) DESC, s.id LIMIT :most
"""


def owner_loads(since: int, silent: Sequence[int]) -> Query[list[OwnerLoad]]:
    """What the owners did since that wall time, as far as the newest runs show; ``silent`` are the ids of silent
    runs."""
    return Query(LOADS, {"since": since, "silent": json.dumps([*silent])}, many(OwnerLoad._make), broad=True)


def owners() -> Query[list[OwnerRow]]:
    """Every owner that has not ended."""
    return Query(LIVING, {}, many(to_owner))


def owner(owner_id: int) -> Query[OwnerRow | None]:
    """One owner, ended or not."""
    return Query(OWNER, {"id": owner_id}, one(to_owner), point=True)


def owners_of(ids: Sequence[int]) -> Query[list[OwnerRow]]:
    """These owners, ended or not, in the order in which they are named."""
    return Query(OWNERS, {"ids": json.dumps([*ids])}, many(to_owner))


def orders_of_owner(owner_id: int) -> Query[OwnerOrders]:
    """What other processes asked of an owner and its runs."""

    def shape(rows: list[Row]) -> OwnerOrders:
        drain, *others = rows[0]
        abort_rows, waits, input_rows = map(json.loads, others)
        aborts = [(Ticket(run, epoch), Cause.read(cause), grace_ms) for run, epoch, cause, grace_ms in abort_rows]
        return OwnerOrders(drain and tuple(json.loads(drain)), aborts, frozenset(waits), dict(sorted(input_rows)))

    return Query(ORDERS_OF_OWNER, {"owner": owner_id}, shape)


def runs_of_owner(owner_id: int) -> Query[frozenset[int]]:
    """The open runs of an owner, by id, even if it has ended."""
    return Query(sql.OPEN_RUNS_OF_OWNER, {"owner": owner_id}, lambda rows: frozenset(row[0] for row in rows))


def run(run_id: int) -> Query[RunRow | None]:
    """One run, ended or not."""
    return Query(RUN, {"id": run_id}, one(to_run), point=True)


def open_runs(of_others_than: int | None = None) -> Query[list[RunRow]]:
    """Every run that holds a lane. The cost depends on the number of held lanes only.

    ``of_others_than``: leave out the healthy runs of that owner, because it knows them itself.
    """
    if of_others_than is None:
        return Query(f"{OPEN_RUNS} ORDER BY r.id", {}, many(to_run))
    return Query(f"{OPEN_RUNS} AND {NOT_PLAIN_OF} ORDER BY r.id", {"owner": of_others_than}, many(to_run))


def waits(run_id: int | None = None) -> Query[list[Wait]]:
    """The waits of open runs for messages that have not ended; of one run, or of all runs."""
    if run_id is None:
        return Query(WAITS, {}, many(_to_wait))
    return Query(f"{WAITS} AND w.run_id = :run", {"run": run_id}, many(_to_wait))


def _to_wait(row: Row) -> Wait:
    """A wait from the columns of WAITS."""
    run, message, key, *process, since = row
    return Wait(run, message, key, ProcessIdentity(*process), since)


def lane_of_run(run_id: int) -> Query[tuple[int, dict[str, tuple[str, dict[str, float]]]]]:
    """The lane of a run; and by runner the name that the agent gave the conversation, with its usage."""
    return Query(LANE_OF_RUN, {"run": run_id}, lambda rows: (rows[0][0], _to_sessions(rows[0][1])), point=True)


def _to_sessions(stored: str | None) -> dict[str, tuple[str, dict[str, float]]]:
    known = (parsed(stored, dict) if stored else None) or {}
    found = {runner: kept if isinstance(kept, dict) else {"id": kept} for runner, kept in known.items()}
    return {runner: (kept["id"], kept.get("used") or {}) for runner, kept in found.items() if kept.get("id")}


def unproven_runs(host: str, boot: str) -> Query[list[UnprovenRun]]:
    """The runs that may have left processes behind on a host, or in this boot of it under another name. In any order:
    to sort by id, SQLite would scan all runs."""
    where = "(r.process_host IS NULL OR r.process_host = :host OR r.process_boot_id = :boot)"
    return Query(f"{UNPROVEN} AND {where}", {"host": host, "boot": boot}, many(_to_unproven))


def unproven_run(run_id: int) -> Query[UnprovenRun | None]:
    """That run, if it may have left processes behind."""
    return Query(f"{UNPROVEN} AND r.id = :run", {"run": run_id}, one(_to_unproven))


def _to_unproven(row: Row) -> UnprovenRun:
    run, key, grace_ms, stored, *process = row
    keeper = None if process[-1] is None else ProcessIdentity(*process)
    survivors = parsed(stored, list) if stored else None
    return UnprovenRun(
        run, key, grace_ms, None if survivors is None else tuple(map(str, survivors)), process[0] is not None, keeper
    )


def refused_writes() -> Query[int]:
    """How many writes of superseded runs were refused, over all runs in the database."""
    return Query(REFUSED_WRITES, {}, lambda rows: int(rows[0][0]))


def real_runner_ever_ran(simulated: str) -> Query[bool]:
    """Whether a gateway with another configuration than the simulated one ever used this database."""
    return Query(REAL_RUNNER, {"simulated": simulated}, bool)


def silent_runs(now: Now, limit: int) -> Query[tuple[list[SilentRun], int]]:
    """At most ``limit`` of the silent runs, the one nearest to its limit first; and how many there are."""

    def shape(rows: list[Row]) -> tuple[list[SilentRun], int]:
        return [SilentRun(*row[:6]) for row in rows], int(rows[0][6]) if rows else 0

    return Query(SILENT_RUNS, now.params | {"most": limit}, shape, broad=True)


# ------------------------------------------------------------------------------------------- providers

COOLING = f"SELECT {columns(CooldownRow._fields)} FROM providers WHERE until > :now ORDER BY provider"
PLACE = "SELECT provider FROM runs WHERE id = :run"
#: How many runs of a message ended since a time because every provider refused it.
REFUSALS = """
SELECT count(*) FROM runs
WHERE message_id = :message AND edge = 'park' AND cause = 'provider_cooling' AND ended_at >= :since
"""
#: The provider that each open run asks: the one where it has a place, or the one of its last heartbeat.
IN_FLIGHT = """
SELECT coalesce(r.provider, CASE WHEN json_valid(r.attempt) THEN json_extract(r.attempt, '$.provider') END) AS asked,
  count(*) FROM lanes l JOIN runs r ON r.id = l.run_id WHERE l.run_id IS NOT NULL GROUP BY asked
"""


def cooldowns(now_wall: int) -> Query[list[CooldownRow]]:
    """The providers that are cooling at ``now_wall``."""
    return Query(COOLING, {"now": now_wall}, many(lambda row: CooldownRow(*row)), point=True)


def providers() -> Query[dict[str, ProviderRow]]:
    """The health of each provider, by name."""
    return Query(ALL_PROVIDERS, {}, lambda rows: {row[0]: ProviderRow(*row) for row in rows}, point=True)


def places_taken(now: Now) -> Query[dict[str, PlacesTaken]]:
    """How many runs have a place, by provider."""
    return Query(PLACES_TAKEN, {"boot": now.boot}, lambda rows: {row[0]: PlacesTaken._make(row[1:]) for row in rows})


def place_of(run: int) -> Query[str | None]:
    """The provider at which a run has a place."""
    return Query(PLACE, {"run": run}, lambda rows: rows[0][0] if rows else None, point=True)


def refusals_of(message: int, since: int) -> Query[int]:
    """How many runs of a message were refused by every provider of their chain, since then (wall time)."""
    return Query(REFUSALS, {"message": message, "since": since}, lambda rows: int(rows[0][0]))


def in_flight() -> Query[dict[str, int]]:
    """How many runs ask each provider now, as far as rows and heartbeats show."""
    return Query(IN_FLIGHT, {}, lambda rows: {row[0]: int(row[1]) for row in rows if row[0] is not None})
