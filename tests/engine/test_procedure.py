"""Procedures: one piece of code, driven by a blocking command and by an event loop with the same result."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from lanes.base.errors import NotFound
from lanes.base.procedure import Blocking, Effect, Procedure, QueryBlock, raised, read, run, wait_for_change, write
from lanes.context import Context
from lanes.desk import Desk
from lanes.records import Message
from lanes.testing import SECOND, Hands
from lanes.verbs import messages, sending
from lanes_storage import AsyncStore, Store, doors, open_store, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Query
from lanes_storage.law import MessageState
from tests.kit.cooling import cool
from tests.kit.world import World

Driver = Callable[[Effect[Any]], Any]


@pytest.fixture(params=["blocking", "event loop"])
def drive(request: pytest.FixtureRequest, store: Store, astore: AsyncStore, time: Hands) -> Driver:
    """Each of the two drivers, as a coroutine function."""

    async def blocking(procedure: Effect[Any]) -> Any:
        def sleep(seconds: float) -> None:
            time.move(round(seconds * 1000))

        return await asyncio.to_thread(run, store, procedure, time, sleep)

    async def looping(procedure: Effect[Any]) -> Any:
        desk = Desk(astore, time)
        try:
            return await desk.perform(procedure)
        finally:
            await desk.changes.close()

    return blocking if request.param == "blocking" else looping


def everything(key: str, time: Hands) -> Procedure[tuple[Now, int, str | None]]:
    """A procedure that needs all that there is to need."""
    now = time()
    yield from write(lambda tx: doors.pause(tx, key, now, actor="t", reason="r"))
    lane = yield from read(reads.lane(key))
    assert lane is not None
    yield from wait_for_change(0.001)
    return now, lane.id, lane.pause.reason if lane.pause else None


async def test_both_drivers_give_the_same_answers(drive: Driver, world: World, time: Hands) -> None:
    world.send("a")
    begun = time()
    assert await drive(everything("a", time)) == (begun, world.lane("a").id, "r")


async def test_what_a_procedure_raises_arrives(drive: Driver, world: World) -> None:
    with pytest.raises(NotFound):
        await drive(messages.messages(Context("alice"), "none"))


async def test_a_step_that_raises_is_raised_and_rolled_back(drive: Driver, world: World) -> None:
    world.send("a")
    cleaned: list[str] = []

    class Wrong(Exception):
        pass

    def procedure() -> Procedure[None]:
        def step(tx: Any) -> None:
            doors.pause(tx, "a", world.time(), actor="t", reason="r")
            raise Wrong

        try:
            yield from write(step)
        finally:
            cleaned.append("closed")

    with pytest.raises(Wrong):
        await drive(procedure())
    assert world.lane("a").pause is None
    assert cleaned == ["closed"]


def test_a_blocking_nap_ends_by_the_clock_that_was_handed_in(store: Store, time: Hands) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.move(round(seconds * 1000))

    def procedure() -> Procedure[int]:
        yield from wait_for_change(1.0)
        return time().mono

    begun = time().mono
    assert run(store, procedure(), time, sleep) == begun + SECOND
    assert sum(slept) == pytest.approx(1.0)


def test_a_blocking_nap_ends_when_another_connection_commits(
    store: Store, time: Hands, world: World, path: Any
) -> None:
    other = open_store(str(path))
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        other.write(lambda tx: cool(tx, "codex", "quota", 5, time(), by="t"))

    def procedure() -> Procedure[None]:
        yield from wait_for_change(3600)

    run(store, procedure(), time, sleep)
    other.close()
    assert len(naps) == 1


@pytest.mark.parametrize("again", [False, True], ids=["send", "retry"])
def test_what_was_accepted_is_told_as_it_was_accepted(world: World, again: bool) -> None:
    """However soon a gateway takes it."""
    failed = world.start("a")
    world.fail(failed.ticket)
    if again:
        procedure = messages.retry(Context("alice"), failed.message.id)
    else:
        procedure = sending.send(Context("alice"), "a", "hello")
    assert taken_at_once(world, procedure).state is MessageState.QUEUED


def taken_at_once(world: World, effect: Effect[Message]) -> Message:
    """Carry out one step, while a gateway claims what it wrote before anything else is done."""
    assert not isinstance(effect, Generator | Query | QueryBlock | Blocking), "nothing is read afterwards"
    accepted = raised(world.step(effect))
    world.claim("a")
    return accepted
