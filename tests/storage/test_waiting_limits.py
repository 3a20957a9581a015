"""How long a message may wait; and the loop guard: how long a chain may be, and how many messages may come."""

import pytest

from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage.doors import Accepted
from lanes_storage.law import MAX_CHAIN, BoundTo, Cause, EventType, MessageState, PauseKind
from tests.kit.watch import Line, Watch
from tests.kit.world import World


def paused(world: World, key: str) -> str | None:
    pause = world.lane(key).pause
    return None if pause is None else pause.kind


# ------------------------------------------------------------------------------------------ max_wait


def test_F274_what_waited_too_long_ends_failed_with_a_notice(world: World) -> None:
    running = world.start("a")
    message = world.send("a", "late", max_wait_ms=MINUTE)
    behind = world.send("a", "patient")
    world.time.move(MINUTE - 1)
    assert world.expire_waiting() == 0
    world.time.move(1)
    seen = Watch(world)
    assert world.expire_waiting() == 1
    told = world.message(message)
    assert told.state is MessageState.FAILED
    assert told.error is not None
    assert (told.error.cause, told.error.message) == (
        Cause.EXPIRED,
        "it waited for 60 s, longer than its max_wait of 60 s",
    )
    assert seen.lines()[0] == Line("ended", "queued", "failed", message=message, actor="lanes", cause="expired")
    assert [event.message_id for event in world.events("a", type=EventType.NOTICE)] == [message]
    assert world.expire_waiting() == 0
    assert world.lane("a").head_id == behind
    assert world.message(running.message.id).state is MessageState.RUNNING


def test_it_is_not_claimed_once_its_time_is_over(world: World) -> None:
    world.send("a", max_wait_ms=MINUTE)
    head = world.head("a")
    world.time.move(MINUTE)
    assert world.candidates() == []
    assert world.expire_waiting() == 1
    assert world.try_claim(head) is None


def test_what_runs_does_not_expire_but_may_when_it_waits_again(world: World) -> None:
    world.send("a", max_wait_ms=MINUTE)
    ticket = world.claim("a").ticket
    world.time.move(2 * MINUTE)
    assert world.expire_waiting() == 0
    world.reclaim(ticket)
    assert world.expire_waiting() == 1


def test_a_hold_does_not_expire(world: World) -> None:
    message = world.send("a", None, bound_to=BoundTo.WAITER, bound_owner=world.me, max_wait_ms=SECOND)
    assert world.message(message).expires_at is None


# ---------------------------------------------------------------------------------------- loop guard


def test_F273_a_chain_of_messages_pauses_its_lane_when_it_is_too_long(world: World) -> None:
    ticket, key, accepted = world.start("lane 0").ticket, "lane 0", Accepted(0, created=False)
    for number in range(1, MAX_CHAIN + 2):
        key = f"lane {number % 2}"
        found = world.accept(key, from_run=ticket.run_id)
        assert isinstance(found, Accepted)
        accepted = found
        world.complete(ticket)
        if number <= MAX_CHAIN:
            assert not accepted.pauses
            ticket = world.claim(key).ticket
    assert accepted.pauses
    assert paused(world, key) == PauseKind.LOOP
    assert world.candidates() == []
    reason = world.lane(key).pause
    assert reason is not None
    assert reason.reason == "a loop: 21 messages, each sent by the run of the one before (at most 20)"
    assert world.message(accepted.message_id).state is MessageState.QUEUED, "nothing is lost"
    world.resume(key)
    assert world.claim(key).message.id == accepted.message_id


def test_a_retry_does_not_begin_a_new_chain(world: World) -> None:
    sent = world.send("b", from_run=world.start("a").ticket.run_id)
    world.fail(world.claim("b").ticket)
    again = world.retry(sent)
    assert isinstance(again, Accepted)
    query = "SELECT depth FROM messages WHERE id = :id"
    depths = [world.step(lambda tx, id_=id_: tx.rows(query, {"id": id_})[0][0]) for id_ in (sent, again.message_id)]  # type: ignore[misc]
    assert depths == [1, 1]


def test_a_run_that_is_not_there_begins_no_chain(world: World) -> None:
    assert isinstance(world.accept("a", from_run=4711), Accepted)
    assert paused(world, "a") is None


def test_more_messages_than_may_come_in_a_minute_pause_the_lane(world: World) -> None:
    for _ in range(3):
        world.send("a", max_per_minute=3)
        world.time.move(19 * SECOND)
    seen = Watch(world)
    world.send("a", max_per_minute=3)
    assert paused(world, "a") == PauseKind.LOOP
    assert [line.type for line in seen.lines()] == ["accepted", "paused"]
    world.send("a", max_per_minute=3)
    assert [line.type for line in seen.lines()] == ["accepted", "paused", "accepted"], "once"


@pytest.mark.parametrize(("apart_ms", "expected"), [(20 * SECOND, None), (19 * SECOND, PauseKind.LOOP)])
def test_a_minute_is_counted_back_from_the_last_one(world: World, apart_ms: int, expected: PauseKind | None) -> None:
    for number in range(4):
        world.time.move(apart_ms if number else 0)
        world.send("a", max_per_minute=3)
    assert paused(world, "a") == expected


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR])
def test_F508_a_clock_that_is_set_makes_no_loop_of_what_came_long_ago(world: World, by: int) -> None:
    for _ in range(6):
        world.send("a", max_per_minute=3)
        world.time.move(MINUTE)
    world.time.jump_wall(by)
    for _ in range(3):
        world.send("a", max_per_minute=3)
        assert paused(world, "a") is None
    world.send("a", max_per_minute=3)
    assert paused(world, "a") == PauseKind.LOOP, "what loops now is found"


def test_a_pause_of_another_lane_or_kind_stands_in_for_none(world: World) -> None:
    world.send("b", max_per_minute=1)
    world.pause("b", until=world.time().wall + SECOND)
    for key in "ab":
        world.send(key, max_per_minute=1)
        world.send(key, max_per_minute=1)
        world.time.move(SECOND)
    assert [paused(world, key) for key in "ab"] == [PauseKind.LOOP, PauseKind.LOOP]


def test_other_lanes_do_not_count(world: World) -> None:
    for number in range(6):
        world.send(f"lane {number % 2}", max_per_minute=3)
    assert [paused(world, f"lane {number}") for number in range(2)] == [None, None]
