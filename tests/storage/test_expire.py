"""Edge ``expire``: a limit has passed, and the owner or somebody else lets go of the lane."""

import pytest

from lanes.testing import SECOND
from lanes_storage import doors
from lanes_storage.doors import Evidence
from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records import Beat, Release
from tests.kit.watch import Line, Watch
from tests.kit.world import World


@pytest.mark.parametrize("forced", [False, True])
def test_an_expired_run_leaves_its_lane_errored_and_its_message_failed(world: World, forced: bool) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    seen = Watch(world)
    release = world.expire(ticket, forced=forced)
    lane, stored, run = world.lane("a"), world.message(message), world.run(ticket)
    assert release == Release(True, Edge.EXPIRE, MessageState.FAILED, lane.epoch, paused=False)
    assert (lane.epoch > ticket.epoch) == forced
    assert lane.state is LaneState.ERRORED
    assert (stored.state, stored.interruptions) == (MessageState.FAILED, 0), "to expire is no interruption"
    assert stored.error is not None
    assert stored.error.cause is Cause.RUN_TIMEOUT
    assert (run.edge, run.cause, run.forced, run.ended_by) == (Edge.EXPIRE, Cause.RUN_TIMEOUT, forced, "tester")
    expected = {"lanes": 1, "messages": 1, "runs": 1, "turns": 1} | ({"counters": 1} if forced else {})
    assert seen.changed() == expected
    assert seen.lines() == [
        Line("expire", "running", "errored", ticket.run_id, message, lane.epoch, "tester", "run_timeout")
    ]
    assert (seen.detail().get("forced"), seen.detail().get("epoch_before")) == (
        (True, ticket.epoch) if forced else (None, None)
    )


def test_a_stall_that_is_over_is_no_evidence_any_more(world: World) -> None:
    ticket = world.start("a").ticket
    stalled = Evidence(progress_boot=world.run(ticket).progress_boot)
    world.time.move(SECOND)
    world.beat(ticket)
    seen = Watch(world)
    assert not world.expire(ticket, forced=True, evidence=stalled).applied
    assert seen.nothing(), "a judge that was wrong is no late write"
    still = Evidence(progress_boot=world.run(ticket).progress_boot)
    assert world.expire(ticket, forced=True, evidence=still).applied


def test_F114_a_run_that_has_been_heard_to_have_ended_is_not_expired_by_what_was_read_before(world: World) -> None:
    ticket, now = world.start("a").ticket, world.time()
    beat = Beat(ticket, "content", now.boot, now.wall, progress_slept_ms=now.slept, body_ended_at=now.wall)
    world.step(doors.heartbeat(world.me, [beat], now))
    assert world.run(ticket).body_ended_at == now.wall
    assert not world.expire(ticket, forced=True, evidence=Evidence(works=True)).applied
    assert world.complete(ticket).applied
