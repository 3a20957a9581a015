"""When a gateway warns: about what is held, at growing intervals, and about what waits, once."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes import connect
from lanes.engine.upkeep.alarms import WaitAlarms
from lanes.records import Event
from lanes.testing import HOUR, MINUTE, SECOND, Hands
from lanes_storage import Store, doors
from lanes_storage.law import EventType
from lanes_storage.records import Admission, NewMessage, RetryTerms
from tests.kit.databases import new_store
from tests.kit.gateways import Gates, Site, gateway_on
from tests.kit.until import until
from tests.kit.world import World


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = new_store(tmp_path / "lanes.db")
    yield made
    made.close()


KEY = "agent:main:telegram:42"


async def said(site: Site, kind: EventType, key: str = KEY) -> list[Event]:
    return [event for event in await site.desk.events(key=key) if event.type == kind]


def held_ms(events: list[Event]) -> list[int]:
    return [int((event.detail or {})["held_ms"]) for event in events]


async def test_F05_one_warning_then_growing_intervals_then_exactly_one_expiry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, warn_held_after="2s", run_timeout="60s", stall_timeout="60s") as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        runner.running[KEY].progress("tool:returned")
        await site.passes(1500)
        assert await said(site, EventType.HELD_LONG) == []
        await site.passes(SECOND)
        (first,) = await said(site, EventType.HELD_LONG)
        assert first.detail is not None
        assert first.detail["progress"] == "tool:returned"
        await site.by_and_by(lambda: site.gateway.held == 0, "the limit")
        ended = await site.desk.message(message.id)
        times = held_ms(await said(site, EventType.HELD_LONG))
        assert len(times) == 5
        for count, at in enumerate(times):
            assert 2000 * 2**count <= at < 2000 * 2**count + 2000
        assert ended.error is not None
        assert ended.error.cause == "run_timeout"
        assert len(await said(site, EventType.EXPIRE)) == 1
        assert len(await said(site, EventType.NOTICE)) == 1
    lines = [record.message for record in caplog.records if record.name == "lanes.alarms"]
    assert len(lines) == 5
    assert all(KEY in line and "tool:returned" in line and "run_timeout ends it in" in line for line in lines)


async def test_F21_each_lane_is_warned_about_by_the_threshold_of_its_own_policy(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    policy = [{"match": "patient:*", "warn_held_after": "30s"}]
    async with gateway_on(tmp_path, runner, time, policy=policy, warn_held_after="3s") as site:
        await site.desk.send(KEY, "hello")
        await site.desk.send("patient:1", "hello")
        await site.running(runner, KEY, "patient:1")
        await site.passes(5 * SECOND)
        assert len(await said(site, EventType.HELD_LONG)) == 1
        assert await said(site, EventType.HELD_LONG, "patient:1") == []
        await site.passes(27 * SECOND)
        assert len(await said(site, EventType.HELD_LONG, "patient:1")) == 1


async def test_what_is_released_in_time_is_never_warned_about(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, warn_held_after="3s") as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.passes(2 * SECOND)
        runner.open()
        await site.desk.wait(message.id)
        await site.passes(5 * SECOND)
        assert await said(site, EventType.HELD_LONG) == []


async def test_a_head_that_waits_is_warned_about_once_naming_holder_and_age(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner, time = Gates(), Hands()
    async with (
        gateway_on(tmp_path, runner, time, warn_wait_after="4s", warn_held_after="1h", run_timeout="2h") as site,
        gateway_on(tmp_path, runner, time, warn_wait_after="4s", warn_held_after="1h", run_timeout="2h") as second,
    ):
        await site.desk.send(KEY, "runs")
        await site.running(runner, KEY)
        waiting = await site.desk.send(KEY, "waits")
        await site.passes(3 * SECOND)
        assert await said(site, EventType.WAIT_EXCEEDED) == []
        time.jump_wall(3600 * SECOND)
        await site.passes(30 * SECOND)
        await second.passes(2 * SECOND)
        (event,) = await said(site, EventType.WAIT_EXCEEDED)
        assert event.message_id == waiting.id
        assert event.detail is not None
        assert event.detail["waited_ms"] >= 4 * SECOND
        assert f"held by run {runner.running[KEY].id}" in event.detail["holder"]
        assert f"owner {event.detail['owner']} (pid" in event.detail["holder"]
        assert "h " not in event.detail["holder"], "since when it is held, no clock that was set decides"
        assert event.detail["owner"] in (site.gateway.owner_id, second.gateway.owner_id)
    lines = [r.message for r in caplog.records if "lane wait exceeded" in r.message and r.levelno == logging.WARNING]
    assert len(lines) == 1
    assert KEY in lines[0]


async def test_what_holds_up_a_head_is_named_although_nobody_holds_its_lane(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with connect(str(tmp_path / "lanes.db"), clock=time) as desk:
        await desk.send("paused", "hello")
        await desk.pause("paused", actor="alice", reason="looking into it")
        await desk.send("unclaimed", "hello", runner="elsewhere")
    async with gateway_on(tmp_path, runner, time, warn_wait_after="2s") as site:
        await site.passes(4 * SECOND)
        holders = {}
        for key in ("paused", "unclaimed"):
            (event,) = await said(site, EventType.WAIT_EXCEEDED, key)
            holders[key] = (event.detail or {})["holder"]
        assert holders["paused"].startswith("paused by 'alice' ('looking into it')")
        assert holders["unclaimed"].startswith("held by nobody")


def test_F720_what_holds_up_the_head_of_a_child_lane_is_not_the_run_of_another_one(store: Store) -> None:
    world = World(store, Hands())
    request = NewMessage("a", request='{"messages": []}', actor="sender")
    for _ in range(3):
        world.step(lambda tx: doors.enter_beside(tx, request, Admission(20, concurrency=2), world.time()))
    first, second = (world.claim(f"a\x1f{number}").ticket for number in (1, 2))
    world.park(second, 5 * MINUTE)
    world.time.move(2 * MINUTE)
    assert WaitAlarms(store, store.write, lambda _: MINUTE).run_once(world.time(), by="owner:1") == 2
    told = {
        event.message_id: (event.detail or {})["holder"] for event in world.events() if event.type == "wait_exceeded"
    }
    assert told[2].startswith("parked for another 3m 0s")
    assert told[3].startswith(f"held by run {first.run_id} of owner")


def test_a_head_that_waits_for_its_retry_is_not_told_to_wait_for_a_provider(store: Store) -> None:
    world = World(store, Hands())
    world.fail(world.start("a").ticket, retry=RetryTerms(3, 5 * MINUTE, frozenset({"provider_failed"}), HOUR, True))
    world.time.move(2 * MINUTE)
    assert WaitAlarms(store, store.write, lambda _: MINUTE).run_once(world.time(), by="owner:1") == 1
    (event,) = world.events(type=EventType.WAIT_EXCEEDED)
    assert (event.detail or {})["holder"].endswith("then it is run once more (retry 1)")


def test_a_long_row_of_waiting_lanes_is_walked_in_pieces_and_started_anew(store: Store) -> None:
    time = Hands()
    world = World(store, time)
    for number in range(13):
        world.send(f"lane:{number}")
    alarms = WaitAlarms(store, store.write, lambda key: HOUR if key == "lane:1" else MINUTE, per_look=10)

    def look() -> int:
        return alarms.run_once(time(), by="owner:1")

    assert look() == 0
    time.move(MINUTE)
    # the first look went on behind the heads that were too young then
    assert [look() for _ in range(4)] == [3, 9, 0, 0]
    time.move(HOUR)
    assert sum(look() for _ in range(3)) == 1


async def test_a_gateway_that_was_suspended_warns_once_not_for_every_interval_that_it_missed(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, warn_held_after="2s", run_timeout="2h", stall_timeout="2h") as site:
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        time.move(10 * MINUTE)
        await until(lambda: site.gateway.healthy(), "the upkeep to wake")
        await site.passes(5 * SECOND)
        assert len(await said(site, EventType.HELD_LONG)) == 1
