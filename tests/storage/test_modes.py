"""What becomes of a message that meets a busy lane or a full queue."""

import pytest

from lanes_storage.doors import Accepted, Refusal
from lanes_storage.law import Cause, LaneState, MessageState, Mode, Overflow
from tests.kit.world import World


def cause_of(world: World, message: int) -> Cause | None:
    error = world.message(message).error
    return None if error is None else error.cause


def test_interrupt_aborts_the_run_and_ends_what_waits(world: World) -> None:
    running = world.start("a")
    waiting = world.send("a")
    newest = world.send("a", mode=Mode.INTERRUPT, actor="bob")
    assert world.message(waiting).state is MessageState.ABORTED
    assert cause_of(world, waiting) is Cause.INTERRUPTED_BY_NEWER
    (asked,) = world.events("a", type="abort_requested")
    assert (asked.actor, asked.cause) == ("bob", "interrupted_by_newer")
    world.abort(running.ticket)
    assert cause_of(world, running.message.id) is Cause.INTERRUPTED_BY_NEWER
    assert world.head("a").message_id == newest


def test_interrupt_on_a_free_lane_only_clears_the_queue(world: World) -> None:
    old = world.send("a")
    newest = world.send("a", mode=Mode.INTERRUPT)
    assert world.message(old).state is MessageState.ABORTED
    assert world.claim("a").message.id == newest
    assert world.state("a") is LaneState.RUNNING


def test_interrupt_is_never_refused_for_a_full_queue(world: World) -> None:
    for _ in range(3):
        world.send("a")
    assert isinstance(world.accept("a", cap=3, mode=Mode.INTERRUPT), Accepted)
    assert world.lane("a").queued == 1


@pytest.mark.parametrize("busy", ["running", "waiting"])
def test_F44_reject_refuses_while_anything_is_unfinished(world: World, busy: str) -> None:
    if busy == "running":
        world.start("a")
    else:
        world.send("a")
    before = world.rows()
    assert world.accept("a", mode=Mode.REJECT) is Refusal.LANE_BUSY
    assert world.rows() == before, "a refused send stores nothing"


def test_reject_takes_a_message_for_an_idle_lane(world: World) -> None:
    world.complete(world.start("a").ticket)
    assert isinstance(world.accept("a", mode=Mode.REJECT), Accepted)


def test_F40_a_full_queue_refuses_and_charges_nothing(world: World) -> None:
    for _ in range(2):
        world.send("a")
    before = world.rows()
    assert world.accept("a", cap=2) is Refusal.QUEUE_FULL
    assert world.rows() == before


def test_overflow_drops_the_oldest_and_keeps_what_it_was(world: World) -> None:
    ids = [world.send("a", f"text {n}") for n in range(3)]
    newest = world.send("a", "newest", cap=2, overflow=Overflow.DROP_OLDEST, actor="bob")
    assert [world.message(id_).state for id_ in ids] == [
        MessageState.DROPPED,
        MessageState.DROPPED,
        MessageState.QUEUED,
    ], "as many as leave room under a cap that was lowered"
    assert cause_of(world, ids[0]) is Cause.OVERFLOW
    dropped = world.events("a", type="ended")
    assert [e.detail["text"] for e in dropped if e.detail] == ["text 0", "text 1"]
    assert {(e.actor, e.cause) for e in dropped} == {("bob", "overflow")}
    assert world.head("a").message_id == ids[2]
    assert world.message(newest).position == 2


def test_what_runs_is_never_dropped(world: World) -> None:
    running = world.start("a")
    waiting = world.send("a")
    world.send("a", cap=1, overflow=Overflow.DROP_OLDEST)
    assert world.message(running.message.id).state is MessageState.RUNNING
    assert world.message(waiting).state is MessageState.DROPPED
