"""``lanes.testing.gateway``: what a developer tests of a bot without waiting for it."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

import lanes
from lanes.simulate.server import serve
from lanes.testing import Hands, TimedGateway, advance, gateway
from lanes_storage.clock import system_clock
from lanes_storage.law import Cause, LaneState, MessageState
from tests.kit.gateways import Gates
from tests.kit.until import until

NO_STALL = {"clocks": {"stall_timeout": "off"}}


async def hangs(run: lanes.RunContext) -> str:
    await asyncio.Event().wait()
    return run.text


async def cause_of(timed: TimedGateway, message_id: int) -> str | None:
    error = (await timed.desk.wait(message_id)).error
    return None if error is None else error.cause


async def test_a_timeout_is_one_line() -> None:
    async with gateway(hangs, config=NO_STALL) as timed:
        message = await timed.desk.send("a", "hello")
        await timed.advance("6m")
        assert await cause_of(timed, message.id) == Cause.RUN_TIMEOUT


async def test_a_stall_comes_when_it_is_due_and_what_waits_runs_then() -> None:
    async with gateway(hangs) as timed:
        first, second = [await timed.desk.send("a", text) for text in ("one", "two")]
        await timed.advance(timedelta(seconds=119))
        assert (await timed.desk.message(first.id)).state is MessageState.RUNNING
        await timed.advance(1)
        assert await cause_of(timed, first.id) == Cause.STALL_TIMEOUT
        assert (await timed.desk.message(second.id)).state is MessageState.RUNNING


async def test_a_run_that_shows_progress_is_not_stalled() -> None:
    runs: list[lanes.RunContext] = []

    async def runner(run: lanes.RunContext) -> str:
        runs.append(run)
        return await hangs(run)

    async with gateway(runner) as timed:
        message = await timed.desk.send("a", "hello")
        await timed.advance("1m")
        for _ in range(3):
            runs[0].progress("tool:running")
            await timed.advance("1m")
        assert (await timed.desk.message(message.id)).state is MessageState.RUNNING


async def test_a_runner_that_does_not_stop_loses_its_lane_after_the_grace() -> None:
    runner = Gates(stubborn=True)
    async with gateway(runner) as timed:
        message = await timed.desk.send("a", "hello")
        await timed.advance("121s")
        assert (await timed.desk.lane("a")).state is LaneState.RUNNING
        await timed.advance("10s")
        assert (await timed.desk.lane("a")).state is LaneState.ERRORED
        assert timed.strays == 1
        assert await cause_of(timed, message.id) == Cause.STALL_TIMEOUT
        runner.open()


async def test_a_parked_message_runs_when_its_time_has_come() -> None:
    tries: list[int] = []

    async def runner(run: lanes.RunContext) -> str:
        tries.append(run.id)
        if len(tries) == 1:
            raise lanes.RunParked(300, "the provider cools")
        return run.text

    async with gateway(runner) as timed:
        message = await timed.desk.send("a", "hello")
        await timed.advance("299s")
        assert len(tries) == 1
        await timed.advance("2s")
        assert (await timed.desk.wait(message.id)).reply == "hello"


async def test_a_hold_runs_out_of_time() -> None:
    async with gateway(hangs) as timed:
        held = asyncio.Event()

        async def holds() -> None:
            async with timed.desk.hold("a", stall_timeout=300):
                held.set()
                await asyncio.Event().wait()

        holding = asyncio.create_task(holds())
        await held.wait()
        await timed.advance("5m")
        with pytest.raises(lanes.HoldEnded) as ended:
            await holding
        assert ended.value.cause in (Cause.STALL_TIMEOUT, Cause.RUN_TIMEOUT)


@pytest.mark.parametrize(("policy", "state"), [("fail", MessageState.FAILED), ("requeue", MessageState.RUNNING)])
async def test_the_death_of_the_process_is_found_by_the_next_gateway(policy: str, state: MessageState) -> None:
    config = {"queue": {"on_interrupt": policy}}
    async with gateway(hangs, config=config) as timed:
        message = await timed.desk.send("a", "hello")
        await timed.advance(0)
        await timed.crash()
        assert (await timed.desk.lane("a")).state is LaneState.RUNNING, "nobody released it"
        async with gateway(hangs, desk=timed.desk) as again:
            await again.advance(0)
            cut = await again.desk.message(message.id)
            assert (cut.state, cut.interruptions) == (state, 1)
            (released,) = await again.desk.events(key="a", type="reclaim")
            assert released.cause == Cause.OWNER_GONE
        await timed.stop()


async def test_a_gateway_of_a_program_lives_through_the_same_time(tmp_path: Path) -> None:
    clock = Hands(system_clock())
    async with lanes.connect(str(tmp_path / "bot.db"), clock=clock) as desk, lanes.Gateway(desk, hangs) as own:
        message = await desk.send("a", "hello")
        await until(lambda: own.held, "the run")
        await advance("2m", own)
        assert (await desk.wait(message.id)).state is MessageState.FAILED


async def test_runners_of_a_configuration_are_used(tmp_path: Path) -> None:
    async with serve() as url, AsyncExitStack() as stack:
        config = {
            "runner": [{"name": "chat", "kind": "provider", "providers": ["failing"]}],
            "provider": [{"name": "failing", "base_url": url, "model": "sim-500"}],
        }
        timed = await stack.enter_async_context(gateway(config=config, path=tmp_path / "bot.db"))
        message = await timed.desk.send("a", "hello")
        assert await cause_of(timed, message.id) == Cause.PROVIDER_FAILED


async def test_what_can_not_be_moved_is_refused(tmp_path: Path) -> None:
    async with lanes.connect(str(tmp_path / "bot.db")) as desk, lanes.Gateway(desk, hangs) as own:
        with pytest.raises(lanes.Unfit, match="Hands"):
            await advance("1m", own)
        with pytest.raises(lanes.Unfit, match="Hands"):
            async with gateway(hangs, desk=desk):
                pass
    async with gateway(hangs) as timed:
        for span in ("6 minutes", -1, "1"):
            with pytest.raises(lanes.Unfit):
                await timed.advance(span)
        with pytest.raises(lanes.Unfit):
            await advance("1m")
