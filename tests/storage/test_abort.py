"""Edge ``abort``: asked for by anyone, sticky for its epoch, performed by whoever lets go of the lane."""

import pytest

from lanes.testing import SECOND
from lanes_storage import doors
from lanes_storage.doors import AbortRequest
from lanes_storage.law import Cause, Edge, LaneState, MessageState, Scope
from lanes_storage.records import Release
from tests.kit.watch import Line, Watch
from tests.kit.world import World
from tests.storage.edges import by_the_run

# ------------------------------------------------------------------------------------- the request


def test_a_request_is_stored_with_the_run_and_ends_nothing_yet(world: World) -> None:
    ticket = world.start("a").ticket
    world.start("b")
    lane, now = world.lane("a"), world.time()
    seen = Watch(world)
    asked = world.request_abort("a", reason="stuck", grace_ms=700)
    assert asked == AbortRequest(lane.id, ticket.epoch, ticket)
    run = world.run(ticket)
    assert (run.abort_at, run.abort_boot, run.abort_boot_id) == (now.wall, now.boot, now.boot_id)
    assert (run.abort_actor, run.abort_reason, run.abort_cause) == ("alice", "stuck", Cause.ABORTED)
    assert run.abort_grace_asked_ms == 700
    assert world.state("a") is LaneState.RUNNING
    assert seen.changed() == {"runs": 1}
    assert seen.lines() == [
        Line("abort_requested", "running", "running", ticket.run_id, None, ticket.epoch, "alice", "aborted")
    ]
    assert seen.detail() == {"reason": "stuck", "grace_ms": 700, "again": False}


def test_a_second_request_changes_nothing_of_the_first(world: World) -> None:
    ticket = world.start("a").ticket
    world.request_abort("a", reason="stuck", grace_ms=700)
    before = world.run(ticket)
    world.time.move(SECOND)
    seen = Watch(world)
    asked = world.request_abort("a", actor="bob", reason="me too", grace_ms=701)
    assert asked.ticket == ticket
    assert world.run(ticket) == before
    assert seen.nothing()


@pytest.mark.parametrize("first", [None, 700])
def test_a_second_request_can_hurry_the_first(world: World, first: int | None) -> None:
    ticket, other = world.start("a").ticket, world.start("b").ticket
    world.request_abort("a", grace_ms=first)
    world.request_abort("b", grace_ms=first)
    seen = Watch(world)
    world.request_abort("a", actor="bob", grace_ms=0)
    assert world.run(ticket).abort_grace_asked_ms == 0
    assert world.run(ticket).abort_actor == "alice"
    assert world.run(other).abort_grace_asked_ms == first
    assert [line.type for line in seen.lines()] == ["abort_requested"]
    assert seen.detail()["again"] is True


def test_a_request_without_a_grace_never_hurries(world: World) -> None:
    ticket = world.start("a").ticket
    world.request_abort("a", grace_ms=700)
    world.request_abort("a")
    assert world.run(ticket).abort_grace_asked_ms == 700


def test_a_lane_that_has_moved_on_is_left_alone(world: World) -> None:
    ticket = world.start("a").ticket
    world.send("a", "waits")
    seen = Watch(world)
    asked = world.request_abort("a", epoch=ticket.epoch - 1, scope=Scope.BOTH)
    assert (asked.moved_on, asked.ticket, asked.epoch, asked.cut) == (True, None, ticket.epoch, 0)
    assert seen.nothing()
    assert world.request_abort("a", epoch=ticket.epoch).ticket == ticket


def test_an_abort_of_no_lane_is_told(world: World) -> None:
    assert world.step(lambda tx: doors.request_abort(tx, "none", world.time(), actor="alice")) is None


def test_an_abort_of_an_idle_lane_finds_nothing(world: World) -> None:
    world.complete(world.start("a").ticket)
    seen = Watch(world)
    asked = world.request_abort("a")
    assert (asked.ticket, asked.cut, asked.moved_on) == (None, 0, False)
    assert seen.nothing()


# ----------------------------------------------------------------------------------------- the edge


@pytest.mark.parametrize("forced", [False, True])
def test_the_release_of_an_aborted_run(world: World, forced: bool) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    waits = world.send("a", "waits")
    world.request_abort("a", reason="stuck")
    world.time.move(SECOND)
    seen = Watch(world)
    release = world.abort(ticket, forced=forced)
    lane, run, stored = world.lane("a"), world.run(ticket), world.message(message)
    assert release == Release(True, Edge.ABORT, MessageState.ABORTED, lane.epoch, paused=False)
    assert (lane.epoch > ticket.epoch) == forced
    assert (lane.state, lane.head_id) == (LaneState.ABORTED, waits), "what waits is kept"
    assert lane.last_error is not None
    assert (lane.last_error.cause, lane.last_error.message) == (Cause.ABORTED, "aborted by alice: stuck")
    assert stored.state is MessageState.ABORTED
    assert stored.error is not None
    assert stored.error.message == "aborted by alice: stuck"
    assert (run.edge, run.cause, run.forced, run.ended_by) == (Edge.ABORT, Cause.ABORTED, forced, "tester")
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1, "turns": 1} | ({"counters": 1} if forced else {})
    assert seen.lines() == [
        Line("abort", "running", "aborted", ticket.run_id, message, lane.epoch, "tester", "aborted")
    ]
    assert (seen.detail()["requested_by"], seen.detail()["reason"]) == ("alice", "stuck")


def test_an_abort_that_nobody_requested_is_refused(world: World) -> None:
    ticket = world.start("a").ticket
    seen = Watch(world)
    assert not world.abort(ticket).applied
    assert not world.abort(ticket, forced=True).applied
    assert seen.nothing()


@pytest.mark.parametrize("edge", ["complete", "fail", "park", "expire", "forced expire", "reclaim", "interrupt"])
def test_every_release_of_an_aborted_epoch_is_the_abort_edge(world: World, edge: str) -> None:
    claimed = world.start("a")
    ticket = claimed.ticket
    world.request_abort("a", cause=Cause.INTERRUPTED_BY_NEWER)
    seen = Watch(world)
    match edge:
        case "expire" | "forced expire":
            release = world.expire(ticket, forced=edge != "expire")
        case "reclaim":
            release = world.reclaim(ticket)
        case "interrupt":
            release = world.interrupt(ticket)
        case _:
            release = by_the_run(world, edge, ticket)
    message = world.message(claimed.message.id)
    assert (release.applied, release.edge, release.message_state) == (True, Edge.ABORT, MessageState.ABORTED)
    assert world.state("a") is LaneState.ABORTED
    assert (message.state, message.reply, message.interruptions) == (MessageState.ABORTED, None, 0)
    assert message.error is not None
    assert message.error.cause is Cause.INTERRUPTED_BY_NEWER
    assert [(line.type, line.to_state, line.cause) for line in seen.lines()] == [
        ("abort", "aborted", "interrupted_by_newer")
    ]
    assert world.run(ticket).edge is Edge.ABORT


def test_a_reply_that_comes_after_the_request_is_kept_and_not_delivered(world: World) -> None:
    claimed = world.start("a")
    world.request_abort("a")
    world.complete(claimed.ticket, "too late")
    assert world.run(claimed.ticket).late_reply == "too late"
    assert world.message(claimed.message.id).reply is None


def test_a_request_binds_its_own_epoch_alone(world: World) -> None:
    first = world.start("a").ticket
    world.request_abort("a")
    world.abort(first)
    second = world.start("a").ticket
    assert world.run(second).abort_at is None
    assert world.complete(second).edge is Edge.COMPLETE


# ----------------------------------------------------------------------------------- what waits


@pytest.mark.parametrize(
    ("scope", "cut", "asked"), [(Scope.RUN, 0, True), (Scope.QUEUE, 2, False), (Scope.BOTH, 2, True)]
)
def test_the_scope_says_what_is_cut(world: World, scope: Scope, cut: int, asked: bool) -> None:
    ticket = world.start("a").ticket
    waiting = [world.send("a", "1"), world.send("a", "2")]
    other = world.send("b")
    request = world.request_abort("a", scope=scope, reason="spam")
    assert (request.cut, request.ticket) == (cut, ticket if asked else None)
    assert (world.run(ticket).abort_at is not None) == asked
    states = {world.message(message).state for message in waiting}
    assert states == {MessageState.ABORTED if cut else MessageState.QUEUED}
    assert world.lane("a").queued == 2 - cut
    assert world.message(other).state is MessageState.QUEUED


def test_what_is_cut_keeps_its_payload_in_the_journal(world: World) -> None:
    message = world.send("a", "the text", runner="coder")
    seen = Watch(world)
    assert world.request_abort("a", scope=Scope.QUEUE, reason="spam").cut == 1
    assert seen.lines() == [Line("ended", "queued", "aborted", message=message, actor="alice", cause="aborted")]
    assert seen.detail() == {"text": "the text", "runner": "coder", "reason": "spam"}
    assert seen.changed() == {"lanes": 1, "messages": 1}


def test_a_head_that_ran_before_is_ended_by_an_abort_of_its_released_lane(world: World) -> None:
    message = world.interrupted("a", 1)
    waits = world.send("a", "waits")
    asked = world.request_abort("a", reason="stuck")
    assert (asked.ticket, asked.cut) == (None, 1)
    assert world.message(message).state is MessageState.ABORTED
    assert world.lane("a").head_id == waits
    assert world.message(waits).state is MessageState.QUEUED


def test_a_head_that_never_ran_is_kept_by_an_abort_of_its_released_lane(world: World) -> None:
    message = world.send("a")
    asked = world.request_abort("a")
    assert (asked.ticket, asked.cut) == (None, 0)
    assert world.message(message).state is MessageState.QUEUED


def test_an_abort_between_two_runs_is_bound_by_its_epoch(world: World) -> None:
    message = world.interrupted("a", 1)
    assert world.request_abort("a", epoch=0).moved_on
    assert world.message(message).state is MessageState.QUEUED
    assert world.request_abort("a", epoch=world.lane("a").epoch).cut == 1
