"""When to check each live run next, so that a round checks only the runs that are due, not all of a thousand."""

import heapq
from collections import deque

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes_storage.clock import Now

#: How many entries of ended runs it may contain before they are removed.
MOST_ENDED = 1_000


class Agenda:
    """For one thread. A new run is due at once. It is stored by id, because its message may be large."""

    def __init__(self, live: LiveSet) -> None:
        self._live = live
        self._joined: deque[int] = live.follow()
        self._at: dict[int, int] = {}
        self._times: list[tuple[int, int]] = []

    def due(self, now: Now) -> list[ActiveRun]:
        """The runs that are due, by the monotonic clock. They are removed until the next ``put``."""
        while self._joined:
            self.put(self._joined.popleft(), now.mono)
        due = []
        while self._times and self._times[0][0] <= now.mono:
            at, run_id = heapq.heappop(self._times)
            if self._at.get(run_id) == at:
                del self._at[run_id]
                due.append(run_id)
        return self._live.among(due)

    def put(self, run_id: int, at: int) -> None:
        """Check a run at that time only; replaces its earlier time."""
        self._at[run_id] = at
        heapq.heappush(self._times, (at, run_id))
        if len(self._times) > 2 * len(self._live) + MOST_ENDED:
            self._at = {each: when for each, when in self._at.items() if self._live.get(each) is not None}
            self._times = [(when, each) for each, when in self._at.items()]
            heapq.heapify(self._times)
