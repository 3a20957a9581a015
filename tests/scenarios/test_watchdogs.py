"""Watchdogs that leave healthy work alone, and that nothing talks out of their limit."""

from pathlib import Path

import lanes
from lanes.testing import SECOND, Hands
from lanes_storage.law import Cause, LaneState
from tests.kit.gateways import Gates, gateway_on

STALL = "30s"


async def test_F17_every_tool_call_is_a_sign_of_life(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="10m", stall_timeout=STALL) as site:
        await site.desk.send("a", "many tools")
        await site.running(runner, "a")
        run = runner.running["a"]
        for number in range(4):
            await site.passes(25 * SECOND, step_ms=SECOND)
            run.progress(f"tool:{number}:started")
        assert (await site.desk.lane("a")).state is LaneState.RUNNING, "100 s with a stall limit of 30 s"
        await site.by_and_by(lambda: site.gateway.held == 0, "the stall to be noticed", step_ms=SECOND)
        assert (await site.desk.messages("a"))[0].error.cause is Cause.STALL_TIMEOUT  # type: ignore[union-attr]


async def test_F18_a_run_that_said_it_is_busy_is_stalled_only_after_that(tmp_path: Path) -> None:
    runner = Gates()
    time = Hands()
    async with gateway_on(tmp_path, runner, time, run_timeout="10m", stall_timeout=STALL) as site:
        await site.desk.send("a", "a long build")
        await site.running(runner, "a")
        runner.running["a"].busy(90, "compiling")
        await site.passes(89 * SECOND, step_ms=SECOND)
        assert (await site.desk.lane("a")).state is LaneState.RUNNING
        before = time().mono
        await site.by_and_by(lambda: not runner.running, "the stall to be noticed", step_ms=SECOND)
        assert time().mono - before >= 30 * SECOND, "its silence counts from the end of what it said"


async def test_F13_no_declaration_outlives_the_hard_limit(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", stall_timeout=STALL) as site:
        await site.desk.send("a", "busy for ever")
        await site.running(runner, "a")
        runner.running["a"].busy(1_000_000, "please leave me alone")
        await site.by_and_by(lambda: site.gateway.held == 0, "the run to be stopped", step_ms=SECOND)
        assert (await site.desk.messages("a"))[0].error.cause is Cause.RUN_TIMEOUT  # type: ignore[union-attr]


async def test_F19_a_gateway_that_was_late_grants_a_full_interval(tmp_path: Path) -> None:
    runner = Gates()
    time = Hands()
    async with gateway_on(tmp_path, runner, time, run_timeout="10m", stall_timeout=STALL) as site:
        await site.desk.send("a", "healthy")
        await site.running(runner, "a")
        await site.passes(120 * SECOND, step_ms=120 * SECOND)  # in one leap: it did not look for two minutes
        assert (await site.desk.lane("a")).state is LaneState.RUNNING
        await site.passes(25 * SECOND, step_ms=SECOND)
        assert (await site.desk.lane("a")).state is LaneState.RUNNING, "what it did not see does not count"


async def test_F20_only_the_explicit_end_is_terminal(tmp_path: Path) -> None:
    async def runner(run: lanes.RunContext) -> str:
        run.progress("tool:completed")
        run.emit("a piece that looks like an end")
        run.progress("step:done")
        held = await site.desk.lane("a")
        assert held.state is LaneState.RUNNING
        return "the end"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        assert (await site.desk.ask("a", "go")).reply == "the end"


async def test_F34_F35_waiting_for_a_slot_is_neither_a_stall_nor_time_of_the_run(tmp_path: Path) -> None:
    runner = Gates()
    time = Hands()
    policy = [{"match": "holder*", "run_timeout": "off", "stall_timeout": "off"}]
    async with gateway_on(tmp_path, runner, time, policy=policy, run_timeout="60s", stall_timeout=STALL) as site:
        holders = [f"holder:{n}" for n in range(16)]  # every slot of an embedded runner
        for key in holders:
            await site.desk.send(key, "holds a slot")
        await site.running(runner, *holders)
        waiting = await site.desk.send("waiter", "waits for a slot")
        await site.passes(600 * SECOND, step_ms=60 * SECOND)
        assert (await site.desk.message(waiting.id)).state == "queued"
        await site.desk.abort(holders[0], actor="test")
        await site.running(runner, "waiter")
        await site.passes(20 * SECOND, step_ms=SECOND)
        lane = await site.desk.lane("waiter")
        assert lane.state is LaneState.RUNNING, "its limits count from its claim"
        assert lane.held_ms is not None
        assert lane.held_ms <= 30 * SECOND
