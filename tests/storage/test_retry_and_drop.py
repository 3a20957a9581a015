"""Dead letters are retried once, as a new message at the tail; what waits can be dropped."""

from collections.abc import Callable

import pytest

from lanes_storage.doors import Accepted, Refusal
from lanes_storage.law import EventType, MessageState
from tests.kit.watch import Line, Watch
from tests.kit.world import World


def dead_letter(world: World, key: str = "a", **more: object) -> int:
    message = world.send(key, **({"text": "the text"} | more))  # type: ignore[arg-type]
    world.fail(world.claim(key).ticket)
    return message


def test_a_retry_is_a_new_message_at_the_tail(world: World) -> None:
    old = dead_letter(world, runner="coder")
    waits = world.send("a", "waits")
    before = world.message(old)
    seen = Watch(world)
    accepted = world.retry(old)
    assert isinstance(accepted, Accepted)
    new = world.message(accepted.message_id)
    assert (new.text, new.runner, new.actor, new.state) == ("the text", "coder", "alice", MessageState.QUEUED)
    assert (new.retry_of, new.position, new.interruptions) == (old, 2, 0)
    after = world.message(old)
    assert after.retried_as == new.id
    assert (after.state, after.error) == (MessageState.FAILED, before.error), "the old one stays as it was"
    assert world.lane("a").head_id == waits
    assert seen.lines() == [
        Line("accepted", message=new.id, actor="alice"),
        Line("retried", message=old, actor="alice"),
    ]


def test_a_retry_is_noted_in_the_journal_of_its_own_lane(world: World) -> None:
    world.send("another")
    old = world.start("a")
    world.fail(old.ticket)
    world.retry(old.message.id)
    assert [event.message_id for event in world.events("a", type=EventType.RETRIED)] == [old.message.id]


def test_the_retry_of_a_request_is_the_same_request(world: World) -> None:
    old = dead_letter(world, text=None, request='{"messages": []}')
    accepted = world.retry(old)
    assert isinstance(accepted, Accepted)
    new = world.message(accepted.message_id)
    assert (new.text, new.request) == (None, '{"messages": []}')


@pytest.mark.parametrize("acts", [False, True])
def test_F501_a_retry_is_known_to_let_its_provider_act_as_the_first_was(world: World, acts: bool) -> None:
    old = dead_letter(world, text=None, request='{"messages": []}', acts=acts)
    world.retry(old)
    assert bool(world.head("a").acts) is acts


def test_a_dead_letter_is_retried_once(world: World) -> None:
    old, other = dead_letter(world), dead_letter(world, "b")
    accepted = world.retry(old)
    seen = Watch(world)
    assert world.retry(old) is MessageState.FAILED
    assert seen.nothing()
    assert isinstance(accepted, Accepted)
    assert world.message(old).retried_as == accepted.message_id
    assert world.message(other).retried_as is None


def test_what_is_no_dead_letter_is_not_retried(world: World) -> None:
    done, running = world.start("a"), world.start("b")
    world.complete(done.ticket)
    queued = world.send("c")
    assert world.retry(done.message.id) is MessageState.DONE
    assert world.retry(running.message.id) is MessageState.RUNNING
    assert world.retry(queued) is MessageState.QUEUED
    assert world.retry(4711) is None


def test_a_retry_that_finds_the_queue_full_can_be_made_again(world: World) -> None:
    old = dead_letter(world)
    waits = world.send("a", "waits")
    seen = Watch(world)
    assert world.retry(old, cap=1) is Refusal.QUEUE_FULL
    assert seen.nothing()
    world.drop(waits)
    assert isinstance(world.retry(old, cap=1), Accepted)


# --------------------------------------------------------------------------------------------- drop


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_waiting_message_is_dropped_wherever_it_stands(world: World, which: int) -> None:
    waiting = [world.send("a", text) for text in ("1", "2", "3")]
    world.send("b")
    dropped = waiting.pop(which)
    world.time.move(1)
    seen = Watch(world)
    assert world.drop(dropped) is MessageState.QUEUED
    message, lane = world.message(dropped), world.lane("a")
    assert (message.state, message.ended_at, message.position) == (MessageState.DROPPED, world.time().wall, None)
    assert (lane.head_id, lane.queued) == (waiting[0], 2)
    assert seen.changed() == {"lanes": 1, "messages": 1}
    assert seen.lines() == [Line("ended", "queued", "dropped", message=dropped, actor="alice", cause="aborted")]
    assert seen.detail()["text"] == str(which + 1), "the journal keeps what it was"


@pytest.mark.parametrize("act", [World.drop, World.move])
def test_only_what_waits_can_be_dropped_or_moved(
    world: World, act: Callable[[World, int], MessageState | None]
) -> None:
    done, running = world.start("a"), world.start("b")
    world.complete(done.ticket)
    seen = Watch(world)
    assert act(world, done.message.id) is MessageState.DONE
    assert act(world, running.message.id) is MessageState.RUNNING
    assert act(world, 4711) is None
    assert seen.nothing()
