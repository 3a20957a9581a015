"""A clock that a test moves, and on which providers sleep."""

import asyncio
from heapq import heappop, heappush
from itertools import count

from lanes.testing import Hands
from lanes_storage.clock import Now


class NightClock(Hands):
    """A clock that wakes what sleeps on it as it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self._began, self._numbers = self.now.mono, count()
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []

    def seconds(self) -> float:
        """How long the night has lasted."""
        return (self.now.mono - self._began) / 1000

    async def until(self, at_s: float) -> None:
        """Sleep until then."""
        woken = asyncio.get_running_loop().create_future()
        heappush(self._asleep, (at_s, next(self._numbers), woken))
        if at_s > self.seconds():
            await woken

    def move(self, ms: int) -> Now:
        now = super().move(ms)
        while self._asleep and self._asleep[0][0] <= self.seconds():
            *_, woken = heappop(self._asleep)
            if not woken.done():
                woken.set_result(None)
        return now
