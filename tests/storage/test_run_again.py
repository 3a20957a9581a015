"""A message whose run failed is run once more by itself, as its policy says; it waits by parking."""

import pytest

from lanes.testing import MINUTE, SECOND
from lanes_storage.law import PASSING, AttemptCause, Cause, Edge, EventType, LaneState, MessageState
from lanes_storage.records import ProviderAttempt, Release, RetryTerms, RunFailure
from tests.kit.watch import Line, Watch
from tests.kit.world import World

THRICE = RetryTerms(3, 10 * SECOND, frozenset(PASSING), 60 * MINUTE)
ASIDE = THRICE._replace(hold=False)
BROKEN = RunFailure(Cause.PROVIDER_FAILED, "all", (ProviderAttempt("codex", "server_error", "500", 11),))


def wait_of(world: World, message: int) -> int:
    """How long it still waits, as a whole number of its first backoff."""
    until = world.message(message).parked_until
    assert until is not None
    return (until - world.time().wall) // THRICE.backoff_ms


def test_F271_a_message_whose_run_failed_waits_for_the_next_run(world: World) -> None:
    claimed = world.start("a")
    message, ticket = claimed.message.id, claimed.ticket
    behind = world.send("a", "waits behind it")
    seen = Watch(world)
    release = world.fail(ticket, BROKEN, THRICE)
    assert release == Release(True, Edge.PARK, MessageState.QUEUED, ticket.epoch, paused=False)
    lane, stored = world.lane("a"), world.message(message)
    assert (lane.state, lane.head_id, lane.queued) == (LaneState.ERRORED, message, 2)
    assert lane.last_error is not None
    assert lane.last_error.cause is Cause.PROVIDER_FAILED
    assert (stored.state, stored.retries, stored.interruptions) == (MessageState.QUEUED, 1, 0)
    assert stored.attempts == BROKEN.attempts
    assert wait_of(world, message) == 1
    assert seen.lines() == [
        Line("park", "running", "errored", ticket.run_id, message, ticket.epoch, "tester", "provider_failed")
    ]
    assert (seen.detail()["retry"], seen.detail()["parked_until"]) == (1, stored.parked_until)
    assert world.candidates() == []
    world.time.move(20 * SECOND)
    assert world.claim("a").message.id == message
    assert world.message(behind).state is MessageState.QUEUED


def test_it_is_run_so_many_times_and_waits_longer_each_time(world: World) -> None:
    claimed = world.start("a")
    message = claimed.message.id
    for retries, waits in ((1, 1), (2, 2)):
        assert world.fail(claimed.ticket, BROKEN, THRICE).edge is Edge.PARK
        assert (world.message(message).retries, wait_of(world, message)) == (retries, waits)
        world.time.move(MINUTE)
        claimed = world.claim("a")
    assert world.fail(claimed.ticket, BROKEN, THRICE).edge is Edge.FAIL
    stored = world.message(message)
    assert (stored.state, stored.retries) == (MessageState.FAILED, 2)
    assert stored.error is not None
    assert stored.error.cause is Cause.PROVIDER_FAILED


def test_a_backoff_does_not_grow_for_ever_and_those_that_failed_together_return_apart() -> None:
    assert THRICE.wait_ms(30, 0) == 10 * MINUTE
    assert THRICE._replace(backoff_ms=60 * MINUTE).wait_ms(3, 0) == 60 * MINUTE
    waits = {THRICE.wait_ms(0, message) for message in range(100)}
    assert len(waits) > 90
    assert min(waits) >= 10 * SECOND
    assert max(waits) <= 12.5 * SECOND


@pytest.mark.parametrize(
    ("failure", "edge"),
    [
        (BROKEN, Edge.PARK),
        (RunFailure(Cause.BACKEND_LOST, "gone"), Edge.PARK),
        (RunFailure(Cause.PROVIDER_FAILED, "no"), Edge.FAIL),
        (RunFailure(Cause.RUNNER_FAILED, "no"), Edge.FAIL),
        (RunFailure(Cause.PROVIDER_FAILED, "no", (ProviderAttempt("a", AttemptCause.AUTH, "401", 1),)), Edge.FAIL),
    ],
)
def test_only_for_the_causes_of_its_policy(world: World, failure: RunFailure, edge: Edge) -> None:
    assert world.fail(world.start("a").ticket, failure, THRICE).edge is edge


@pytest.mark.parametrize(("older_ms", "edge"), [(0, Edge.PARK), (MINUTE, Edge.FAIL)])
def test_not_later_than_max_age_after_its_acceptance(world: World, older_ms: int, edge: Edge) -> None:
    world.send("a")
    world.time.move(older_ms)
    ticket = world.claim("a").ticket
    assert world.fail(ticket, BROKEN, THRICE._replace(max_age_ms=MINUTE)).edge is edge


def test_a_stop_that_was_asked_for_is_no_failure(world: World) -> None:
    claimed = world.start("a")
    world.request_abort("a")
    assert world.fail(claimed.ticket, BROKEN, THRICE).edge is Edge.ABORT
    assert world.message(claimed.message.id).state is MessageState.ABORTED


def test_one_that_no_provider_took_within_max_park_waits_again_with_a_fresh_limit(world: World) -> None:
    claimed = world.start("a")
    message = claimed.message.id
    assert world.park(claimed.ticket, 11 * MINUTE, retry=THRICE).edge is Edge.PARK
    assert (world.message(message).retries, wait_of(world, message)) == (1, 1)
    world.time.move(MINUTE)
    assert world.park(world.claim("a").ticket, 9 * MINUTE, retry=THRICE).edge is Edge.PARK
    assert (world.message(message).retries, wait_of(world, message)) == (1, 54)


def test_a_head_that_was_never_claimed_too(world: World) -> None:
    message = world.send("a")
    seen = Watch(world)
    assert world.postpone(world.head("a"), 11 * MINUTE, retry=THRICE) is MessageState.QUEUED
    assert (world.message(message).retries, wait_of(world, message)) == (1, 1)
    assert seen.lines() == [Line("postponed", message=message, actor="lanes", cause="provider_cooling")]
    world.time.move(MINUTE)
    once = THRICE._replace(attempts=2)
    assert world.postpone(world.head("a"), 11 * MINUTE, retry=once) is MessageState.FAILED


def test_a_head_that_waits_once_more_keeps_the_attempts_of_its_last_run(world: World) -> None:
    claimed = world.start("a")
    world.fail(claimed.ticket, BROKEN, THRICE)
    world.time.move(MINUTE)
    assert world.postpone(world.head("a"), 11 * MINUTE, retry=THRICE) is MessageState.QUEUED
    stored = world.message(claimed.message.id)
    assert (stored.retries, stored.attempts) == (2, BROKEN.attempts)


def test_messages_that_are_answered_together_are_run_again_together(world: World) -> None:
    sent = [world.send("a", text) for text in "123"]
    world.fail(world.collect("a").ticket, BROKEN, THRICE)
    assert [world.message(message).retries for message in sent] == [1, 1, 1]
    world.time.move(MINUTE)
    assert world.collect("a").members == tuple(sent)


# ----------------------------------------------------------------------------------- letting others pass


@pytest.mark.parametrize("before", [True, False])
def test_what_waits_passes_one_that_does_not_hold_its_lane(world: World, before: bool) -> None:
    claimed = world.start("a")
    first = claimed.message.id
    second = world.send("a") if before else 0
    world.fail(claimed.ticket, BROKEN, ASIDE)
    second = second or world.send("a")
    third = world.send("a")
    assert world.message(first).position == 3
    for expected in (second, third):
        world.time.move(1)
        claimed = world.claim("a")
        assert claimed.message.id == expected
        world.complete(claimed.ticket)
    assert world.candidates() == []
    world.time.move(MINUTE)
    assert world.claim("a").message.id == first


def test_its_wait_over_it_is_the_first_again(world: World) -> None:
    claimed = world.start("a")
    first = claimed.message.id
    world.fail(claimed.ticket, BROKEN, ASIDE)
    second = world.send("a")
    assert world.recall() == 0
    world.time.move(MINUTE)
    seen = Watch(world)
    assert world.recall() == 1
    assert seen.lines() == [Line("recalled", message=first, actor="tester")]
    assert world.recall() == 0
    claimed = world.claim("a")
    assert claimed.message.id == first
    world.fail(claimed.ticket, BROKEN, ASIDE)
    assert world.lane("a").head_id == second
    assert world.claim("a").message.id == second


def test_only_what_waits_goes_back_and_nothing_else_with_it(world: World) -> None:
    for key in "ab":
        world.fail(world.start(key).ticket, BROKEN, ASIDE)
    dropped, other = (world.message(number).id for number in (1, 2))
    assert world.drop(dropped) is MessageState.QUEUED
    moved = [world.send("c") for _ in range(3)][2]
    world.move(moved)
    world.time.move(MINUTE)
    seen = Watch(world)
    assert world.recall() == 1
    assert seen.lines() == [Line("recalled", message=other, actor="tester")]
    assert world.lane("c").head_id == moved
    assert world.message(moved).position == 1


def test_an_unclaimed_head_lets_others_pass_too(world: World) -> None:
    first, second = world.send("a"), world.send("a")
    world.postpone(world.head("a"), 11 * MINUTE, retry=ASIDE)
    assert [world.message(message).position for message in (first, second)] == [2, 1]
    assert world.claim("a").message.id == second


# ------------------------------------------------------------------------------------------- the front


def test_a_person_moves_a_message_to_the_front(world: World) -> None:
    first, second, third = (world.send("a", text) for text in "123")
    seen = Watch(world)
    assert world.move(third) is MessageState.QUEUED
    assert [world.message(message).position for message in (first, second, third)] == [2, 3, 1]
    assert world.lane("a").head_id == third
    assert seen.lines() == [Line("moved", message=third, actor="alice")]
    assert world.move(second) is MessageState.QUEUED
    started = []
    for _ in range(3):
        claimed = world.claim("a")
        started.append(claimed.message.id)
        world.complete(claimed.ticket)
    assert started == [second, third, first]


def test_what_was_moved_comes_before_what_runs_and_comes_back(world: World) -> None:
    running = world.start("a")
    waits, moved = world.send("a"), world.send("a")
    world.move(moved)
    world.reclaim(running.ticket)
    order = []
    for _ in range(3):
        claimed = world.claim("a")
        order.append(claimed.message.id)
        world.complete(claimed.ticket)
    assert order == [moved, running.message.id, waits]


def test_the_front_is_before_all_of_its_own_lane_and_no_further(world: World) -> None:
    """Else the ranks of a lane that is used for years would run out of numbers."""
    world.start("runs elsewhere")
    world.send("waits elsewhere")
    for text in "12":
        world.send("batch elsewhere", text)
    world.collect("batch elsewhere")
    world.complete(world.start("a").ticket)
    running = world.start("a").message.id
    moved = [world.send("a") for _ in range(2)][1]
    world.move(moved)
    assert world.step(lambda tx: tx.rows("SELECT rank FROM messages WHERE id = :id", {"id": moved})) == [(running - 1,)]


def test_one_of_a_batch_is_moved_alone(world: World) -> None:
    first, second, third = (world.send("a", text) for text in "123")
    world.reclaim(world.collect("a").ticket)
    world.move(second)
    assert world.message(second).batch is None
    alone = world.collect("a")
    assert alone.members == (second,)
    world.complete(alone.ticket)
    assert world.collect("a").members == (first, third)


def test_before_a_batch_that_runs(world: World) -> None:
    sent = [world.send("a", text) for text in "123"]
    running = world.collect("a")
    moved = world.send("a")
    world.move(moved)
    world.reclaim(running.ticket)
    assert world.claim("a").message.id == moved
    assert sent


# ------------------------------------------------------------------------------------ by a person


def test_F272_what_an_operator_aborted_is_retried(world: World) -> None:
    claimed = world.start("a")
    message = claimed.message.id
    world.end_as(claimed, LaneState.ABORTED)
    accepted = world.retry(message)
    assert not isinstance(accepted, MessageState), accepted
    old = world.message(message)
    assert (old.state, old.retried_as) == (MessageState.ABORTED, world.lane("a").head_id)
    assert world.retry(message) is MessageState.ABORTED, "once"
    notice = world.events("a", type=EventType.NOTICE)[0]
    assert notice.detail is not None
    assert notice.detail["next"] == f"retry it with `lanes retry {message}` if it is still wanted"
