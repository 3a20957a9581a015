"""What people look for: beside the engine, beside each other, and ended when nobody waits for it any more."""

import asyncio
import gc
import time
from typing import Any

import pytest

from lanes.testing import START
from lanes_storage import AsyncStore, doors, reads
from lanes_storage.errors import StoreClosed
from lanes_storage.interface import Query
from lanes_storage.law import MessageState, Scope
from lanes_storage.records import Admission, LaneFilter, NewMessage
from lanes_storage.sqlite.aio import MAX_CONNECTIONS
from tests.kit.until import PATIENCE_S
from tests.kit.world import World

#: A query that never ends by itself.
ENDLESS: Query[Any] = Query(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", {}, list, broad=True
)


async def accept(store: AsyncStore, key: str) -> int:
    """Accept a message."""
    accepted = await store.write(doors.accept(NewMessage(key, "hello"), Admission(), START))
    assert isinstance(accepted, doors.Accepted)
    return accepted.message_id


async def test_F122_searches_that_do_not_end_keep_the_engine_from_nothing(astore: AsyncStore) -> None:
    searches = [asyncio.create_task(astore.read(ENDLESS)) for _ in range(2 * MAX_CONNECTIONS)]
    async with asyncio.timeout(PATIENCE_S):
        message = await accept(astore, "a")
        found = await astore.read(reads.message(message))
        assert found is not None
        assert found.key == "a"
        assert await astore.read(reads.ended_among([message])) == []
        await astore.version()
    assert not any(search.done() for search in searches)
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)


async def test_F122_one_search_does_not_stop_the_next(astore: AsyncStore) -> None:
    await accept(astore, "a")
    searches = [asyncio.create_task(astore.read(ENDLESS)) for _ in range(MAX_CONNECTIONS - 1)]
    async with asyncio.timeout(PATIENCE_S):
        assert [lane.key for lane in await astore.read(reads.lanes(LaneFilter()))] == ["a"]
    for search in searches:
        search.cancel()


async def test_F123_who_leaves_a_search_leaves_nothing_in_the_log(
    astore: AsyncStore, caplog: pytest.LogCaptureFixture
) -> None:
    searches = [asyncio.create_task(astore.read(ENDLESS)) for _ in range(3 * MAX_CONNECTIONS)]
    await asyncio.sleep(0.05)
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)
    del searches, search
    for _ in range(10):  # behind them
        await asyncio.gather(*(astore.read(reads.lanes_total(LaneFilter())) for _ in range(MAX_CONNECTIONS)))
    gc.collect()
    assert caplog.messages == []


async def test_F123_a_search_that_nobody_waits_for_gives_its_place_back(astore: AsyncStore) -> None:
    await accept(astore, "a")
    for _ in range(3):
        searches = [asyncio.create_task(astore.read(ENDLESS)) for _ in range(2 * MAX_CONNECTIONS)]
        await asyncio.sleep(0)
        for search in searches:
            search.cancel()
        await asyncio.gather(*searches, return_exceptions=True)
    async with asyncio.timeout(PATIENCE_S):
        assert await astore.read(reads.lanes_total(LaneFilter())) == 1


async def test_F123_a_store_that_is_closed_ends_its_searches(astore: AsyncStore) -> None:
    search = asyncio.create_task(astore.read(ENDLESS))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await astore.close()
        with pytest.raises(StoreClosed):
            await search
        with pytest.raises(StoreClosed):
            await astore.read(reads.lanes_total(LaneFilter()))


def test_F124_very_many_keys_are_one_parameter(world: World) -> None:
    """100,000 of them took minutes: each was looked up among the names of all."""
    for key in ("a", "b", "c"):
        world.send(key)
    query = reads.lanes_total(LaneFilter(keys=("b", *(f"none:{n}" for n in range(100_000)))))
    assert len(query.params) == 1
    began = time.monotonic()
    assert world.store.read(query) == 1
    assert time.monotonic() - began < 30
    assert world.store.read(reads.lanes_total(LaneFilter(keys=()))) == 0, "an empty choice chooses nothing"
    assert world.store.read(reads.lanes_total(LaneFilter())) == 3


@pytest.mark.parametrize("hidden", ["", "\0"], ids=["", "behind a NUL, where SQLite does not count"])
def test_F124_a_page_of_long_messages_ends_before_it_is_too_long(world: World, hidden: str) -> None:
    for number in range(5):
        world.send("a", f"{number}{hidden}" + "x" * (4_000 if hidden else 1_000), cap=9)
    lane = world.lane("a")

    def shown(**page: Any) -> list[str]:
        return [(message.text or "")[0] for message in world.store.read(reads.messages(lane.id, **page))]

    assert shown() == ["4", "3", "2", "1", "0"]
    assert shown(within=2_500) == ["4", "3"]
    assert shown(within=10) == ["4"], "one in any case"
    assert shown(within=10_000, limit=3) == ["4", "3", "2"]
    assert shown(within=2_500, before=lane.head_id + 2 if lane.head_id else None) == ["1", "0"]
    assert shown(states=[MessageState.DONE, MessageState.DONE]) == []


def test_F125_what_could_be_aborted_is_a_condition(world: World) -> None:
    world.complete(world.start("idle").ticket)
    for key in ("held", "held with more"):
        world.start(key)
    world.send("held with more")
    world.interrupt(world.start("ran before").ticket)
    world.park(world.start("parked").ticket)
    world.send("waits")
    found = {scope: set(world.keys(LaneFilter(abortable=scope))) for scope in Scope}
    running, waiting = {"held", "held with more"}, {"held with more", "ran before", "parked", "waits"}
    assert found[Scope.RUN] == running | {"ran before", "parked"}
    assert found[Scope.QUEUE] == waiting
    assert found[Scope.BOTH] == running | waiting
