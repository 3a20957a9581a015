"""Lists of lanes: every order page by page, every place, every condition of a filter."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from lanes import filters
from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage import doors, open_store, reads
from lanes_storage.law import LaneState
from lanes_storage.records import LaneFilter, LaneOrder, LaneRow, LaneSort, RunUsage, SortPlace
from tests.kit.world import World
from tests.storage.conftest import Engine

ORDERS = [LaneOrder(by, reverse) for by in LaneSort for reverse in (False, True)]


def filled(world: World) -> World:
    """Lanes in every state, some with the same values, of two owners."""
    other = world.owner(host="elsewhere", pid=17)
    for number in range(60):
        key, owner = f"lane:{(number * 37) % 60:02}:{'飞书' if number % 3 else 'Slack'}", (world.me, other)[number % 2]
        world.time.move(SECOND)
        claimed = world.start(key, owner=owner)
        if number % 5 == 0:
            world.fail(claimed.ticket)
        elif number % 5 == 1:
            world.complete(claimed.ticket)
            used = RunUsage(100, 20, number * 7 % 50 if number % 2 else None)
            lane, run = claimed.message.lane_id, claimed.ticket.run_id
            world.step(lambda tx, lane=lane, run=run, used=used: doors.note_usage(tx, lane, run, used))  # type: ignore[misc]
        elif number % 5 == 2:
            world.request_abort(key)
            world.abort(claimed.ticket)
        elif number % 15 == 3:
            world.reclaim(claimed.ticket)  # its message goes back, interrupted
        for _ in range(number % 4 if number % 7 < 2 else 0):
            world.send(key)
    world.time.move(MINUTE)
    world.beat(owner=other)
    for key in world.keys()[::9]:
        now = world.time()
        world.step(lambda tx, key=key, now=now: doors.pause(tx, key, now, actor="a", reason="r"))  # type: ignore[misc]
    world.accept("asked:once", anonymous=True)
    world.complete(world.claim("asked:once").ticket)
    return world


@pytest.fixture
def crowd(world: World) -> World:
    """Such lanes, to be changed."""
    return filled(world)


@pytest.fixture(scope="module")
def seen(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Such lanes, which are only looked at."""
    folder = tmp_path_factory.mktemp("crowd")
    engine.lay(folder)
    store = open_store(engine.url(folder), synchronous="normal")
    yield filled(World(store, Hands()))
    store.close()


def page(world: World, order: LaneOrder, limit: int | None = None, offset: int = 0) -> list[LaneRow]:
    """A part of all lanes."""
    return world.store.read(reads.lanes(LaneFilter(), order=order, limit=limit, offset=offset))


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("far", [0, 2_000])
def test_pages_are_parts_of_the_whole_and_every_lane_knows_its_place(
    seen: World, order: LaneOrder, far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("lanes_storage.reads.of_lanes"), "FAR", far)
    whole = page(seen, order)
    assert len({lane.id for lane in whole}) == 60
    pages = [lane for offset in range(0, 70, 7) for lane in page(seen, order, 7, offset)]
    assert [lane.key for lane in pages] == [lane.key for lane in whole]
    places = [seen.store.read(reads.lane_place(LaneFilter(), lane.key, order=order)) for lane in whole]
    assert places == list(range(60))
    behind = [seen.store.read(reads.sort_place(lane.id, order=order)) for lane in whole]
    assert [seen.store.read(reads.lanes_until(LaneFilter(), place, order=order)) for place in behind if place] == [
        *range(1, 61)
    ]
    assert seen.store.read(reads.lanes_until(LaneFilter(), SortPlace(9, "", 0, 0), order=order)) is None


def _held(lane: LaneRow) -> int | None:
    return None if lane.run is None else lane.run.claimed_at


VALUES: dict[LaneSort, Callable[[LaneRow], Any]] = {
    LaneSort.STATE: lambda lane: ("errored", "aborted", "running", "idle").index(lane.state),
    LaneSort.LANE: lambda lane: lane.key,
    LaneSort.HELD: _held,
    LaneSort.BEAT: lambda lane: None if lane.owner is None else lane.owner.heartbeat_at,
    LaneSort.QUEUE: lambda lane: -lane.queued or None,
    LaneSort.WAIT: lambda lane: lane.head_accepted_at,
    LaneSort.OWNER: lambda lane: None if lane.owner is None else (lane.owner.host, lane.owner.pid),
    LaneSort.TRY: lambda lane: -lane.interruptions or None,
    LaneSort.COST: lambda lane: None if lane.used is None else -(lane.used.cost_micros or 0),
    LaneSort.EPOCH: lambda lane: -lane.epoch,
    LaneSort.CHANGED: lambda lane: -lane.updated_at,
}


@pytest.mark.parametrize("by", VALUES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_an_order_follows_its_value_and_has_what_has_none_last(seen: World, by: LaneSort, reverse: bool) -> None:
    values = [VALUES[by](lane) for lane in page(seen, LaneOrder(by, reverse))]
    given = [value for value in values if value is not None]
    assert values == sorted(given, reverse=reverse) + [None] * (len(values) - len(given))


def test_a_filter_chooses_by_every_condition(seen: World) -> None:
    now = seen.time().wall
    whole = page(seen, LaneOrder())

    def chosen(typed: str) -> set[str]:
        wanted = filters.chosen(typed, now)
        found = seen.store.read(reads.lanes(wanted))
        assert seen.store.read(reads.lanes_total(wanted)) == len(found)
        return {lane.key for lane in found}

    def those(condition: Callable[[LaneRow], Any]) -> set[str]:
        found = {lane.key for lane in whole if condition(lane)}
        assert 0 < len(found) < len(whole)
        return found

    claims = now - 90 * SECOND
    assert chosen("state:idle,errored") == those(lambda x: x.state in ("idle", "errored"))
    assert chosen("SLACK lane:1") == those(lambda x: "Slack" in x.key and "lane:1" in x.key)
    assert chosen("-slack") == chosen("!slack") == those(lambda x: "Slack" not in x.key)
    assert chosen("lane:?5:*") == chosen("key:lane:?5:*") == those(lambda x: x.key[6] == "5")
    assert chosen("lane:[!01]*") == those(lambda x: x.key[5] not in "01")
    assert chosen("owner:ELSEwhere:1") == those(lambda x: x.owner and x.owner.host == "elsewhere")
    assert chosen(f"owner:{seen.me}") == those(lambda x: x.owner and x.owner.id == seen.me)
    assert chosen("error:PROVIDER error:all") == those(lambda x: x.last_error and "all" in x.last_error.message)
    assert chosen("held:>=90s") == those(lambda x: x.run and x.run.claimed_at <= claims)
    assert chosen("held:<90s") == those(lambda x: x.run and x.run.claimed_at > claims)
    assert chosen("wait:90s") == those(lambda x: x.head_accepted_at and x.head_accepted_at <= claims)
    assert chosen("wait:<90s") == those(lambda x: x.head_accepted_at and x.head_accepted_at > claims)
    assert chosen("beat:>0s") == those(lambda x: x.owner and x.owner.id == seen.me)
    assert chosen("beat:<1ms") == those(lambda x: x.owner and x.owner.id != seen.me)
    assert chosen("queue:>1") == those(lambda x: x.queued >= 2)
    assert chosen("queue:<=1") == those(lambda x: x.queued <= 1)
    assert chosen("paused:yes") == those(lambda x: x.pause)
    assert chosen("paused:no") == those(lambda x: not x.pause)


def test_a_lane_made_for_one_request_is_neither_listed_nor_counted_once_that_has_ended(crowd: World) -> None:
    counts = crowd.store.read(reads.counts(crowd.time().wall))
    assert sum(counts.lanes.values()) == 60
    crowd.accept("asked:again", anonymous=True)
    assert sum(crowd.store.read(reads.counts(crowd.time().wall)).lanes.values()) == 61
    assert crowd.state("asked:again") is LaneState.IDLE


def test_held_lanes_of_an_owner_that_does_not_beat_are_counted_as_silent(crowd: World) -> None:
    held = [lane for lane in page(crowd, LaneOrder()) if lane.owner is not None and lane.owner.id == crowd.me]
    assert crowd.store.read(reads.counts(crowd.time().wall)).silent == len(held) > 0
    crowd.beat(*(lane.run.ticket for lane in held if lane.run is not None))
    assert crowd.store.read(reads.counts(crowd.time().wall)).silent == 0
