"""Filters with the additional conditions of command-line options and query parameters."""

from collections.abc import Iterable

from lanes_storage.globs import is_glob
from lanes_storage.records import Comparison, Condition, How, LaneFilter


def narrowed(
    chosen: LaneFilter, *, states: Iterable[str] = (), match: str | None = None, held_for_ms: int | None = None
) -> LaneFilter:
    """A filter with further conditions: states, a glob over keys, a least time that the lane has been held."""
    if known := tuple(Comparison(How.IS, state) for state in dict.fromkeys(states)):
        chosen = chosen._replace(conditions=(*chosen.conditions, Condition("state", known)))
    if match is not None:
        chosen = chosen.where("key", How.FITS if is_glob(match) else How.IS, match)
    return chosen if held_for_ms is None else chosen.where("held", How.LEAST, held_for_ms)
