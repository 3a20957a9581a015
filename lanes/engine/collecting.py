"""Collecting: texts that wait together are answered together, once they have been quiet for long enough."""

from dataclasses import dataclass

from lanes_storage.law import MAX_BATCH
from lanes_storage.moment import Now
from lanes_storage.records import Waiting

#: However much keeps coming, the first text of a batch waits no longer than this for the others.
LONGEST_MS = 5_000
#: What was not asked about for so long is forgotten: the lane is held, paused, or its queue was cut.
FORGOTTEN_MS = 60_000


@dataclass(slots=True)
class _Sight:
    tail: int
    first_mono: int
    tail_mono: int
    asked_mono: int


class Debounce:
    """What one dispatcher has seen of the queues that it may collect. Used from the writer's thread alone.

    A text is quiet since it was accepted, or since this dispatcher saw it first, whichever was longer ago: a wall
    clock that jumps can close a batch a moment early, and never keep one waiting.
    """

    def __init__(self) -> None:
        self._seen: dict[int, _Sight] = {}

    def over(self, lane: int, members: list[Waiting], debounce_ms: int, now: Now) -> bool:
        """Whether these texts of a lane are to be answered now."""
        first, tail = members[0], members[-1]
        sight = self._sight(lane, tail.id, now)
        quiet = max(now.mono - sight.tail_mono, now.wall - tail.accepted_at)
        waited = max(now.mono - sight.first_mono, now.wall - first.accepted_at)
        return quiet >= debounce_ms or waited >= LONGEST_MS or len(members) >= MAX_BATCH

    def forget(self, lane: int, now: Now) -> None:
        """The lane was claimed; what comes next is another batch."""
        self._seen.pop(lane, None)
        if len(self._seen) > 1_000:
            self._seen = {key: s for key, s in self._seen.items() if now.mono - s.asked_mono < FORGOTTEN_MS}

    def _sight(self, lane: int, tail: int, now: Now) -> _Sight:
        sight = self._seen.get(lane)
        if sight is None or now.mono - sight.asked_mono >= FORGOTTEN_MS:
            sight = self._seen[lane] = _Sight(tail, now.mono, now.mono, now.mono)
        if sight.tail != tail:
            sight.tail, sight.tail_mono = tail, now.mono
        sight.asked_mono = now.mono
        return sight
