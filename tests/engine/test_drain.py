"""A gateway obeys the drain of its own row, whichever process committed it."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from lanes import Unfit, connect
from lanes.engine.runs.drains import DrainWatch
from lanes.engine.runs.liveset import LiveSet
from lanes.records import Drain
from lanes.testing import HOUR, MINUTE, SECOND, START, Hands
from lanes_storage import doors
from lanes_storage.errors import DatabaseFull
from lanes_storage.law import LaneState, MessageState
from tests.kit.gateways import Gates, Site, gateway_on
from tests.kit.until import until

KEY = "agent:main:telegram:42"


async def looked(site: Site) -> None:
    """Wait until the dispatcher has looked at what there is: it would have claimed by now."""
    dispatcher = site.gateway._engine._dispatcher
    assert dispatcher is not None
    for _ in range(2):  # the look that is under way may have begun before
        now = site.time.move(1)
        await until(lambda now=now: dispatcher.ticked_at >= now.mono, "a look of the dispatcher")  # type: ignore[misc]


async def test_F48_a_drain_by_another_process_closes_the_gateway_until_its_row_ends(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site, connect(str(tmp_path / "lanes.db"), clock=time) as other:
        end = time().wall + MINUTE
        await other.drain(by="alice", until=end)
        assert await until(lambda: site.gateway.draining, "the drain") == ("alice", end)
        assert not site.gateway.ready
        assert site.gateway.healthy()
        message = await site.desk.send(KEY, "hello")
        await looked(site)
        assert (await site.desk.message(message.id)).state is MessageState.QUEUED
        (gateway,) = (await other.status()).gateways
        assert gateway.draining == ("alice", end)
    async with connect(str(tmp_path / "lanes.db")) as after:
        assert (await after.status()).gateways == ()


async def test_F112_a_drain_that_the_database_refuses_is_entered_as_soon_as_it_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        store = site.desk.store
        write, refusals = store.write, 2

        async def refusing(step: Any) -> Any:
            nonlocal refusals
            if refusals > 0:
                refusals -= 1
                raise DatabaseFull("lanes.db")
            return await write(step)

        monkeypatch.setattr(store, "write", refusing)
        draining = asyncio.create_task(site.gateway.drain(by="signal"))

        async def entered() -> bool:
            (gateway,) = (await site.desk.status()).gateways
            return gateway.draining is not None and gateway.draining.by == "signal"

        await until(entered, "the drain in the row, while it goes on")
        assert not draining.done()
        runner.open()
        await draining


@pytest.mark.parametrize("how", [{"by": b"x"}, {"by": "x", "timeout_s": math.nan}, {"by": "x", "timeout_s": -1}])
async def test_F101_a_drain_is_checked_where_it_is_asked_for(tmp_path: Path, how: dict[str, Any]) -> None:
    async with gateway_on(tmp_path, Gates(), Hands()) as site:
        with pytest.raises(Unfit):
            await site.gateway.drain(**how)
        assert site.gateway.draining is None


async def test_what_runs_may_finish_in_a_drain(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        (owner,) = await site.desk.drain(by="alice")
        await until(lambda: site.gateway.draining, "the drain")
        runner.open()
        assert (await site.desk.wait(message.id)).state is MessageState.DONE
        (drained,) = await site.desk.drain_wait([owner.id])
        assert (drained.held, drained.alive) == (0, True)


async def test_F46_a_drain_whose_time_is_over_cuts_what_runs_and_charges_nothing(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.desk.drain(by="alice", until=time().wall + 10 * SECOND)
        await until(lambda: site.gateway.draining, "the drain")
        assert site.gateway.held == 1
        time.move(10 * SECOND)
        await until(lambda: site.gateway.held == 0, "the cut")
        lane, cut = await site.desk.lane(KEY), await site.desk.message(message.id)
        assert lane.state is LaneState.ERRORED
        assert lane.last_error is not None
        assert (lane.last_error.cause, lane.last_error.message) == ("drained", "its gateway was drained by alice")
        assert (cut.state, cut.interruptions, cut.position) == (MessageState.QUEUED, 0, 1)


async def test_F50_a_run_that_does_not_stop_is_excluded_after_its_grace_and_refused(tmp_path: Path) -> None:
    runner, time = Gates(stubborn=True), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.desk.drain(by="alice", until=time().wall)
        await until(lambda: site.gateway.draining, "the drain")
        await site.by_and_by(lambda: site.gateway.held == 0, "the forced release")
        assert KEY in runner.running  # it still hangs, and nobody waits for it
        cut = await site.desk.message(message.id)
        assert (cut.state, cut.interruptions) == (MessageState.QUEUED, 0)
        (released,) = [event for event in await site.desk.events(key=KEY) if event.type == "reclaim"]
        assert released.detail is not None
        assert (released.cause, released.detail["forced"]) == ("drained", True)
        runner.open()
        await until(lambda: KEY not in runner.running, "the ghost to end")

        async def refused() -> int:
            return sum(event.type == "refused_write" for event in await site.desk.events(key=KEY))

        await until(refused, "its late write to be refused")
    async with connect(str(tmp_path / "lanes.db")) as after:
        assert [event.type for event in await after.events(key=KEY)].count("refused_write") == 1
        assert (await after.message(message.id)).reply is None


async def test_F50_limits_still_end_a_hanging_run_while_its_gateway_drains(tmp_path: Path) -> None:
    runner, time = Gates(stubborn=True), Hands()
    async with gateway_on(tmp_path, runner, time, run_timeout="5s", stall_timeout="5s", abort_grace="1s") as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.desk.drain(by="alice", until=time().wall + HOUR)
        await until(lambda: site.gateway.draining, "the drain")
        await site.by_and_by(lambda: site.gateway.held == 0, "the limit")
        ended = await site.desk.message(message.id)
        assert ended.state is MessageState.FAILED
        assert ended.error is not None
        assert ended.error.cause in ("run_timeout", "stall_timeout")


async def test_an_owner_that_registers_anew_is_drained_no_longer(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        (drained,) = await site.desk.drain(by="alice", until=time().wall + HOUR)
        await until(lambda: site.gateway.draining, "the drain")
        await site.desk.store.write(
            lambda tx: doors.end_owner(tx, drained.id, time(), cause="owner_silent", by="owner:9")
        )
        await site.by_and_by(lambda: site.gateway.owner_id != drained.id, "another row", step_ms=5 * SECOND)
        await until(lambda: site.gateway.ready, "the gateway to take messages again")
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)


def test_the_end_of_a_drain_is_measured_on_the_own_clock_from_its_first_sight() -> None:
    told: list[Drain | None] = []
    watch, time = DrainWatch(LiveSet(), told.append), Hands()
    far = START.wall - 3 * HOUR  # the clock of who ordered it is three hours behind
    watch.look(("alice", far, far + MINUTE), time())
    watch.look(("alice", far, far + MINUTE), time.move(SECOND))
    assert told == [Drain("alice", far + MINUTE)]
    assert not watch.over(time())
    time.jump_wall(HOUR)
    assert not watch.over(time())
    assert watch.over(time.move(MINUTE))
    watch.look(None, time())
    assert told[-1] is None
    assert not watch.over(time())
