"""Edge ``park`` and the postponement of an unclaimed head: waiting for a provider, up to ``max_park``."""

import pytest

from lanes.testing import MINUTE
from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records import ProviderAttempt, Release, RunFailure
from tests.kit.watch import Line, Watch
from tests.kit.world import TERMS, World

MAX_PARK = TERMS.max_park_ms


def test_a_parked_message_goes_back_to_the_head(world: World) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    world.send("a", "waits behind it")
    chain = (ProviderAttempt("codex", "rate_limited", "429", 11),)
    until = world.time().wall + MINUTE
    seen = Watch(world)
    release = world.park(ticket, MINUTE, RunFailure(Cause.PROVIDER_COOLING, "all cool", chain))
    assert release == Release(True, Edge.PARK, MessageState.QUEUED, ticket.epoch, paused=False)
    lane, stored = world.lane("a"), world.message(message)
    assert (lane.state, lane.head_id, lane.queued, lane.parked_until) == (LaneState.ERRORED, message, 2, until)
    assert lane.last_error is not None
    assert lane.last_error.cause is Cause.PROVIDER_COOLING
    assert (stored.state, stored.position, stored.parked_until) == (MessageState.QUEUED, 1, until)
    assert (stored.parked_since, stored.interruptions, stored.ended_at) == (world.time().wall, 0, None)
    assert world.run(ticket).edge is Edge.PARK
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1}
    assert seen.lines() == [
        Line("park", "running", "errored", ticket.run_id, message, ticket.epoch, "tester", "provider_cooling")
    ]
    assert seen.detail()["parked_until"] == until


def test_parking_is_counted_from_the_first_time_over_all_parks(world: World) -> None:
    claimed = world.start("a")
    since = world.time().wall
    for _ in range(2):
        world.park(claimed.ticket, 4 * MINUTE)
        world.time.move(4 * MINUTE)
        claimed = world.claim("a")
        assert claimed.message.parked_until is None
        assert claimed.message.parked_since == since
    assert world.park(claimed.ticket, MAX_PARK - 8 * MINUTE).edge is Edge.PARK
    world.time.move(MAX_PARK - 8 * MINUTE)
    release = world.park(world.claim("a").ticket, 1)
    assert (release.edge, release.message_state) == (Edge.FAIL, MessageState.FAILED)


@pytest.mark.parametrize(("for_ms", "edge"), [(MAX_PARK, Edge.PARK), (MAX_PARK + 1, Edge.FAIL)])
def test_a_head_that_would_have_to_wait_too_long_fails_at_once(world: World, for_ms: int, edge: Edge) -> None:
    claimed = world.start("a")
    assert world.park(claimed.ticket, for_ms).edge is edge
    message = world.message(claimed.message.id)
    if edge is Edge.FAIL:
        assert message.state is MessageState.FAILED
        assert message.error is not None
        assert message.error.cause is Cause.PROVIDER_COOLING
        assert message.parked_until is None


def test_parking_is_judged_by_the_terms_of_the_run(world: World) -> None:
    claimed = world.start("a", terms=TERMS._replace(max_park_ms=5))
    assert world.park(claimed.ticket, 6).edge is Edge.FAIL


# ------------------------------------------------------------------------------------ postponement


def test_a_postponed_head_waits_unclaimed(world: World) -> None:
    message = world.send("a")
    head, now = world.head("a"), world.time()
    seen = Watch(world)
    assert world.postpone(head, MINUTE) is MessageState.QUEUED
    stored = world.message(message)
    assert (stored.parked_until, stored.parked_since) == (now.wall + MINUTE, now.wall)
    assert world.state("a") is LaneState.IDLE
    assert seen.changed() == {"messages": 1}
    assert seen.lines() == [Line("postponed", message=message, actor="lanes", cause="provider_cooling")]
    assert seen.detail() == {"until": now.wall + MINUTE}
    assert world.candidates() == []


def test_postponing_one_head_leaves_the_others_alone(world: World) -> None:
    world.send("a")
    other = world.send("b")
    before = world.message(other)
    world.postpone(world.head("a"))
    assert world.message(other) == before


def test_postponement_counts_towards_max_park(world: World) -> None:
    message = world.send("a")
    world.send("a", "the next")
    since = world.time().wall
    world.postpone(world.head("a"), MAX_PARK)
    world.time.move(MAX_PARK)
    head = world.head("a")
    assert head.parked_since == since
    seen = Watch(world)
    assert world.postpone(head, 1) is MessageState.FAILED
    stored = world.message(message)
    assert stored.state is MessageState.FAILED
    assert stored.error is not None
    assert stored.error.cause is Cause.PROVIDER_COOLING
    assert seen.lines() == [Line("ended", "queued", "failed", message=message, actor="lanes", cause="provider_cooling")]
    assert [head.message_id for head in world.candidates()] == [message + 1]


def test_a_head_that_was_claimed_since_is_not_postponed(world: World) -> None:
    world.send("a")
    head = world.head("a")
    claimed = world.claim("a")
    world.postpone(head)
    assert world.message(claimed.message.id) == claimed.message
