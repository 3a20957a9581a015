"""Collecting: waiting texts are answered together, once no new text has come for long enough."""

from dataclasses import dataclass

from lanes_storage.clock import Now
from lanes_storage.law import MAX_BATCH
from lanes_storage.records import WaitingMessage

#: The first text of a batch waits at most this long for others, even if new texts keep coming.
LONGEST_MS = 5_000
#: A lane that was not asked about for this long is forgotten: it is held, paused, or its queue was cleared.
FORGOTTEN_MS = 60_000


@dataclass(slots=True)
class _Sight:
    tail: int
    first_mono: int
    tail_mono: int
    last_look_mono: int


class Debounce:
    """When one dispatcher saw the waiting texts of lanes that it may collect. Used only from the writer's thread.

    The quiet time counts from the acceptance of a text, or from when this dispatcher saw it first, whichever is
    earlier: a jump of the wall clock can close a batch a little early, but never delays one.
    """

    def __init__(self) -> None:
        self._seen: dict[int, _Sight] = {}

    def over(self, lane: int, members: list[WaitingMessage], debounce_ms: int, now: Now) -> bool:
        """Whether to answer these texts of a lane now."""
        first, tail = members[0], members[-1]
        sight = self._sight(lane, tail.id, now)
        quiet = max(now.mono - sight.tail_mono, now.wall - tail.accepted_at)
        waited = max(now.mono - sight.first_mono, now.wall - first.accepted_at)
        return quiet >= debounce_ms or waited >= LONGEST_MS or len(members) >= MAX_BATCH

    def forget(self, lane: int, now: Now) -> None:
        """The lane was claimed; later texts belong to another batch."""
        self._seen.pop(lane, None)
        if len(self._seen) > 1_000:
            self._seen = {key: s for key, s in self._seen.items() if now.mono - s.last_look_mono < FORGOTTEN_MS}

    def _sight(self, lane: int, tail: int, now: Now) -> _Sight:
        sight = self._seen.get(lane)
        if sight is None or now.mono - sight.last_look_mono >= FORGOTTEN_MS:
            sight = self._seen[lane] = _Sight(tail, now.mono, now.mono, now.mono)
        if sight.tail != tail:
            sight.tail, sight.tail_mono = tail, now.mono
        sight.last_look_mono = now.mono
        return sight
