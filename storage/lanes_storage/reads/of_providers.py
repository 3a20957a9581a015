"""Queries about providers: which are well, and who asks them now."""

from lanes_storage.clock import Now
from lanes_storage.fragments import columns
from lanes_storage.interface import Query
from lanes_storage.reads.shapes import many
from lanes_storage.records import CooldownRow, PlacesTaken, ProviderRow
from lanes_storage.statements import providers as sql

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
    """What is known of each provider, by name."""
    return Query(sql.ALL_PROVIDERS, {}, lambda rows: {row[0]: ProviderRow(*row) for row in rows}, point=True)


def places_taken(now: Now) -> Query[dict[str, PlacesTaken]]:
    """How many runs have a place, by provider."""
    return Query(
        sql.PLACES_TAKEN,
        {"boot": now.boot},
        lambda rows: {row[0]: PlacesTaken(int(row[1]), int(row[2])) for row in rows},
    )


def place_of(run: int) -> Query[str | None]:
    """The provider at which a run has a place."""
    return Query(PLACE, {"run": run}, lambda rows: rows[0][0] if rows else None, point=True)


def refusals_of(message: int, since: int) -> Query[int]:
    """How many runs of a message were refused by every provider of their chain, since then (wall time)."""
    return Query(REFUSALS, {"message": message, "since": since}, lambda rows: int(rows[0][0]))


def in_flight() -> Query[dict[str, int]]:
    """How many runs ask each provider now, as far as rows and heartbeats tell."""
    return Query(IN_FLIGHT, {}, lambda rows: {row[0]: int(row[1]) for row in rows if row[0] is not None})
