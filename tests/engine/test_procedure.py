"""Procedures: one piece of code, driven by a blocking command and by an event loop with the same result."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from lanes import operations
from lanes.context import Context
from lanes.desk import Desk
from lanes.errors import NotFound
from lanes.procedure import Procedure, Tell, Write, nap, read, run, tell, write
from lanes.records import Message
from lanes.testing import SECOND, Hands
from lanes_storage import AsyncStore, Store, doors, open_store, reads
from lanes_storage.law import MessageState
from lanes_storage.moment import Now
from tests.kit.world import World

Driver = Callable[[Procedure[Any]], Any]


@pytest.fixture(params=["blocking", "event loop"])
def drive(request: pytest.FixtureRequest, store: Store, astore: AsyncStore, time: Hands) -> Driver:
    """Each of the two drivers, as a coroutine function."""

    async def blocking(procedure: Procedure[Any]) -> Any:
        def sleep(seconds: float) -> None:
            time.move(round(seconds * 1000))

        return await asyncio.to_thread(run, store, procedure, time, sleep)

    async def looping(procedure: Procedure[Any]) -> Any:
        desk = Desk(astore, time)
        try:
            return await desk.perform(procedure)
        finally:
            await desk.changes.close()

    return blocking if request.param == "blocking" else looping


def everything(key: str) -> Procedure[tuple[Now, int, str | None]]:
    """A procedure that needs all that there is to need."""
    now = yield from tell()
    yield from write(lambda tx: doors.pause(tx, key, now, actor="t", reason="r"))
    lane = yield from read(reads.lane(key))
    assert lane is not None
    yield from nap(0.001)
    return now, lane.id, lane.pause.reason if lane.pause else None


async def test_both_drivers_give_the_same_answers(drive: Driver, world: World, time: Hands) -> None:
    world.send("a")
    begun = time()
    assert await drive(everything("a")) == (begun, world.lane("a").id, "r")


async def test_what_a_procedure_raises_arrives(drive: Driver, world: World) -> None:
    with pytest.raises(NotFound):
        await drive(operations.lane("none"))


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
        yield from nap(1.0)
        return (yield from tell()).mono

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
        other.write(lambda tx: doors.cool(tx, "codex", "quota", 5, time(), by="t"))

    def procedure() -> Procedure[None]:
        yield from nap(3600)

    run(store, procedure(), time, sleep)
    other.close()
    assert len(naps) == 1


@pytest.mark.parametrize("again", [False, True], ids=["send", "retry"])
def test_what_was_accepted_is_told_as_it_was_accepted(world: World, again: bool) -> None:
    """However soon a gateway takes it."""
    failed = world.start("a")
    world.fail(failed.ticket)
    if again:
        procedure = operations.retry(Context("alice"), failed.message.id)
    else:
        procedure = operations.send(Context("alice"), "a", "hello")
    assert taken_at_once(world, procedure).state is MessageState.QUEUED


def taken_at_once(world: World, procedure: Procedure[Message]) -> Message:
    """Drive a procedure that reads nothing, while a gateway claims what it writes before its next step."""
    answer: Any = None
    try:
        while True:
            request = procedure.send(answer)
            if isinstance(request, Write):
                answer = world.step(request.step)
                world.claim("a")
            else:
                assert isinstance(request, Tell), "nothing is read afterwards"
                answer = world.time()
    except StopIteration as end:
        return cast("Message", end.value)
