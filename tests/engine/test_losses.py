"""A run whose lane others took away is stopped soon, not only at the next heartbeat."""

import asyncio
from pathlib import Path

from lanes import RunContext, connect
from lanes.abort import Outcome
from lanes.engine.losses import LOOK_EVERY_MS
from lanes.testing import MINUTE, START, Hands
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until

KEY = "agent:main:telegram:42"


async def test_a_lane_that_was_taken_by_force_stops_its_run_between_two_heartbeats(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with (
        gateway_on(tmp_path, runner, time, heartbeat_interval="10m", stale_after="1h") as site,
        connect(str(tmp_path / "lanes.db"), clock=time) as other,
    ):
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        outcome = await other.abort(KEY, actor="alice", force=True)
        assert outcome.outcome in (Outcome.FORCED, Outcome.RELEASED)
        await site.by_and_by(lambda: KEY not in runner.running, "the run to be stopped", step_ms=LOOK_EVERY_MS)
        await until(lambda: site.gateway.held == 0, "the gateway to let go")
        assert time().mono - START.mono < 10 * MINUTE, "no heartbeat came"


async def test_runs_that_come_and_go_under_the_looks_all_end_well(tmp_path: Path) -> None:
    async def answer(_: RunContext) -> str:
        await asyncio.sleep(0)
        return "done"

    time = Hands()
    async with gateway_on(tmp_path, answer, time, heartbeat_interval="10m", stale_after="1h") as site:
        for number in range(60):
            await site.desk.send(f"lane:{number % 7}", "hello", cap=100)
            time.move(LOOK_EVERY_MS)
        messages = [message for number in range(7) for message in await site.desk.messages(f"lane:{number}")]
        assert {(await site.desk.wait(message.id)).state for message in messages} == {"done"}
        await until(lambda: site.gateway.held == 0, "all of them to end")
