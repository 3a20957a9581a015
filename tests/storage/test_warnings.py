"""Warnings are events that change nothing, guarded so that each is true and none is said twice."""

from lanes.testing import MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.law import EventType
from lanes_storage.records import Ticket, WaitingHead
from tests.kit.world import World

KEY = "agent:main:telegram:42"


def warn_held(world: World, ticket: Ticket) -> bool:
    detail = {"held_ms": MINUTE}
    return world.step(lambda tx: doors.warn_held(tx, ticket, world.time(), by="owner:1", detail=detail))


def warn_wait(world: World, message: int) -> bool:
    detail = {"waited_ms": MINUTE}
    return world.step(lambda tx: doors.warn_wait(tx, message, world.time(), by="owner:1", detail=detail))


def heads(world: World, after: int = 0, limit: int = 100) -> list[WaitingHead]:
    return world.store.read(reads.waiting_heads(after, limit))


def test_F05_a_held_lane_is_warned_about_as_often_as_its_owner_says(world: World) -> None:
    ticket = world.start(KEY).ticket
    assert warn_held(world, ticket)
    assert warn_held(world, ticket)
    said = world.events(KEY, type=EventType.HELD_LONG)
    assert [(e.run_id, e.epoch, e.from_state, e.to_state) for e in said] == [
        (ticket.run_id, ticket.epoch, "running", "running")
    ] * 2
    assert said[0].detail == {"held_ms": MINUTE}


def test_a_run_that_has_let_go_is_warned_about_no_more(world: World) -> None:
    ticket = world.start(KEY).ticket
    world.complete(ticket)
    world.start(KEY)
    assert not warn_held(world, ticket)
    assert world.events(KEY, type=EventType.HELD_LONG) == []


def test_only_the_run_itself_is_warned_about(world: World) -> None:
    held, other = world.start(KEY).ticket, world.start("other").ticket
    assert not warn_held(world, Ticket(held.run_id, other.epoch))
    assert not warn_held(world, Ticket(99, held.epoch))
    assert warn_held(world, held)
    assert [event.run_id for event in world.events(type=EventType.HELD_LONG)] == [held.run_id]


def test_a_long_wait_is_said_once_whoever_notices(world: World) -> None:
    message = world.send(KEY)
    assert warn_wait(world, message)
    assert not warn_wait(world, message)
    (said,) = world.events(KEY, type=EventType.WAIT_EXCEEDED)
    assert (said.message_id, said.detail) == (message, {"waited_ms": MINUTE})
    assert [head.warned_at for head in heads(world)] == [world.time().wall]


def test_only_the_head_of_a_lane_is_warned_about_and_only_while_it_waits(world: World) -> None:
    first, second = world.send(KEY, "1"), world.send(KEY, "2")
    assert not warn_wait(world, second)
    world.claim(KEY)
    assert not warn_wait(world, first)
    assert warn_wait(world, second)


def test_a_head_that_comes_back_is_not_warned_about_again(world: World) -> None:
    message = world.send(KEY)
    assert warn_wait(world, message)
    world.park(world.claim(KEY).ticket)
    assert not warn_wait(world, message)


def test_the_heads_that_wait_are_read_in_pages_the_longest_wait_first(world: World) -> None:
    ids = [world.send(f"lane:{n}") for n in range(5)]
    world.send("lane:0", "behind the first")
    world.time.move(SECOND)
    assert [head.message_id for head in heads(world)] == ids
    assert [head.key for head in heads(world, after=ids[1], limit=2)] == ["lane:2", "lane:3"]
    world.claim("lane:1")
    assert [head.key for head in heads(world, limit=2)] == ["lane:0", "lane:2"]
