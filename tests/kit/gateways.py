"""A gateway in this process, on a real file, whose time moves only by the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from lanes import Gateway, connect
from lanes.config import from_data
from lanes.desk import Desk
from lanes.engine.engine import Engine
from lanes.runners.base import RunContext, Runner
from lanes.testing import SECOND, Hands
from lanes.testing.passing import restless
from lanes_storage import doors
from tests.kit.databases import lay
from tests.kit.until import until

T = TypeVar("T")

#: Runs of the embedded runner are safe to run again in these tests.
REQUEUE = {"on_interrupt": "requeue"}


class Gates:
    """A runner whose runs wait until the test lets them go, each with the text that it was given as its reply.

    ``stubborn``: they swallow their cancellation, as a broken program does.
    """

    def __init__(self, *, stubborn: bool = False) -> None:
        self.running: dict[str, RunContext] = {}
        self._stubborn = stubborn
        self._go = asyncio.Event()

    async def __call__(self, run: RunContext) -> str:
        self.running[run.key] = run
        try:
            while not self._go.is_set():
                try:
                    await self._go.wait()
                except asyncio.CancelledError:
                    if not self._stubborn:
                        raise
            return f"reply to {run.text}"
        finally:
            if self.running.get(run.key) is run:  # a lane that was taken by force may run its next message already
                del self.running[run.key]

    def open(self) -> None:
        """Let everything end."""
        self._go.set()


async def let_pass(engine: Engine, desk: Desk, time: Hands, ms: int, *, step_ms: int = SECOND // 2) -> None:
    """Let so much time pass, in steps that the upkeep of an engine meets one by one."""
    upkeep = engine._upkeep
    assert upkeep is not None
    with restless(upkeep):
        while ms > 0:
            time.move(min(step_ms, ms))
            ms -= step_ms
            seen = upkeep.rounds  # the round that is under way may have begun before
            await desk.store.write(doors.touch)  # a commit begins the next ones
            await until(lambda seen=seen: upkeep.rounds >= seen + 2, "the upkeep to look")  # type: ignore[misc]


class Site:
    """A desk and a gateway on it."""

    def __init__(self, desk: Desk, gateway: Gateway, time: Hands) -> None:
        self.desk = desk
        self.gateway = gateway
        self.time = time

    async def by_and_by(self, condition: Callable[[], T], what: str, *, step_ms: int = SECOND // 2) -> T:
        """Let time pass in small steps until the condition holds, as a gateway that is not suspended meets it."""
        for _ in range(1000):
            if value := condition():
                return value
            await self.passes(step_ms)
        raise AssertionError(f"still waiting for {what} at {self.time()}")

    async def passes(self, ms: int, *, step_ms: int = SECOND // 2) -> None:
        """Let so much time pass, in steps that the upkeep meets one by one."""
        await let_pass(self.gateway._engine, self.desk, self.time, ms, step_ms=step_ms)

    async def running(self, runner: Gates, *keys: str) -> None:
        """Wait until lanes are being run."""
        await until(lambda: set(keys) <= runner.running.keys(), f"runs of {keys}")


@asynccontextmanager
async def gateway_on(
    folder: Path,
    runner: Runner,
    time: Hands,
    *,
    queue: dict[str, Any] | None = None,
    policy: list[dict[str, Any]] | None = None,
    options: dict[str, Any] | None = None,
    **clocks: str,
) -> AsyncIterator[Site]:
    """A gateway on ``lanes.db`` in a folder; ``clocks``, ``queue`` and ``policy`` are settings of its file."""
    config = from_data({"clocks": clocks, "queue": queue or REQUEUE, "policy": policy or []})
    async with connect(str(lay(folder / "lanes.db")), clock=time) as desk:
        gateway = Gateway(desk, runner, config=config, **(options or {}))
        await gateway.start()
        try:
            await until(lambda: gateway.ready, "the first reconcile pass")
            yield Site(desk, gateway, time)
        finally:
            if isinstance(runner, Gates):
                runner.open()
            await gateway.stop()
