"""Edges ``complete`` and ``fail``: the run itself says how it ended."""

import pytest

from lanes.testing import MINUTE
from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records import LastErrorRow, ProviderAttempt, Release, RunFailure, RunResult, Ticket
from tests.kit.watch import Line, Watch
from tests.kit.world import World
from tests.storage.edges import by_the_run

CHAIN = (ProviderAttempt("codex", "server_error", "500", 11), ProviderAttempt("backup", "idle_timeout", "silent", 12))


def test_a_run_that_completes_leaves_its_lane_idle_and_its_message_done(world: World) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    world.time.move(MINUTE)
    seen = Watch(world)
    release = world.complete(ticket, "the reply")
    assert release == Release(True, Edge.COMPLETE, MessageState.DONE, ticket.epoch, paused=False)
    lane, run, stored, now = world.lane("a"), world.run(ticket), world.message(message), world.time()
    assert (lane.state, lane.epoch, lane.run, lane.last_error) == (LaneState.IDLE, ticket.epoch, None, None)
    assert (run.edge, run.cause, run.forced) == (Edge.COMPLETE, None, False)
    assert (run.ended_at, run.ended_by) == (now.wall, "tester")
    assert (stored.state, stored.reply, stored.error, stored.ended_at) == (
        MessageState.DONE,
        "the reply",
        None,
        now.wall,
    )
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1, "turns": 1}
    assert seen.lines() == [Line("complete", "running", "idle", ticket.run_id, message, ticket.epoch, "tester")]


def test_an_answer_is_kept_whole(world: World) -> None:
    claimed = world.start("a")
    answer = RunResult("the reply", '{"usage": 7}', CHAIN)
    world.complete(claimed.ticket, answer)
    message = world.message(claimed.message.id)
    assert (message.reply, message.reply_detail) == (answer.text, answer.detail)
    assert '"codex"' in str(world.table("messages")), "the chain that failed before is kept"


def test_a_run_that_fails_leaves_its_lane_errored_and_its_message_failed(world: World) -> None:
    claimed = world.start("a")
    ticket, message = claimed.ticket, claimed.message.id
    world.time.move(MINUTE)
    failure = RunFailure(Cause.PROVIDER_FAILED, "all failed", CHAIN)
    seen = Watch(world)
    release = world.fail(ticket, failure)
    assert release == Release(True, Edge.FAIL, MessageState.FAILED, ticket.epoch, paused=False)
    lane, run, stored, now = world.lane("a"), world.run(ticket), world.message(message), world.time()
    assert (lane.state, lane.epoch, lane.run) == (LaneState.ERRORED, ticket.epoch, None)
    assert lane.last_error == LastErrorRow(Cause.PROVIDER_FAILED, "all failed", now.wall)
    assert (run.edge, run.cause, run.forced, run.ended_by) == (Edge.FAIL, Cause.PROVIDER_FAILED, False, "tester")
    assert (stored.state, stored.error, stored.reply) == (MessageState.FAILED, failure, None)
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1, "turns": 1}
    assert seen.lines() == [
        Line("fail", "running", "errored", ticket.run_id, message, ticket.epoch, "tester", "provider_failed")
    ]
    assert seen.detail() == {"message_state": "failed", "message": "all failed"}


def test_a_failed_run_is_no_interruption(world: World) -> None:
    claimed = world.start("a")
    world.fail(claimed.ticket)
    assert world.message(claimed.message.id).interruptions == 0


def test_the_release_of_one_lane_leaves_the_others_alone(world: World) -> None:
    one, other = world.start("a").ticket, world.start("b").ticket
    world.send("a", "waits")
    before = (world.state("b"), world.lane("b").epoch, world.run(other))
    world.complete(one)
    assert (world.state("b"), world.lane("b").epoch, world.run(other)) == before
    assert world.lane("a").queued == 1


@pytest.mark.parametrize("edge", ["complete", "fail", "park"])
def test_a_run_ends_once(world: World, edge: str) -> None:
    claimed = world.start("a")
    world.complete(claimed.ticket)
    before = world.lane("a"), world.message(claimed.message.id)
    assert not by_the_run(world, edge, claimed.ticket).applied
    assert (world.lane("a"), world.message(claimed.message.id)) == before
    assert world.run(claimed.ticket).edge is Edge.COMPLETE


@pytest.mark.parametrize("ticket", [Ticket(99, 99), Ticket(99, 1), Ticket(1, 2), Ticket(1, 0)], ids=str)
@pytest.mark.parametrize("edge", ["complete", "fail", "park"])
def test_run_id_and_epoch_are_both_asked(world: World, edge: str, ticket: Ticket) -> None:
    assert world.start("a").ticket == Ticket(1, 1)
    assert not by_the_run(world, edge, ticket).applied
    assert (world.state("a"), world.lane("a").epoch) == (LaneState.RUNNING, 1)
