"""What a gateway says of its own health: a long commit is no dead loop, and a dead loop is found."""

import asyncio
import threading
from pathlib import Path

from lanes.engine.background.loop import LONGEST_COMMIT_MS, UNHEALTHY_MS, Pulse
from lanes.testing import SECOND, Hands
from tests.kit.commits import long_commit
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until

KEY = "agent:main:telegram:42"


async def test_F111_a_gateway_behind_one_long_commit_is_healthy(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        upkeep = site.gateway._engine._upkeep
        assert upkeep is not None
        async with long_commit(site.desk.store):
            waiting = asyncio.create_task(site.desk.send(KEY, "hello"))
            time.move(5 * SECOND)  # a heartbeat is due, and waits for its turn
            await until(lambda: upkeep.pulse.waits, "the heartbeat to wait")
            for _ in range(6):
                time.move(SECOND)
                await until(lambda: site.gateway._engine._pulse.beats, "the event loop to come round")
                assert site.gateway.healthy()
        await waiting


async def test_F111_an_upkeep_that_is_stuck_is_found(tmp_path: Path) -> None:
    time, stuck, go = Hands(), threading.Event(), threading.Event()
    async with gateway_on(tmp_path, Gates(), time) as site:
        upkeep = site.gateway._engine._upkeep
        assert upkeep is not None

        def hang() -> None:
            stuck.set()
            go.wait()

        upkeep._changed = hang
        await site.desk.send(KEY, "hello")
        await until(stuck.is_set, "the upkeep to hang")
        assert site.gateway.healthy()
        time.move(UNHEALTHY_MS)
        await until(lambda: site.gateway._engine._pulse.beats, "the event loop to come round")
        assert not site.gateway.healthy()
        go.set()


async def test_F111_an_event_loop_that_is_blocked_is_found_from_a_thread(tmp_path: Path) -> None:
    time = Hands()
    async with gateway_on(tmp_path, Gates(), time) as site:
        assert site.gateway.healthy()
        time.move(UNHEALTHY_MS)  # no await in here: the event loop stands still
        asked: list[bool] = []
        thread = threading.Thread(target=lambda: asked.append(site.gateway.healthy()))
        thread.start()
        thread.join()
        assert asked == [False]
        await until(site.gateway.healthy, "the loops to come round")


async def test_F111_a_dispatcher_that_died_is_found(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Gates(), Hands()) as site:
        dispatching = site.gateway._engine._dispatching
        assert dispatching is not None
        dispatching.cancel()
        await until(dispatching.done, "its end")
        assert not site.gateway.healthy()


def test_F111_a_commit_without_an_end_is_not_waited_for_without_an_end() -> None:
    time = Hands()
    pulse = Pulse(time)
    beats = []
    with pulse.waiting():
        for ms in (LONGEST_COMMIT_MS - 1, 1):
            time.move(ms)
            beats.append(pulse.beats)
    beats.append(pulse.beats)
    time.move(UNHEALTHY_MS)
    assert [*beats, pulse.beats] == [True, False, True, False]
