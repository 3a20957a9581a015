"""Filters with more conditions than their words have."""

from collections.abc import Iterable

from lanes_storage.globs import is_glob
from lanes_storage.records import Comparison, Condition, How, LaneFilter


def narrowed(
    chosen: LaneFilter, *, states: Iterable[str] = (), match: str | None = None, held_for_ms: int | None = None
) -> LaneFilter:
    """A filter with the conditions of older options: states, a glob for keys, an age."""
    if known := tuple(Comparison(How.IS, state) for state in dict.fromkeys(states)):
        chosen = chosen._replace(conditions=(*chosen.conditions, Condition("state", known)))
    if match is not None:
        chosen = chosen.where("key", How.FITS if is_glob(match) else How.IS, match)
    return chosen if held_for_ms is None else chosen.where("held", How.LEAST, held_for_ms)
