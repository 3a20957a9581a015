"""Who waits is woken by a commit, of this process or of another one; and waiting for messages to end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lanes import waiting
from lanes.host.changes import Changes
from lanes.waiting import MOST_REFUSALS, Endings
from lanes_storage import AsyncStore, open_async_store
from lanes_storage.errors import DatabaseLocked, StorageError, StoreClosed
from lanes_storage.interface import Query
from lanes_storage.law import MessageState
from tests.kit.cooling import cool
from tests.kit.until import PATIENCE_S, until
from tests.kit.world import World


@pytest.fixture
async def changes(astore: AsyncStore) -> AsyncIterator[Changes]:
    made = Changes(astore)
    yield made
    await made.close()


@pytest.fixture
async def endings(astore: AsyncStore, changes: Changes) -> AsyncIterator[Endings]:
    made = Endings(astore, changes)
    yield made
    await made.close()


# -------------------------------------------------------------------------------------------- changes


async def test_a_commit_of_this_process_wakes_who_waits(changes: Changes, world: World, astore: AsyncStore) -> None:
    waiting = asyncio.create_task(changes.wait(PATIENCE_S))
    await asyncio.sleep(0)
    await astore.write(lambda tx: cool(tx, "codex", "quota", 5, world.time(), by="t"))
    assert await waiting


async def test_a_commit_of_another_connection_wakes_who_waits(changes: Changes, world: World) -> None:
    await changes.wait(PATIENCE_S)  # the first look takes note of what is there
    waiting = asyncio.create_task(changes.wait(PATIENCE_S))
    world.send("a")
    assert await waiting


async def test_a_commit_between_reading_and_waiting_is_not_missed(
    changes: Changes, world: World, astore: AsyncStore
) -> None:
    mark = changes.mark()
    await astore.write(lambda tx: cool(tx, "codex", "quota", 5, world.time(), by="t"))
    await until(mark.done, "the word of the commit")
    assert await changes.wait(0, mark), "without waiting"


async def test_without_a_change_the_wait_runs_out(changes: Changes) -> None:
    assert await changes.wait(PATIENCE_S), "the first look takes note of what is there"
    assert not await changes.wait(0.05)


async def test_nobody_looks_while_nobody_waits(changes: Changes) -> None:
    await changes.wait(0.05)
    await until(lambda: changes._poll is None, "the end of the looking")


async def test_every_waiter_is_woken_by_one_commit(changes: Changes, world: World) -> None:
    await changes.wait(PATIENCE_S)
    waiting = [asyncio.create_task(changes.wait(PATIENCE_S)) for _ in range(20)]
    world.send("a")
    assert await asyncio.gather(*waiting) == [True] * 20


async def test_a_database_that_can_not_be_read_wakes_who_waits_to_meet_the_error(
    changes: Changes, astore: AsyncStore
) -> None:
    await astore.close()
    assert await changes.wait(PATIENCE_S)


# -------------------------------------------------------------------------------------------- endings


async def test_a_wait_ends_with_the_message(endings: Endings, world: World) -> None:
    claimed, other = world.start("a"), world.start("b")
    waiting = asyncio.create_task(endings.wait(claimed.message.id, PATIENCE_S))
    also = asyncio.create_task(endings.wait(claimed.message.id, None))
    not_ended = asyncio.create_task(endings.wait(other.message.id, None))
    await asyncio.sleep(0)
    world.complete(claimed.ticket)
    ended = await waiting
    assert ended is not None
    assert ended.state is MessageState.DONE
    assert await also is ended, "it is read once for both"
    assert not not_ended.done()
    not_ended.cancel()


async def test_a_wait_for_what_has_ended_ends_at_once(endings: Endings, world: World) -> None:
    claimed = world.start("a")
    world.fail(claimed.ticket)
    assert await endings.wait(claimed.message.id, None)


async def test_a_wait_can_run_out(endings: Endings, world: World) -> None:
    message = world.send("a")
    assert not await endings.wait(message, 0)
    assert not await endings.wait(message, 0.05)
    world.complete(world.claim("a").ticket)
    assert await endings.wait(message, PATIENCE_S), "and be made again"


async def test_a_wait_that_is_cancelled_leaves_the_others(endings: Endings, world: World) -> None:
    claimed = world.start("a")
    one = asyncio.create_task(endings.wait(claimed.message.id, None))
    two = asyncio.create_task(endings.wait(claimed.message.id, None))
    await asyncio.sleep(0)
    one.cancel()
    world.complete(claimed.ticket)
    assert await two


async def test_many_waits_are_one_question(endings: Endings, world: World) -> None:
    messages = [world.send(str(number)) for number in range(30)]
    waiting = [asyncio.create_task(endings.wait(message, None)) for message in messages]
    await asyncio.sleep(0)
    for number in range(30):
        world.complete(world.claim(str(number)).ticket)
    ended = await asyncio.gather(*waiting)
    assert [message and message.id for message in ended] == messages


async def test_who_waits_is_told_that_the_database_refuses(path: Path, world: World) -> None:
    store = await open_async_store(str(path))
    changes = Changes(store)
    endings = Endings(store, changes)
    waiting = asyncio.create_task(endings.wait(world.send("a"), None))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StorageError):
        await waiting
    await endings.close()
    await changes.close()


@pytest.mark.parametrize("refusals", [1, MOST_REFUSALS - 1, MOST_REFUSALS])
async def test_a_database_that_refuses_once_is_asked_again(
    endings: Endings, world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    monkeypatch.setattr(waiting, "REFUSED_S", 0)
    read, left = astore.read, refusals

    async def refusing(query: Query[Any]) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise DatabaseLocked("lanes.db", "busy")
        return await read(query)

    monkeypatch.setattr(astore, "read", refusing)
    claimed = world.start("a")
    world.complete(claimed.ticket)
    if refusals < MOST_REFUSALS:
        assert await endings.wait(claimed.message.id, PATIENCE_S)
    else:
        with pytest.raises(DatabaseLocked):
            await endings.wait(claimed.message.id, PATIENCE_S)


async def test_who_still_waits_at_the_close_is_told_how_it_stands(endings: Endings, world: World) -> None:
    claimed = world.start("a")
    ends = asyncio.create_task(endings.wait(claimed.message.id, None))
    waits = asyncio.create_task(endings.wait(world.send("b"), None))
    await asyncio.sleep(0)
    world.complete(claimed.ticket)
    await endings.close()
    assert await ends, "also where nobody had looked since"
    with pytest.raises(StoreClosed):
        await waits
