"""Searching for lanes by a part of the key, among those that a filter chooses. For ``lanes.operations``."""

from lanes import filters
from lanes.procedure import Procedure, read, tell
from lanes.records import Hit
from lanes_storage import reads
from lanes_storage.records import How, LaneFilter, LaneOrder


def timed(chosen: LaneFilter) -> Procedure[LaneFilter]:
    """The filter with the time at which it evaluates ages and pauses: now, if it has none."""
    if chosen.at or not chosen.conditions:
        return chosen
    return chosen._replace(at=(yield from tell()).wall)


def find(
    chosen: LaneFilter, part: str, key: str | None, *, step: int = 0, order: LaneOrder | None = None
) -> Procedure[Hit | None]:
    """The next chosen lane with that part in its key, starting at lane ``key`` and continuing at the other end if
    needed.

    ``step``: 0 starts at that lane, 1 after it, -1 before it. None: no chosen lane has the part.
    """
    order = order or LaneOrder()
    chosen = yield from timed(chosen)
    hits = chosen.where("key", How.HAS, part)
    total = yield from read(reads.lanes_total(hits))
    place = None if key is None else (yield from read(reads.lane_place(hits, key, order=order, outside=True)))
    if step > 0 and key is not None and not filters.has(key, part):
        step = 0  # the lane itself is not a hit, so the next hit has its position
    number = 0 if total == 0 else ((place or 0) + step) % total
    found = yield from read(reads.lanes(hits, order=order, limit=1, offset=number))
    if not found:
        return None
    where = yield from read(reads.lane_place(chosen, found[0].key, order=order))
    return None if where is None else Hit(found[0].key, where, number, total)
