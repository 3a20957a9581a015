"""Where the journal reaches a time, found by a bisection: it has no index of times."""

from lanes_storage import reads
from lanes_storage.interface import Reads
from lanes_storage.records import How, LaneFilter

#: The times of events ascend with their ids, except where the wall clock was set back. If it was set back by no more
#: than this, in milliseconds, the bisection misses nothing.
SET_BACK_MS = 7_200_000
#: If the clock was set back further, that is seen within this many events.
NEARBY = 4_096


def last_older(read: Reads, moment: int) -> int:
    """The id of an event up to which all are older than ``moment`` (wall time); 0 if no such event is found."""
    low, high = read(reads.first_event_id()) - 1, read(reads.last_event_id())
    while low < high:
        middle = (low + high + 1) // 2
        at = read(reads.time_of_event(middle))
        if at is None or at < moment - SET_BACK_MS:
            low = middle
        else:
            high = middle - 1
    return 0 if read(reads.has_event_since(moment, low - NEARBY, low)) else max(low, 0)


def earliest(chosen: LaneFilter) -> int | None:
    """The wall time before which no event fits a filter; None: it sets no such limit."""
    limits = [
        chosen.at - int(comparison.value)
        for field, any_of, negated, _ in chosen.conditions
        if field == "changed" and len(any_of) == 1 and not negated
        for comparison in any_of
        if comparison.how in (How.LESS, How.MOST)
    ]
    return max(limits, default=None)
