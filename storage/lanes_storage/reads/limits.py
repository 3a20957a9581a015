"""Queries about what alerts report, and about budgets."""

import json
from collections.abc import Sequence

from lanes_storage.clock import Now
from lanes_storage.fragments import dead_letter, names, shown_key
from lanes_storage.globs import as_sqlite
from lanes_storage.interface import Query, Row
from lanes_storage.law import INTERRUPTIONS
from lanes_storage.reads.shapes import many
from lanes_storage.records import BudgetTerms, DueIncident, Spent
from lanes_storage.statements import further
from lanes_storage.statements import upkeep as sql

#: The most rows of one query; beyond that, incidents are reported together anyway.
MOST = 1_000


def _in_glob(key: str) -> str:
    """A SQL condition: an alert applies to a key. Without a glob, it applies to all."""
    return f"(:glob IS NULL OR {key} GLOB :glob)"


#: The lanes that have been held longest, found by their run ids, which are in the order of the claims. In the same boot
#: this goes by the monotonic clock, so that neither a change of the wall clock nor sleep of the machine counts.
LONG_HELD = f"""
SELECT {shown_key("l")}, r.id, r.claimed_at FROM
  (SELECT * FROM lanes h WHERE h.run_id IS NOT NULL AND {_in_glob(shown_key("h"))} ORDER BY h.run_id LIMIT {MOST}) l
JOIN runs r ON r.id = l.run_id
WHERE CASE r.boot_id WHEN :boot_id THEN r.claimed_boot - coalesce(r.claimed_slept_ms, :slept) <= :mono - :after
  ELSE r.claimed_at <= :now - :after END
"""
LONG_WAITING = f"""
SELECT {shown_key("l")}, m.id, m.accepted_at FROM
  (SELECT * FROM lanes w WHERE w.head_id IS NOT NULL AND {_in_glob(shown_key("w"))} ORDER BY w.head_id LIMIT {MOST}) l
JOIN messages m ON m.id = l.head_id
WHERE m.accepted_at <= :before
"""
#: For each lane, its newest dead letter that nobody has retried.
DEAD_LETTERS = f"""
SELECT {shown_key("l")}, max(m.id), m.error_cause FROM
  (SELECT * FROM messages c WHERE {dead_letter("c.")} AND c.retried_as IS NULL
    AND {_in_glob(f"(SELECT {shown_key('d')} FROM lanes d WHERE d.id = c.lane_id)")} ORDER BY c.id DESC LIMIT {MOST}) m
JOIN lanes l ON l.id = m.lane_id WHERE m.ended_at > :after GROUP BY l.id
"""
#: Leaves out short cooldowns: only those that are long, that follow several refusals, or that only a person can end.
PROVIDERS_DOWN = """
SELECT provider, cause, since FROM providers WHERE until > :now
  AND (tries >= :tries OR until - since >= :longer OR cause IN ('auth', 'quota')) ORDER BY provider
"""
_BEATS = """{0}.stale_after_ms >= CASE {0}.boot_id
  WHEN :boot_id THEN :mono - ({0}.heartbeat_boot - coalesce({0}.slept_ms, :slept)) ELSE :now - {0}.heartbeat_at END"""
#: Gateways that died or fell silent, unless one has started on their host since.
GATEWAYS_DOWN = f"""
SELECT o.host, o.pid, coalesce(o.ended_cause, 'owner_silent'), coalesce(o.ended_at, o.heartbeat_at) FROM owners o
WHERE o.kind = 'gateway' AND ((o.ended_at > :after AND o.ended_cause IN ({names(INTERRUPTIONS)}))
    OR (o.ended_at IS NULL AND NOT {_BEATS.format("o")}))
  AND NOT EXISTS (SELECT 1 FROM owners n WHERE n.kind = 'gateway' AND n.host = o.host AND n.id > o.id
    AND n.ended_at IS NULL AND {_BEATS.format("n")})
"""

#: What a query finds: a subject, the number of a run or a message (or a pid), and two values about it.
Findings = list[tuple[str, int, object]]


def long_held(now: Now, after_ms: int, glob: str | None = None) -> Query[Findings]:
    """Lanes that have been held for ``after_ms``: their keys, runs, and since when (wall time). ``glob``, here and
    below: only lanes whose keys match it."""
    return Query(LONG_HELD, now.params | {"after": after_ms, "glob": _stored(glob)}, many(tuple))


def _stored(glob: str | None) -> str | None:
    return None if glob is None else as_sqlite(glob)


def long_waiting(before: int, glob: str | None = None) -> Query[Findings]:
    """Lanes whose head was accepted at the wall time ``before`` or earlier: their keys, heads, and since when."""
    return Query(LONG_WAITING, {"before": before, "glob": _stored(glob)}, many(tuple))


def recent_dead_letters(after: int, glob: str | None = None) -> Query[Findings]:
    """Lanes with a dead letter since the wall time ``after`` that nobody has retried: their keys, messages, causes."""
    return Query(DEAD_LETTERS, {"after": after, "glob": _stored(glob)}, many(tuple))


def providers_down(now: int, *, longer_ms: int, tries: int) -> Query[list[tuple[str, str, int]]]:
    """Providers that cool for more than a moment: their names, the cause, and since when."""
    return Query(PROVIDERS_DOWN, {"now": now, "longer": longer_ms, "tries": tries}, many(tuple))


def gateways_down(now: Now, after: int) -> Query[list[tuple[str, int, str, int]]]:
    """Gateways that died or fell silent since the wall time ``after`` and have no successor: host, pid, cause, when."""
    return Query(GATEWAYS_DOWN, now.params | {"after": after}, many(tuple))


def any_open_incident() -> Query[bool]:
    """Whether any incident is open."""
    return Query(f"{sql.OPEN_INCIDENTS} LIMIT 1", {}, bool)


def any_old_incident(before: int) -> Query[bool]:
    """Whether any incident was last seen at the wall time ``before`` or earlier."""
    return Query("SELECT 1 FROM incidents WHERE seen_at <= :before LIMIT 1", {"before": before}, bool)


def due_incidents(now: int, alerts: Sequence[str]) -> Query[list[DueIncident]]:
    """The incidents of these alerts of which a notification is due at a wall time, the longest due first."""
    values = {"now": now, "alerts": json.dumps(alerts)}
    return Query(f"{sql.DUE_INCIDENTS} LIMIT {MOST}", values, many(DueIncident._make))


def since(budget: BudgetTerms, now: Now) -> int:
    """The start of the last bucket that no longer counts (wall time)."""
    return now.wall - budget.per_ms - budget.bucket_ms


def spent(budget: BudgetTerms, lane: int, now: Now) -> Query[Spent]:
    """What was used of a budget of a lane."""

    def shape(rows: Sequence[Row]) -> Spent:
        runs, tokens, cost, first = rows[0]
        return Spent(runs, tokens, cost, None if first is None else first + budget.per_ms + budget.bucket_ms)

    values = {"name": budget.name, "lane": lane, "after": since(budget, now)}
    return Query(further.SPENT, values, shape, point=True)
