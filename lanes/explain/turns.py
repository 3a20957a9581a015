"""Sentences about the providers that a message waits for: those that cool, and those where it waits for its turn."""

from collections.abc import Iterable

from lanes.base.terminal import clean
from lanes.text.spans import span
from lanes_storage.clock import Now
from lanes_storage.records import CooldownRow, Health, PlacesTaken, ProviderRow
from lanes_storage.tuples import NamedTuple


class ProviderInFlight(NamedTuple):
    """A provider whose requests are limited: how many are in flight, and ``most`` may be (None: not known here).

    ``full``: another request has to wait for its turn. ``probes``: after a cooldown, it is being probed.
    ``unanswered``: how many of its requests wait for the first byte, and may still be refused.
    """

    name: str
    requests: int
    most: int | None
    full: bool
    probes: bool = False
    unanswered: int = 0

    @classmethod
    def of(cls, row: ProviderRow, taken: PlacesTaken, max_requests: int | None, now: Now) -> "ProviderInFlight | None":
        """Returns None if any number of requests may be in flight."""
        most, free = row.most(now.wall, max_requests), row.free(now.wall, taken, max_requests)
        if row.cools(now.wall) or (most is None and not taken.runs):
            return None
        if max_requests is not None and taken.runs >= max_requests:
            most = max_requests  # this limit applies, whether it is probed or not
        probes = row.health(now.wall) is Health.PROBING and taken.waiting > 0
        return cls(row.provider, taken.runs, most, not free, probes, taken.unanswered)


def turn_sentence(provider: ProviderInFlight) -> str:
    """The sentence that a message waits for its turn at a provider, which is no stall."""
    prefix = f"It waits for its turn at provider {clean(provider.name)}:"
    if provider.probes:
        return f"{prefix} it has cooled, and one request probes it now; if that is answered, the others follow."
    if provider.most is None or provider.requests < provider.most:
        return (
            f"{prefix} it refused requests lately, and {provider.unanswered} of the {provider.requests} in flight"
            " wait for their answer to begin; as soon as one does, the next follows."
        )
    return f"{prefix} {provider.requests} of {provider.most} requests are in flight."


def cooling_clause(cooldowns: Iterable[CooldownRow], now: Now, before: str = "") -> str:
    """Which providers cool, for how long, and why; without texts that ``before`` contains. Empty if none cools."""
    clauses = []
    for each in cooldowns:
        said = ": ".join(clean(text) for text in (each.cause, each.message) if text and text not in before)
        clauses.append(
            f"provider {clean(each.provider)} cools for {span(each.until - now.wall)}{f' ({said})' if said else ''}"
        )
    return ", ".join(clauses)
