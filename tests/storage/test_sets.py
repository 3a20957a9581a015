"""What is carried out as one set comes out as if it had been carried out one by one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.testing import Hands, broken
from lanes_storage import AsyncStore, doors, open_store
from lanes_storage.doors.intake import Accept
from lanes_storage.doors.shared.sets import rounds
from lanes_storage.errors import NotStorable
from lanes_storage.interface import CommandStep, carry_out
from lanes_storage.law import Edge, LaneState, MessageState
from lanes_storage.records import Release, RunResult, Waiter
from tests.kit import sets
from tests.kit.commits import long_commit
from tests.kit.databases import lay
from tests.kit.forks import run_elsewhere
from tests.kit.world import Rows, World


def test_rounds_keep_the_order_of_what_is_about_the_same() -> None:
    assert rounds("abcab", lambda letter: [letter]) == [[0, 1, 2], [3, 4]]
    assert rounds("aaa", lambda letter: [letter]) == [[0], [1], [2]]
    assert rounds([(1, 2), (3,), (2, 3), (1,)], lambda things: things) == [[0, 1], [2, 3]]
    assert rounds([], lambda things: things) == []


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two databases with the same in them."""
    made = []
    for name in ("together", "alone"):
        folder = tmp_path / name
        folder.mkdir()
        lay(folder / "lanes.db")
        made.append(World(open_store(str(folder / "lanes.db"), synchronous="normal"), Hands()))
        sets.furnish(made[-1])
    yield made[0], made[1]
    for world in made:
        world.store.close()


@pytest.mark.parametrize("name", sets.SETS)
def test_a_set_does_what_its_commands_do_one_by_one(worlds: tuple[World, World], name: str) -> None:
    together, alone = worlds
    before = together.rows()
    assert rows_of(together) == rows_of(alone)
    calls = sets.SETS[name](together.store, together.time())
    one = together.step(lambda tx: carry_out(tx, calls))
    other = {place: alone.step(calls[place]) for places in rounds(calls, about) for place in places}
    assert one == [other[place] for place in range(len(calls))]
    assert rows_of(together) == rows_of(alone) != before
    assert broken(together.store) == []


def about(call: CommandStep[Any]) -> list[object]:
    """Of messages the first to each lane come first; all else keeps its order."""
    command = call.command
    return (
        [command.new.key, Waiter if command.admission.waiter else command.new.key]
        if isinstance(command, Accept)
        else [call]
    )


def rows_of(world: World) -> Rows:
    """All rows; the journal without the order in which sets are told."""
    rows = world.rows()
    return rows | {"events": sorted((row[1:] for row in rows["events"]), key=repr)}


KILLING = "import sys; from tests.kit.sets import killed_within; print(killed_within(*sys.argv[1:]))"


@pytest.mark.parametrize("name", sets.SETS)
def test_a_process_that_is_killed_within_a_set_leaves_nothing_of_it(
    worlds: tuple[World, World], tmp_path: Path, name: str
) -> None:
    world = worlds[0]
    before = world.rows()
    world.store.close()
    database = tmp_path / "together" / "lanes.db"
    writes = int(run_elsewhere(KILLING, str(database), name).stdout)
    assert writes >= 4
    for write in range(1, writes + 1):
        store = open_store(f"{database}.{write}")
        killed = World.of(store)
        assert killed.rows() == before
        assert broken(store) == []
        store.close()


async def test_a_bad_command_in_a_set_harms_only_itself(world: World, astore: AsyncStore) -> None:
    runs = {key: world.start(key).ticket for key in ("a", "bad", "c")}
    answers: dict[str, Any] = {"a": "reply", "bad": object(), "c": "another"}
    async with long_commit(astore):
        ends = [
            asyncio.ensure_future(
                astore.write(doors.complete(ticket, RunResult(answers[key]), world.time(), by="tester"))
            )
            for key, ticket in runs.items()
        ]
        await asyncio.sleep(0)
    one, bad, other = await asyncio.gather(*ends, return_exceptions=True)
    assert isinstance(bad, NotStorable)
    assert (one, other) == (
        Release(True, Edge.COMPLETE, MessageState.DONE, runs["a"].epoch),
        Release(True, Edge.COMPLETE, MessageState.DONE, runs["c"].epoch),
    )
    assert {key: world.state(key) for key in runs} == {
        "a": LaneState.IDLE,
        "bad": LaneState.RUNNING,
        "c": LaneState.IDLE,
    }


def test_a_run_ends_once_in_a_set(world: World) -> None:
    ticket, now = world.start("a").ticket, world.time()
    ends = [
        doors.complete(ticket, RunResult("reply"), now, by="one"),
        doors.complete(ticket, RunResult("reply again"), now, by="another"),
        doors.fail(ticket, sets.BROKEN, now, by="a third"),
    ]
    applied = world.step(lambda tx: [release.applied for release in carry_out(tx, ends)])
    assert applied == [True, False, False]
    run = world.run(ticket)
    assert (run.refused_writes, run.late_reply, run.ended_by) == (2, "reply again", "one")
