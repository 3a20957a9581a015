"""Cooldowns: until a stored time, no gateway sends a request to the provider."""

from typing import Any

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType
from lanes_storage.records import CooldownRow

FIRST_MS = 1_000
LONGEST_MS = 60_000


def cool(tx: Transaction, provider: str, cause: str, for_ms: int | None, now: Now, *, by: str) -> CooldownRow:
    """Send no requests to a provider for ``for_ms``. None means 1 s, doubled up to 60 s while the provider refuses.

    A refusal during a cooldown (the answer to an earlier request of another run) does not double it again.
    """
    rows = tx.rows(sql.FIND_COOLDOWN, {"provider": provider})
    until_before, tries = (rows[0][1], rows[0][2]) if rows else (0, 0)
    if for_ms is None:
        if until_before <= now.wall or tries == 0:
            tries += 1
        for_ms = min(LONGEST_MS, FIRST_MS << min(tries - 1, 16))
    until = max(until_before, now.wall + for_ms)
    values = {"provider": provider, "cause": cause, "now": now.wall, "until": until, "tries": tries}
    tx.run(sql.SET_COOLDOWN, values)
    detail = {"provider": provider, "until": until}
    record(tx, EventType.COOLDOWN, now, actor=by, cause=cause, detail=detail)
    return CooldownRow(provider, cause, now.wall, until, tries)


def note_provider(
    tx: Transaction, provider: str, cause: str | None, now: Now, *, by: str, detail: dict[str, Any]
) -> None:
    """Record that a provider has begun to fail, or that it answers again (``cause`` None)."""
    type_ = EventType.PROVIDER_ANSWERS if cause is None else EventType.PROVIDER_FAILING
    record(tx, type_, now, actor=by, cause=cause, detail={"provider": provider} | detail)


def cooling(tx: Transaction, now: Now) -> list[CooldownRow]:
    """The providers that are cooling now."""
    return [CooldownRow(*row) for row in tx.rows(sql.COOLING, {"now": now.wall})]


def warm(tx: Transaction, provider: str) -> None:
    """End a cooldown and reset its doubling, because the provider has answered."""
    tx.run(sql.END_COOLDOWN, {"provider": provider})
