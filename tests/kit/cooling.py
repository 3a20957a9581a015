"""Providers that refuse, for tests that are about something else."""

from lanes_storage import doors
from lanes_storage.clock import Now
from lanes_storage.interface import Transaction
from lanes_storage.records import ProviderRefusal, ProviderRow

DAY_MS = 86_400_000


def cool(
    tx: Transaction, provider: str, cause: str, for_ms: int | None, now: Now, *, by: str = "tester"
) -> ProviderRow:
    """Let a provider refuse everybody for so long."""
    return doors.cool(tx, provider, ProviderRefusal(cause, "it refuses", for_ms), now, by=by, most_ms=DAY_MS)
