"""Edge ``reclaim``: the owner is gone, silent, drained, or disowns the run; what becomes of the message."""

import pytest

from lanes_storage.doors import Evidence
from lanes_storage.law import BoundTo, Cause, Edge, LaneState, MessageState, OnInterrupt
from lanes_storage.records import Claimed, Release
from tests.kit.watch import Line, Watch
from tests.kit.world import TERMS, World

COUNTED = [Cause.OWNER_GONE, Cause.OWNER_SILENT]


def start(world: World, policy: OnInterrupt) -> Claimed:
    return world.start("a", terms=TERMS._replace(on_interrupt=policy))


@pytest.mark.parametrize("cause", COUNTED)
def test_a_reclaimed_message_goes_back_to_the_head_and_is_counted(world: World, cause: Cause) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    world.send("a", "waits behind it")
    seen = Watch(world)
    release = world.reclaim(ticket, cause)
    lane, stored, run = world.lane("a"), world.message(message), world.run(ticket)
    assert release == Release(True, Edge.RECLAIM, MessageState.QUEUED, lane.epoch, paused=False)
    assert (lane.state, lane.head_id, lane.queued) == (LaneState.ERRORED, message, 2)
    assert lane.epoch > ticket.epoch
    assert lane.last_error is not None
    assert lane.last_error.cause is cause
    assert (stored.state, stored.position, stored.interruptions) == (MessageState.QUEUED, 1, 1)
    assert (stored.error, stored.parked_until, stored.ended_at) == (None, None, None)
    assert (run.edge, run.cause, run.forced) == (Edge.RECLAIM, cause, True)
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1, "counters": 1}
    assert seen.lines() == [Line("reclaim", "running", "errored", ticket.run_id, message, lane.epoch, "tester", cause)]


def test_a_drain_goes_back_to_the_head_and_is_never_counted(world: World) -> None:
    message = world.send("a")
    for _ in range(5):
        ticket = world.claim("a").ticket
        seen = Watch(world)
        release = world.interrupt(ticket)
        assert release == Release(True, Edge.RECLAIM, MessageState.QUEUED, ticket.epoch, paused=False)
        assert seen.lines() == [
            Line("reclaim", "running", "errored", ticket.run_id, message, ticket.epoch, "tester", "drained")
        ]
    assert world.message(message).interruptions == 0


def test_the_third_interruption_is_poison_and_the_lane_goes_on(world: World) -> None:
    message = world.interrupted("a", 2)
    following = world.send("a", "the next")
    assert world.head("a").interruptions == 2, "a suspect"
    ticket = world.claim("a").ticket
    seen = Watch(world)
    release = world.reclaim(ticket)
    stored, lane = world.message(message), world.lane("a")
    assert (release.edge, release.message_state) == (Edge.RECLAIM, MessageState.FAILED)
    assert (stored.state, stored.interruptions) == (MessageState.FAILED, 3)
    assert stored.error is not None
    assert stored.error.cause is Cause.POISON
    assert lane.last_error is not None
    assert lane.last_error.cause is Cause.POISON
    assert [line.cause for line in seen.lines()] == ["poison"]
    assert world.claim("a").message.id == following


@pytest.mark.parametrize("cause", COUNTED)
def test_policy_fail_ends_the_message(world: World, cause: Cause) -> None:
    claimed = start(world, OnInterrupt.FAIL)
    assert world.reclaim(claimed.ticket, cause).message_state is MessageState.FAILED
    message = world.message(claimed.message.id)
    assert message.error is not None
    assert (message.error.cause, message.interruptions) == (cause, 1)


def test_policy_fail_ends_the_message_of_a_drained_run_as_well(world: World) -> None:
    claimed = start(world, OnInterrupt.FAIL)
    world.interrupt(claimed.ticket)
    message = world.message(claimed.message.id)
    assert message.error is not None
    assert (message.error.cause, message.interruptions) == (Cause.DRAINED, 0)


def test_policy_pause_requeues_and_pauses_in_one_step(world: World) -> None:
    claimed = start(world, OnInterrupt.PAUSE)
    seen = Watch(world)
    release = world.reclaim(claimed.ticket)
    assert release.paused
    assert release.message_state is MessageState.QUEUED
    pause, now = world.lane("a").pause, world.time().wall
    assert pause is not None
    assert (pause.reason, pause.actor, pause.at, pause.until) == ("interrupted", "tester", now, None)
    assert [line.type for line in seen.lines()] == ["reclaim", "paused"]
    assert seen.events()[1].detail == {"reason": "interrupted", "until": None}
    assert world.candidates() == []


def test_the_policy_is_the_stored_one_for_failures_too(world: World) -> None:
    """To fail or to expire is no interruption: the policy does not apply."""
    claimed = start(world, OnInterrupt.PAUSE)
    release = world.expire(claimed.ticket)
    assert (release.message_state, release.paused) == (MessageState.FAILED, False)


def test_a_ghost_ends_its_message_failed(world: World) -> None:
    claimed = world.start("a")
    world.beat()
    world.beat()
    release = world.reclaim(claimed.ticket, Cause.GHOST, Evidence(ghost=True))
    assert (release.edge, release.message_state) == (Edge.RECLAIM, MessageState.FAILED)
    message = world.message(claimed.message.id)
    assert message.error is not None
    assert (message.error.cause, message.interruptions) == (Cause.GHOST, 0)


# ---------------------------------------------------------------------------------------- evidence


def test_an_owner_that_has_beaten_since_is_not_silent(world: World) -> None:
    ticket = world.start("a").ticket
    silent = Evidence(heartbeats=world.owner_row(world.me).heartbeats)
    world.beat(ticket)
    seen = Watch(world)
    assert not world.reclaim(ticket, Cause.OWNER_SILENT, silent).applied
    assert seen.nothing()
    still = Evidence(heartbeats=world.owner_row(world.me).heartbeats)
    assert world.reclaim(ticket, Cause.OWNER_SILENT, still).applied


def test_a_run_that_is_named_again_is_no_ghost(world: World) -> None:
    ticket = world.start("a").ticket
    world.beat()
    assert not world.reclaim(ticket, Cause.GHOST, Evidence(ghost=True)).applied, "left out once is not enough"
    world.beat()
    world.beat(ticket)
    assert not world.reclaim(ticket, Cause.GHOST, Evidence(ghost=True)).applied
    world.beat()
    world.beat()
    assert world.reclaim(ticket, Cause.GHOST, Evidence(ghost=True)).applied


# ----------------------------------------------------------------------------------- bound messages


@pytest.mark.parametrize(("bound", "cause"), [(BoundTo.CLIENT, "client_gone"), (BoundTo.WAITER, "waiter_gone")])
def test_a_bound_message_dies_with_its_owner_and_never_runs_again(world: World, bound: BoundTo, cause: str) -> None:
    world.send("a", bound_to=bound, bound_owner=world.me)
    claimed = world.claim("a")
    release = world.reclaim(claimed.ticket)
    message = world.message(claimed.message.id)
    assert (release.edge, release.message_state) == (Edge.RECLAIM, MessageState.ABORTED)
    assert message.state is MessageState.ABORTED
    assert message.error is not None
    assert message.error.cause == cause
    assert world.state("a") is LaneState.ERRORED
    assert world.candidates() == []
