"""When each live run is to be looked at next: of a thousand that wait, those are whose time has come."""

import heapq
from collections import deque

from lanes.engine.live import ActiveRun, LiveSet
from lanes_storage.moment import Now

#: So many runs that have ended may stand in it before they are taken out.
MOST_ENDED = 1_000


class Agenda:
    """Belongs to one thread. A run that joins is due at once. It is kept by its id: its message may be large."""

    def __init__(self, live: LiveSet) -> None:
        self._live = live
        self._joined: deque[int] = live.follow()
        self._at: dict[int, int] = {}
        self._times: list[tuple[int, int]] = []

    def due(self, now: Now) -> list[ActiveRun]:
        """The runs whose time has come by the monotonic clock. They come again only when ``put``."""
        while self._joined:
            self.put(self._joined.popleft(), now.mono)
        due = []
        while self._times and self._times[0][0] <= now.mono:
            at, run_id = heapq.heappop(self._times)
            if self._at.get(run_id) == at:
                del self._at[run_id]
                run = self._live.get(run_id)
                if run is not None:
                    due.append(run)
        return due

    def put(self, run_id: int, at: int) -> None:
        """Look at a run at that time, and at no other."""
        self._at[run_id] = at
        heapq.heappush(self._times, (at, run_id))
        if len(self._times) > 2 * len(self._live) + MOST_ENDED:
            self._at = {each: when for each, when in self._at.items() if self._live.get(each) is not None}
            self._times = [(when, each) for each, when in self._at.items()]
            heapq.heapify(self._times)
