"""Letting time pass for engines whose clock a test moves: after each step, their loops complete a round."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from lanes.engine.background.loop import Loop
from lanes.engine.engine import Engine
from lanes.engine.upkeep.thread import LATE_MS
from lanes.testing.moments import Hands
from lanes_storage import doors

#: The longest step. A longer one would look like a suspension of the process, which counts as no stall.
LONGEST_STEP_MS = LATE_MS - 100
#: How long, by a real clock, time stands still for a run that was told to stop.
STOP_S = 1.0
#: How long, by a real clock, a loop may take for a round: more than any machine needs.
PATIENCE_S = 60.0
#: The pause between two checks of a loop, and between two of its rounds.
LOOK_S = 0.0005


async def let_pass(engines: Sequence[Engine], clock: Hands, ms: int, *, step_ms: int = LONGEST_STEP_MS) -> None:
    """Let time pass in steps. Messages that are claimable now are claimed before the first step."""
    passers = [Passer(engine) for engine in engines]
    with contextlib.ExitStack() as stack:
        for passer in passers:
            stack.enter_context(restless(passer.upkeep))
            await passer.engine._store.write(doors.touch)  # a commit ends the current pause of its loop
        await _all_meet(passers)
        while ms > 0:
            clock.move(min(step_ms, ms))
            ms -= step_ms
            await _all_meet(passers)
        await _all_meet(passers)  # claims messages that waited for a run that has just ended


@contextlib.contextmanager
def restless(loop: Loop) -> Iterator[None]:
    """Let a loop pause only for LOOK_S between two rounds."""
    vars(loop)["_pause_s"] = lambda: LOOK_S
    try:
        yield
    finally:
        del vars(loop)["_pause_s"]


async def _all_meet(passers: Sequence["Passer"]) -> None:
    for passer in passers:
        await passer.meets()


class Passer:
    """Waits for the loops of one engine after each step. Raises RuntimeError if it was never started."""

    def __init__(self, engine: Engine) -> None:
        if engine._upkeep is None or engine._dispatcher is None:
            raise RuntimeError("time passes only for what was started")
        self.engine, self.upkeep, self._dispatcher = engine, engine._upkeep, engine._dispatcher
        self._stubborn: set[int] = set()  # runs that did not end within STOP_S: they are not waited for again

    async def meets(self) -> None:
        """Wait until both loops have completed a round that began after this call, and stopping runs have ended."""
        # Two rounds, since the one in progress may have begun before.
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
        """Wait until a condition holds or the engine is stopped. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while not (condition() or self.engine.stopped):  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(LOOK_S)
