"""Accepting messages: order, limits, and a sender's own names for them."""

from typing import Any

import pytest

from lanes import records
from lanes.base.procedure import run
from lanes.context import Context
from lanes.testing import MINUTE
from lanes.verbs import sending
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Transaction
from lanes_storage.law import BoundTo, LaneState, MessageState
from lanes_storage.records import Idempotency
from tests.kit.watch import Line, Watch
from tests.kit.world import World

NAME = Idempotency("order-7", "web", "digest-1")


def forget_everything(world: World) -> None:
    """Prune as far as pruning can go."""

    def step(tx: Transaction) -> None:
        for table in ("events", "messages", "runs", "lanes"):
            tx.run(f"DELETE FROM {table}", {})

    world.step(step)


def test_the_first_message_makes_its_lane(world: World) -> None:
    seen = Watch(world)
    message = world.send("agent:main/ 群 🙂%2F", "hello")
    lane = world.lane("agent:main/ 群 🙂%2F")
    assert (lane.state, lane.epoch, lane.queued, lane.head_id) == (LaneState.IDLE, 0, 1, message)
    assert (lane.head_accepted_at, lane.pause, lane.last_error) == (world.time().wall, None, None)
    stored = world.message(message)
    assert (stored.state, stored.text, stored.position) == (MessageState.QUEUED, "hello", 1)
    assert (stored.actor, stored.interruptions, stored.accepted_at) == ("sender", 0, world.time().wall)
    assert seen.changed() == {"lanes": 1, "messages": 1}
    assert seen.lines() == [Line("accepted", message=message, actor="sender")]


def test_messages_stand_in_the_order_in_which_they_came(world: World) -> None:
    ids = [world.send("a", text) for text in ("1", "2", "3")]
    assert ids == sorted(ids)
    assert [world.message(message).position for message in ids] == [1, 2, 3]
    assert world.lane("a").head_id == ids[0]
    world.claim("a")
    assert [world.message(message).position for message in ids] == [None, 1, 2]


def test_keys_are_kept_exactly(world: World) -> None:
    for key in ("a", "A", " a", "a/"):
        world.send(key)
    assert sorted(world.keys()) == sorted(["a", "A", " a", "a/"])


def test_ids_are_never_given_twice(world: World) -> None:
    first = world.send("a")
    forget_everything(world)
    assert world.send("a") > first


# -------------------------------------------------------------------------------------------- limits


def test_a_full_queue_refuses_and_stores_nothing(world: World) -> None:
    world.start("a")
    world.send("a", "1", cap=2)
    world.send("a", "2", cap=2)
    seen = Watch(world)
    assert world.accept("a", "3", cap=2) is Refusal.QUEUE_FULL
    assert seen.nothing()
    assert isinstance(world.accept("b", "elsewhere", cap=2), Accepted), "each lane has its own"


def test_a_cap_of_nothing_makes_no_lane(world: World) -> None:
    seen = Watch(world)
    assert world.accept("a", cap=0) is Refusal.QUEUE_FULL
    assert seen.nothing()


@pytest.mark.parametrize("busy", ["running", "waiting"])
def test_a_sender_that_would_not_wait_is_refused_by_a_busy_lane(world: World, busy: str) -> None:
    if busy == "running":
        world.start("a")
    else:
        world.send("a")
    seen = Watch(world)
    assert world.accept("a", if_idle=True) is Refusal.LANE_BUSY
    assert seen.nothing()


def test_a_sender_that_would_not_wait_is_welcome_in_a_released_lane(world: World) -> None:
    assert isinstance(world.accept("a", if_idle=True), Accepted)
    world.fail(world.claim("a").ticket)
    assert isinstance(world.accept("a", if_idle=True), Accepted)


# --------------------------------------------------------------------------------------- idempotency


def test_the_same_name_is_the_same_message_in_whatever_state(world: World) -> None:
    message = world.send("a", idempotency=NAME)
    for _ in range(2):
        seen = Watch(world)
        assert world.accept("a", idempotency=NAME) == Accepted(message, created=False)
        assert world.accept("a", idempotency=NAME, cap=0, if_idle=True) == Accepted(message, created=False)
        assert seen.nothing()
        if world.message(message).state is MessageState.QUEUED:
            world.complete(world.claim("a").ticket)


def test_the_same_name_with_another_body_is_refused(world: World) -> None:
    world.send("a", idempotency=NAME)
    seen = Watch(world)
    other = Idempotency(NAME.key, NAME.token, "digest-2")
    assert world.accept("a", "other", idempotency=other) is Refusal.IDEMPOTENCY_CONFLICT
    assert seen.nothing()


def test_a_name_belongs_to_lane_and_token(world: World) -> None:
    names = [("a", NAME), ("b", NAME), ("a", Idempotency("order-7", "bot", "digest-1"))]
    names.append(("a", Idempotency("order-8", "web", "digest-1")))
    ids = [world.send(key, idempotency=name) for key, name in names]
    assert len(set(ids)) == len(names)


def test_equal_texts_without_a_name_are_two_messages(world: World) -> None:
    assert world.send("a", "hello") != world.send("a", "hello")


def test_a_name_outlives_the_message_that_is_pruned(world: World) -> None:
    message = world.send("a", idempotency=NAME)
    world.complete(world.claim("a").ticket)
    forget_everything(world)
    world.time.move(60 * MINUTE)
    assert world.accept("a", idempotency=NAME) == Accepted(message, created=False)
    assert world.table("messages") == []


def test_a_refused_message_leaves_no_name(world: World) -> None:
    world.send("a")
    assert world.accept("a", cap=1, idempotency=NAME) is Refusal.QUEUE_FULL
    assert world.table("idempotency") == []
    accepted = world.accept("a", idempotency=NAME)
    assert isinstance(accepted, Accepted)
    assert accepted.created


def test_half_a_character_costs_no_message(world: World) -> None:
    """Chat software cuts texts in the middle of an emoji."""
    message = world.send("a", "half \ud83d of it", actor="\udcff", idempotency=Idempotency("\ud800", "token", "digest"))
    stored = world.message(message)
    assert (stored.text, stored.actor) == ("half ? of it", "?")


def test_who_sends_is_told_of_the_message_as_it_is_stored(world: World) -> None:
    """The answer is made of the command and what it met, and not read once more."""
    context = Context("tester", world.time)
    world.start("runs")

    def told(key: str, **more: Any) -> None:
        message = run(world.store, sending.send(context, key, more.pop("text", "hello"), **more))
        assert message == records.Message.of(world.message(int(message.id)))

    told("new", runner="chat")
    told("new", text=None, request={"messages": [{"role": "user"}]})
    told("new", text="half a \ud800")
    told("runs", idempotency_key="once")
    told("new", cap=2, overflow="drop-oldest")
    told("new", mode="interrupt")
    told("runs", mode="interrupt")
    told("bound", bound_to=BoundTo.CLIENT, bound_owner=world.me, anonymous=True)
