"""F43, F56: what ends otherwise than well leaves exactly one notice, with cause and next step; the rest leaves none."""

from collections.abc import Callable
from itertools import product

import pytest

from lanes.testing import MINUTE
from lanes_storage import doors, reads
from lanes_storage.doors.shared import BEFORE_RETRY, NOTED, NOTHING_TO_DO, next_step
from lanes_storage.law import (
    RETRIABLE,
    AttemptCause,
    BoundTo,
    Cause,
    EventType,
    LaneState,
    MessageState,
    OnInterrupt,
    Scope,
)
from lanes_storage.records import EventRow, RunFailure
from tests.kit.world import TERMS, World

KEY = "agent:main:telegram:42"


def notices(world: World, key: str = KEY) -> list[EventRow]:
    return world.events(key, type=EventType.NOTICE)


def fail(world: World) -> MessageState:
    world.fail(world.start(KEY).ticket)
    return MessageState.FAILED


def expire(world: World) -> MessageState:
    world.expire(world.start(KEY).ticket, forced=True)
    return MessageState.FAILED


def abort(world: World) -> MessageState:
    ticket = world.start(KEY).ticket
    world.request_abort(KEY, reason="stuck")
    world.abort(ticket)
    return MessageState.ABORTED


def force(world: World) -> MessageState:
    ticket = world.start(KEY).ticket
    world.request_abort(KEY, grace_ms=0)
    world.abort(ticket, forced=True)
    return MessageState.ABORTED


def complete_after_an_abort(world: World) -> MessageState:
    ticket = world.start(KEY).ticket
    world.request_abort(KEY)
    world.complete(ticket)
    return MessageState.ABORTED


def ghost(world: World) -> MessageState:
    ticket = world.start(KEY).ticket
    world.beat()
    world.beat()
    world.reclaim(ticket, Cause.GHOST, doors.Evidence(ghost=True))
    return MessageState.FAILED


def poison(world: World) -> MessageState:
    world.send(KEY)
    for _ in range(3):
        world.reclaim(world.claim(KEY).ticket)
    return MessageState.FAILED


def reclaim_what_must_not_run_again(world: World) -> MessageState:
    world.reclaim(world.start(KEY, terms=TERMS._replace(on_interrupt=OnInterrupt.FAIL)).ticket)
    return MessageState.FAILED


def park_for_too_long(world: World) -> MessageState:
    world.park(world.start(KEY).ticket, TERMS.max_park_ms + 1)
    return MessageState.FAILED


def postpone_for_too_long(world: World) -> MessageState:
    world.send(KEY)
    world.postpone(world.head(KEY), 2 * MINUTE, max_park_ms=MINUTE)
    return MessageState.FAILED


def drop(world: World) -> MessageState:
    world.drop(world.send(KEY))
    return MessageState.DROPPED


def cut_what_waits(world: World) -> MessageState:
    world.send(KEY)
    world.request_abort(KEY, scope=Scope.QUEUE)
    return MessageState.ABORTED


def abort_a_head_that_ran_before(world: World) -> MessageState:
    world.park(world.start(KEY).ticket)
    world.request_abort(KEY)
    return MessageState.ABORTED


def leave_as_a_client(world: World) -> MessageState:
    message = world.send(KEY, bound_to=BoundTo.CLIENT, bound_owner=world.me)
    world.step(lambda tx: doors.end_bound(tx, message, world.time(), actor="client", reason="its client left"))
    return MessageState.ABORTED


def die_as_its_owner(world: World) -> MessageState:
    world.send(KEY, bound_to=BoundTo.WAITER, bound_owner=world.me)
    world.end_owner(world.me)
    return MessageState.ABORTED


ENDINGS = [
    fail,
    expire,
    abort,
    force,
    complete_after_an_abort,
    ghost,
    poison,
    reclaim_what_must_not_run_again,
    park_for_too_long,
    postpone_for_too_long,
    drop,
    cut_what_waits,
    abort_a_head_that_ran_before,
    leave_as_a_client,
    die_as_its_owner,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_F43_an_ending_that_is_no_reply_leaves_exactly_one_notice(
    world: World, end: Callable[[World], MessageState]
) -> None:
    state = end(world)
    (message,) = world.store.read(reads.messages(world.lane(KEY).id))
    assert message.state is state
    (notice,) = notices(world)
    assert (notice.key, notice.message_id) == (KEY, message.id)
    assert message.error is not None
    assert notice.cause == message.error.cause
    assert notice.detail is not None
    assert notice.detail["state"] == state
    assert notice.detail["message"] == message.error.message
    assert notice.detail["next"]
    # It stands in the transaction of the ending, behind what it explains.
    before = [event for event in world.events(KEY) if event.id < notice.id]
    assert before[-1].message_id == notice.message_id
    assert before[-1].type not in (EventType.ACCEPTED, EventType.CLAIM)
    assert before[-1].at == notice.at


def test_F56_an_aborted_run_says_nothing_but_its_notice(world: World) -> None:
    ticket = world.start(KEY).ticket
    world.request_abort(KEY, reason="stuck")
    world.abort(ticket)
    message = world.message(world.run(ticket).message_id)
    assert (message.state, message.reply, message.reply_detail) == (MessageState.ABORTED, None, None)
    (notice,) = notices(world)
    assert notice.run_id == ticket.run_id
    assert notice.detail == {
        "state": "aborted",
        "message": "aborted by alice: stuck",
        "next": f"retry it with `lanes retry {message.id}` if it is still wanted",
    }


def test_what_ends_well_leaves_no_notice(world: World) -> None:
    world.complete(world.start(KEY).ticket)
    assert world.state(KEY) is LaneState.IDLE
    assert notices(world) == []


def test_what_goes_back_to_its_place_leaves_no_notice(world: World) -> None:
    world.park(world.start(KEY).ticket, MINUTE)
    world.time.move(MINUTE)
    world.interrupt(world.claim(KEY).ticket)
    world.reclaim(world.claim(KEY).ticket)
    assert notices(world) == []


def test_a_second_ending_of_one_message_leaves_no_second_notice(world: World) -> None:
    ticket = world.start(KEY).ticket
    world.fail(ticket)
    assert not world.fail(ticket).applied
    world.drop(world.run(ticket).message_id)
    assert len(notices(world)) == 1


def test_each_message_that_is_cut_leaves_its_own_notice(world: World) -> None:
    waiting = [world.send(KEY, str(number)) for number in range(3)]
    world.request_abort(KEY, scope=Scope.BOTH)
    assert [notice.message_id for notice in notices(world)] == waiting


def test_a_failure_in_an_anonymous_lane_is_told_too(world: World) -> None:
    world.send(KEY, anonymous=True, bound_to=BoundTo.CLIENT, bound_owner=world.me)
    world.fail(world.claim(KEY).ticket, RunFailure(Cause.PROVIDER_FAILED, "all failed"))
    (notice,) = notices(world)
    assert notice.detail is not None
    assert "its caller was told" in notice.detail["next"]
    assert "lanes retry" not in notice.detail["next"]


def test_every_cause_has_a_next_step() -> None:
    overflow = (MessageState.ABORTED, Cause.OVERFLOW)
    for state, cause in product(NOTED, Cause):
        said = next_step(17, state, cause)
        other = cause in NOTHING_TO_DO or state not in RETRIABLE or (state, cause) == overflow
        assert said.startswith("nothing to do") == (cause in NOTHING_TO_DO), (state, cause)
        assert ("`lanes retry 17`" in said) == (not other), (state, cause)


def test_F233_a_text_that_is_too_long_alone_is_not_to_be_retried() -> None:
    assert "retry" not in next_step(17, MessageState.FAILED, AttemptCause.CONTEXT_OVERFLOW)


def test_a_dead_letter_of_each_cause_that_can_fail_a_message_says_what_to_see_to_first() -> None:
    never_fails = {Cause.ABORTED, Cause.OVERFLOW} | NOTHING_TO_DO.keys()
    assert BEFORE_RETRY.keys() == set(Cause) - never_fails


def test_a_notice_names_the_lane_and_the_run_of_its_own_message(world: World) -> None:
    world.fail(world.start("another lane").ticket)
    failed = world.start(KEY)
    world.fail(failed.ticket)
    (said,) = notices(world)
    assert (said.message_id, said.run_id) == (failed.message.id, failed.ticket.run_id)
