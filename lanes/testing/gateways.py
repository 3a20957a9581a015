"""A gateway for tests: its time moves only when a test says so, and it can end as if its process had died.

    async with lanes.testing.gateway(runner) as gateway:
        message = await gateway.desk.send("agent:main:test", "hello")
        await gateway.advance("6m")
        assert (await gateway.desk.wait(message.id)).state == "failed"

Here the runner hangs, and after six minutes its run has stalled.
"""

import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from lanes.base import arguments, durations
from lanes.base.errors import Unfit
from lanes.config import Config, from_data
from lanes.desk import Desk, connect
from lanes.engine.runs.hooks import Hooks
from lanes.gateway import Gateway
from lanes.host.identity import identity_of
from lanes.runners.base import Runner, RunnerSpec
from lanes.runners.build import build_specs
from lanes.runners.command.memory import AgentMemory
from lanes.testing.moments import Hands
from lanes.testing.passing import let_pass
from lanes_storage.clock import Now, system_clock


class TimedGateway(Gateway):
    """A gateway whose time a test moves. Made by ``lanes.testing.gateway``."""

    def __init__(self, desk: Desk, runner: Runner | None = None, **how: Any) -> None:
        super().__init__(desk, runner, **how)
        # The owner's row names this process instead of the test's, so that it can die alone. It also ends with the test
        # process.
        self._stand_in = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        died = identity_of(self._stand_in.pid)
        engine = self._engine
        engine._new_owner = engine._new_owner._replace(pid=died.pid, start_time=died.start_time)

    async def advance(self, span: str | timedelta | float) -> Now:
        """Let time pass for this gateway: ``"6m"``, a timedelta, or seconds; see ``lanes.testing.advance``."""
        return await advance(span, self)

    async def crash(self) -> None:
        """End like a process after ``kill -9``: nothing more is released or written, and its owner is provably gone.

        Its runners, which live in the process of the test, are cancelled. The desk stays open for checks and for the
        next gateway: ``lanes.testing.gateway(runner, desk=gateway.desk)``.
        """
        await self._engine.abandon()
        self._bury()

    async def _stop(self) -> None:
        try:
            await super()._stop()
        finally:
            self._bury()

    def _bury(self) -> None:
        self._stand_in.kill()
        self._stand_in.communicate()


@asynccontextmanager
async def gateway(
    runner: Runner | None = None,
    *,
    config: Config | Mapping[str, Any] | None = None,
    specs: Mapping[str, RunnerSpec] | None = None,
    max_runs: int | None = None,
    hooks: Hooks | None = None,
    path: str | Path | None = None,
    desk: Desk | None = None,
) -> AsyncIterator[TimedGateway]:
    """A started gateway, which is stopped at the end of the block without waiting for its runs.

    The parameters are those of ``lanes.Gateway``; ``config`` may also be a mapping in the form of the file, whose
    runners are used where none is passed in. The database is a new one, the one at ``path``, or that of a ``desk``
    whose clock is a ``Hands``.
    """
    if not isinstance(config, Config):
        config = from_data(config or {}) if config or desk is None else None
    async with AsyncExitStack() as ending:
        if desk is None:
            place = path or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="lanes-")), "lanes.db")
            desk = await ending.enter_async_context(connect(place, config=config, clock=Hands(system_clock())))
        _hands_of(desk)
        if runner is None and specs is None and config is not None:
            specs = await ending.enter_async_context(
                aclosing(build_specs(config, desk.store, desk.clock, AgentMemory(desk.store)))
            )
        timed = TimedGateway(desk, runner, config=config, specs=specs, max_runs=max_runs, hooks=hooks)
        ending.push_async_callback(timed.stop)
        await timed.start()
        await timed.advance(0)  # so that it is ready
        yield timed


async def advance(span: str | timedelta | float, *gateways: Gateway) -> Now:
    """Let time pass for gateways on one clock, which is a ``Hands``: ``"6m"``, a timedelta, or seconds.

    It passes in steps of less than two seconds, with a round of every loop of the gateways after each, so that limits,
    heartbeats, parked messages and warnings come due in order. Claimable messages are claimed before the first step. A
    run that is told to stop has a real second to do so. The time of the event loop (``asyncio.sleep``, the limits of a
    request to a provider, ``timeout=``) is not moved. A quarter of an hour takes about two seconds; where nothing runs,
    ``Hands.move`` takes a single step. Raises Unfit.
    """
    ms = _span_ms(span)
    clocks = {id(gateway.desk.clock): _hands_of(gateway.desk) for gateway in gateways}
    if len(clocks) != 1:
        raise Unfit("time passes for gateways of one clock")
    (clock,) = clocks.values()
    for gateway in gateways:
        await gateway.desk.check_loop()
    holds = {gateway.desk._holds for gateway in gateways} - {None}
    await let_pass([each._engine for each in (*gateways, *holds) if each is not None], clock, ms)
    return clock()


def _hands_of(desk: Desk) -> Hands:
    if not isinstance(desk.clock, Hands):
        raise Unfit("time is moved on a desk that was opened with a clock of lanes.testing: connect(…, clock=Hands())")
    return desk.clock


def _span_ms(span: str | timedelta | float) -> int:
    if isinstance(span, str):
        try:
            return durations.parse(span)
        except ValueError as error:
            raise Unfit(str(error)) from error
    return arguments.span_ms(span.total_seconds() if isinstance(span, timedelta) else span, "span")
