"""Housekeeping: a gateway prunes by itself, in small steps, each lane by its own policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.base.errors import NotFound
from lanes.config import from_data
from lanes.engine.upkeep.housekeeping import FIRST_PASS_MS, PAGE, PASS_EVERY_MS, ConfiguredKeep, Pruner
from lanes.testing import DAY, HOUR, MINUTE, Hands, broken
from lanes.testing.passing import restless
from lanes_storage import Store
from lanes_storage.errors import DatabaseFull
from lanes_storage.interface import Step
from lanes_storage.records import LaneFilter
from tests.kit.databases import new_store
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until
from tests.kit.world import World

KEY = "agent:main:telegram:42"
KEEP = ConfiguredKeep(
    from_data(
        {
            "clocks": {"keep_messages": "1d", "keep_events": "2d"},
            "policy": [{"match": "patient:*", "keep_messages": "30d"}, {"match": "brief:*", "keep_events": "1h"}],
        }
    )
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = new_store(tmp_path / "lanes.db")
    yield made
    assert broken(made) == []
    made.close()


def one_pass(pruner: Pruner, time: Hands) -> list[int]:
    """The steps of one pass: how many rows went in each."""
    pruner.step(time())
    steps = []
    while pruner.busy:
        steps.append(pruner.step(time()))
    return steps


def finish(world: World, *keys: str) -> None:
    for key in keys:
        world.complete(world.start(key).ticket)


def test_the_shortest_of_all_policies_says_how_old_a_row_must_be_to_be_looked_at() -> None:
    assert KEEP.least_ms == HOUR
    assert (KEEP.messages_ms(None), KEEP.events_ms(None)) == (DAY, 2 * DAY)
    assert (KEEP.messages_ms("patient:1"), KEEP.events_ms("patient:1")) == (30 * DAY, 2 * DAY)
    assert (KEEP.messages_ms("brief:1"), KEEP.events_ms("brief:1")) == (DAY, HOUR)


def test_each_lane_is_pruned_by_its_own_policy(store: Store) -> None:
    time = Hands()
    world = World(store, time)
    finish(world, KEY, "patient:1")
    time.move(DAY)
    pruner = Pruner(store, store.write, KEEP, time())
    time.move(FIRST_PASS_MS)
    one_pass(pruner, time)
    assert [row[1] for row in world.table("messages")] == [world.lane("patient:1").id]
    assert world.keys() == ["patient:1", KEY], "its events are kept for another day, and so is it"
    time.move(DAY)
    one_pass(pruner, time)
    assert world.keys() == ["patient:1"]


def test_a_pass_begins_a_while_after_the_start_and_comes_again(store: Store) -> None:
    time = Hands()
    pruner = Pruner(store, store.write, KEEP, time())

    def begins_after(ms: int) -> bool:
        pruner.step(time.move(ms))
        return pruner.busy

    assert not begins_after(FIRST_PASS_MS - 1)
    assert begins_after(1)
    while pruner.busy:
        pruner.step(time())
    assert not begins_after(PASS_EVERY_MS - 1)
    assert begins_after(1)


def test_much_goes_in_small_steps(store: Store) -> None:
    time = Hands()
    world = World(store, time)
    for number in range(PAGE + 5):
        world.send(f"lane:{number}")
    heads = [(head.message_id, head.key) for head in world.candidates(limit=PAGE + 5)]
    for _, key in heads[:3]:
        world.complete(world.claim(key).ticket)
    time.move(3 * DAY)
    writes: list[int] = []

    def write(step: Step[int]) -> int:
        writes.append(store.write(step))
        return writes[-1]

    pruner = Pruner(store, write, KEEP, time())
    time.move(FIRST_PASS_MS)
    one_pass(pruner, time)
    assert sum(writes) == 3 + 3 + 3 + 9 + 3 + 1, "messages, runs, turns, events, lanes, and the start of the owner"
    assert max(writes) <= PAGE
    assert len(world.keys(LaneFilter(), limit=1000)) == PAGE + 2


def test_a_pass_that_the_database_refused_is_given_up_and_made_again(store: Store) -> None:
    time = Hands()
    world = World(store, time)
    finish(world, KEY)
    time.move(3 * DAY)
    refuse = True

    def write(step: Step[int]) -> int:
        if refuse:
            raise DatabaseFull("lanes.db")
        return store.write(step)

    pruner = Pruner(store, write, KEEP, time())
    time.move(FIRST_PASS_MS)
    with pytest.raises(DatabaseFull):
        one_pass(pruner, time)
    assert not pruner.busy
    refuse = False
    time.move(PASS_EVERY_MS)
    one_pass(pruner, time)
    assert world.table("messages") == []


async def test_a_gateway_prunes_by_itself(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    runner.open()
    async with gateway_on(tmp_path, runner, time, keep_messages="1m", keep_events="1m") as site:
        message = await site.desk.send(KEY, "hello")
        failed = await site.desk.send("other", "hello", runner="elsewhere")
        assert (await site.desk.wait(message.id)).reply == "reply to hello"
        time.move(MINUTE + FIRST_PASS_MS)
        housekeeper = site.gateway._engine._housekeeper
        assert housekeeper is not None

        async def pruned() -> bool:
            try:
                await site.desk.lane(KEY)
            except NotFound:
                return True
            return False

        with restless(housekeeper):  # its first pauses are long, and however many steps a pass takes, it comes to it
            await until(pruned, "the lane to be pruned")
        with pytest.raises(NotFound):
            await site.desk.message(message.id)
        assert (await site.desk.message(failed.id)).state == "queued"
