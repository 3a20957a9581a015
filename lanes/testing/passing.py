"""Letting time pass for engines whose clock a test moves: each step is met by their loops before the next one comes."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from lanes.engine.background.loop import Loop
from lanes.engine.engine import Engine
from lanes.engine.upkeep.thread import LATE_MS
from lanes.testing.moments import Hands
from lanes_storage import doors

#: The longest step. A longer one is a process that was suspended, and nothing of it counts as a stall.
LONGEST_STEP_MS = LATE_MS - 100
#: How long, by a real clock, a run that was told to stop may take to end before time goes on without it.
STOP_S = 1.0
#: How long, by a real clock, a loop may take to come round: more than any machine needs.
PATIENCE_S = 60.0
#: Between two looks at a loop, and between two rounds of it.
LOOK_S = 0.0005


async def let_pass(engines: Sequence[Engine], clock: Hands, ms: int, *, step_ms: int = LONGEST_STEP_MS) -> None:
    """Let so much time pass in steps. What can be claimed now is claimed before the first of them."""
    passers = [Passer(engine) for engine in engines]
    with contextlib.ExitStack() as restlessness:
        for passer in passers:
            restlessness.enter_context(restless(passer.upkeep))
            await passer.engine._store.write(doors.touch)  # a commit ends its present pause
        await _all_meet(passers)
        while ms > 0:
            clock.move(min(step_ms, ms))
            ms -= step_ms
            await _all_meet(passers)
        await _all_meet(passers)  # what waited behind a run that has ended is claimed


@contextlib.contextmanager
def restless(loop: Loop) -> Iterator[None]:
    """Let a loop rest no longer between two rounds than a test needs to see one end."""
    vars(loop)["_pause_s"] = lambda: LOOK_S
    try:
        yield
    finally:
        del vars(loop)["_pause_s"]


async def _all_meet(passers: Sequence["Passer"]) -> None:
    for passer in passers:
        await passer.meets()


class Passer:
    """An engine that lives through the time that passes. Raises RuntimeError where it was never started."""

    def __init__(self, engine: Engine) -> None:
        if engine._upkeep is None or engine._dispatcher is None:
            raise RuntimeError("time passes only for what was started")
        self.engine, self.upkeep, self._dispatcher = engine, engine._upkeep, engine._dispatcher
        self._stubborn: set[int] = set()  # runs that did not end in their time, for which nobody waits twice

    async def meets(self) -> None:
        """Return when both of its loops have come round since now, and the runs that were told to stop have ended."""
        # One that is under way may have begun before.
        rounds, looks = self.upkeep.rounds + 2, self._dispatcher.looks + 2

        def met() -> bool:
            if self._dispatcher.looks < looks:
                self._dispatcher.wake()
            return self.upkeep.rounds >= rounds and self._dispatcher.looks >= looks

        await self._until(met, PATIENCE_S)
        if stopping := {run.id for run in self.engine._live.all() if run.stop is not None} - self._stubborn:
            with contextlib.suppress(TimeoutError):
                await self._until(lambda: not stopping & {run.id for run in self.engine._live.all()}, STOP_S)
            self._stubborn |= stopping

    async def _until(self, condition: Callable[[], bool], patience_s: float) -> None:
        """Wait for a condition as long as the engine is not stopped. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while not (condition() or self.engine.stopped):  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(LOOK_S)
