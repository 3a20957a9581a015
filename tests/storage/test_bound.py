"""A message bound to its connection or its process ends ``aborted`` when that is gone, and never runs again."""

import pytest

from lanes_storage.doors import Refusal
from lanes_storage.law import BoundTo, Edge, MessageState
from tests.kit.watch import Line, Watch
from tests.kit.world import World

BOTH = [(BoundTo.CLIENT, "client_gone"), (BoundTo.WAITER, "waiter_gone")]


@pytest.mark.parametrize(("bound", "cause"), BOTH)
def test_one_that_waits_ends_at_once(world: World, bound: BoundTo, cause: str) -> None:
    message = world.send("a", bound_to=bound, bound_owner=world.me)
    following = world.send("a", "the next")
    seen = Watch(world)
    assert world.end_bound(message)
    stored = world.message(message)
    assert stored.state is MessageState.ABORTED
    assert stored.error is not None
    assert stored.error.cause == cause
    assert world.lane("a").head_id == following
    assert seen.lines() == [Line("ended", "queued", "aborted", message=message, actor="client", cause=cause)]
    assert not world.end_bound(message), "it has ended"


@pytest.mark.parametrize(("bound", "cause"), BOTH)
def test_one_that_runs_is_aborted(world: World, bound: BoundTo, cause: str) -> None:
    world.send("a", bound_to=bound, bound_owner=world.me)
    claimed = world.claim("a")
    assert world.end_bound(claimed.message.id)
    run = world.run(claimed.ticket)
    assert (run.abort_actor, run.abort_cause) == ("client", cause)
    assert world.complete(claimed.ticket).edge is Edge.ABORT
    message = world.message(claimed.message.id)
    assert message.error is not None
    assert (message.state, message.error.cause) == (MessageState.ABORTED, cause)


def test_one_that_is_bound_to_nothing_is_left_alone(world: World) -> None:
    message = world.send("a")
    seen = Watch(world)
    assert not world.end_bound(message)
    assert not world.end_bound(4711)
    assert seen.nothing()


def test_the_end_of_an_owner_ends_what_waits_bound_to_it(world: World) -> None:
    gone = world.owner(pid=4712)
    bound = world.send("a", bound_to=BoundTo.WAITER, bound_owner=gone)
    client = world.send("b", bound_to=BoundTo.CLIENT, bound_owner=gone)
    mine = world.send("c", bound_to=BoundTo.CLIENT, bound_owner=world.me)
    free = world.send("d")
    running = world.start("e", owner=gone)
    seen = Watch(world)
    assert world.end_owner(gone)
    states = [world.message(message).state for message in (bound, client, mine, free, running.message.id)]
    aborted, queued = MessageState.ABORTED, MessageState.QUEUED
    assert states == [aborted, aborted, queued, queued, MessageState.RUNNING]
    assert [line.cause for line in seen.lines()] == ["waiter_gone", "client_gone", None]
    assert seen.events()[-1].detail == {"owner": gone, "cause": "owner_gone", "ended_messages": 2}
    world.reclaim(running.ticket)


@pytest.mark.parametrize(("bound", "cause"), BOTH)
def test_F722_nothing_is_accepted_that_is_bound_to_an_owner_that_has_ended(
    world: World, bound: BoundTo, cause: str
) -> None:
    """Its process was suspended, and does not know that yet: nobody would claim the message, and nobody end it."""
    del cause
    gone = world.owner(pid=4712)
    world.send("a", bound_to=bound, bound_owner=gone)
    world.end_owner(gone, cause="owner_silent")
    seen = Watch(world)
    assert world.accept("a", bound_to=bound, bound_owner=gone) is Refusal.OWNER_ENDED
    assert seen.nothing()
    world.send("a", bound_to=bound, bound_owner=world.me)
