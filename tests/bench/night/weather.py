"""What the providers of a bad night do, on a clock that the caller has: a test moves it, the benchmarks compress it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from math import ceil
from pathlib import Path

from lanes.simulate.app import Simulator
from lanes.simulate.incoming import SimulatedRequest
from tests.bench.night.plan import ANSWER_S, BACKUP, DEAD, LIMITED, MINUTE_S, OUTAGE, PRIMARY, WINDOW, NightPlan

#: Sleeps until so many seconds of the night have passed.
Until = Callable[[float], Awaitable[None]]


class NightWeather:
    """Both providers of a night. ``now`` tells its seconds; ``scale``: how many of them pass in a real one.

    ``told``: how many of them are one second of a ``Retry-After``, by the clock of the client.
    """

    def __init__(
        self, plan: NightPlan, now: Callable[[], float], until: Until, *, scale: float = 1.0, told: float = 1.0
    ) -> None:
        self._plan, self._now, self._until, self._scale, self._told = plan, now, until, scale, told
        self._slot = asyncio.Lock()
        self._answered: Counter[int] = Counter()  # by minute
        #: How many requests are being answered, by provider.
        self.busy: Counter[str] = Counter()

    def primary(self, log: Path | None = None) -> Simulator:
        """The first provider, as an application."""
        return Simulator(weather=self._of_primary, tempo=100 * self._scale, log=log)

    def backup(self, log: Path | None = None) -> Simulator:
        """The second one."""
        return Simulator(weather=self._of_backup, tempo=100 * self._scale, log=log)

    async def passes(self, primary: Simulator, backup: Simulator) -> None:
        """Let the outage and the death of the first provider begin and end."""
        for (begins, ends), struck in ((OUTAGE, (primary, backup)), (DEAD, (primary,))):
            await self._until(begins)
            for one in struck:
                one.away(None)
            await self._until(ends)
            for one in struck:
                one.back()

    async def _of_primary(self, asked: SimulatedRequest) -> str:
        now, minute = self._now(), int(self._now() / MINUTE_S)
        if LIMITED[0] <= now < LIMITED[1]:
            if self._answered[minute] >= self._plan.a_minute:
                left_s = (minute + 1) * MINUTE_S - now
                return f"sim-429-{ceil(left_s / self._told)}"  # whole seconds: clients read nothing else
            self._answered[minute] += 1
        return await self._answer(PRIMARY, asked, ANSWER_S)

    async def _of_backup(self, asked: SimulatedRequest) -> str:
        async with self._slot:
            return await self._answer(BACKUP, asked, self._plan.backup_answer_s)

    async def _answer(self, name: str, asked: SimulatedRequest, takes_s: float) -> str:
        if asked.words > WINDOW:
            return "sim-context-overflow"
        self.busy[name] += 1
        try:
            await self._until(self._now() + takes_s)
        finally:
            self.busy[name] -= 1
        return "sim-ok"
