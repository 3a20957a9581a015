"""A write that carries an old epoch is refused and counted; what it brought is kept and never delivered."""

import pytest

from lanes_storage.law import Edge, LaneState, MessageState
from lanes_storage.records import Claimed, Ticket
from tests.kit.watch import Line, Watch
from tests.kit.world import World
from tests.storage.edges import by_the_run


def superseded(world: World, key: str = "a") -> Claimed:
    """A run that lost its lane to the next one."""
    claimed = world.start(key)
    world.reclaim(claimed.ticket)
    world.claim(key)
    return claimed


def test_a_forced_release_takes_a_new_epoch(world: World) -> None:
    claimed = world.start("a")
    release = world.reclaim(claimed.ticket)
    lane = world.lane("a")
    assert release.epoch == lane.epoch
    assert lane.epoch > claimed.ticket.epoch
    assert world.run(claimed.ticket).forced


def test_a_confirmed_release_keeps_its_epoch(world: World) -> None:
    claimed = world.start("a")
    assert world.interrupt(claimed.ticket).epoch == claimed.ticket.epoch == world.lane("a").epoch
    assert not world.run(claimed.ticket).forced


@pytest.mark.parametrize("edge", ["complete", "fail", "park"])
def test_the_late_write_of_a_superseded_run_is_counted_and_changes_nothing_else(world: World, edge: str) -> None:
    claimed = superseded(world)
    ticket, message = claimed.ticket, claimed.message.id
    lane, stored = world.lane("a"), world.message(message)
    seen = Watch(world)
    release = by_the_run(world, edge, ticket)
    assert (release.applied, release.edge) == (False, None)
    assert (world.lane("a"), world.message(message)) == (lane, stored)
    assert seen.changed() == {"runs": 1}
    run = world.run(ticket)
    assert (run.refused_writes, run.edge) == (1, Edge.RECLAIM)
    assert seen.lines() == [
        Line("refused_write", run=ticket.run_id, message=message, epoch=ticket.epoch, actor="tester")
    ]
    assert seen.detail() == {"edge": edge}


def test_a_late_reply_is_kept_and_never_delivered(world: World) -> None:
    claimed = superseded(world)
    world.complete(claimed.ticket, "the late reply")
    world.complete(claimed.ticket, "and again")
    run, message = world.run(claimed.ticket), world.message(claimed.message.id)
    assert (run.late_reply, run.refused_writes) == ("the late reply", 2)
    assert (message.state, message.reply) == (MessageState.RUNNING, None), "its next run answers it"


def test_a_late_write_finds_its_own_run_alone(world: World) -> None:
    claimed = superseded(world)
    superseded(world, "b")
    before = [run for run in world.table("runs") if run[0] != claimed.ticket.run_id]
    world.complete(claimed.ticket)
    assert [run for run in world.table("runs") if run[0] != claimed.ticket.run_id] == before


def test_a_judge_that_comes_second_is_no_late_write(world: World) -> None:
    claimed = superseded(world)
    world.request_abort("a")
    seen = Watch(world)
    assert not world.reclaim(claimed.ticket).applied
    assert not world.expire(claimed.ticket, forced=True).applied
    assert not world.abort(claimed.ticket, forced=True).applied
    assert seen.nothing()


def test_the_owner_that_expires_too_late_is_told(world: World) -> None:
    claimed = superseded(world)
    assert not world.expire(claimed.ticket).applied
    assert world.run(claimed.ticket).refused_writes == 1


def test_a_ticket_that_never_was_changes_nothing(world: World) -> None:
    claimed = world.start("a")
    world.complete(claimed.ticket)
    seen = Watch(world)
    assert not world.complete(Ticket(4711, 4711)).applied
    assert seen.nothing()
    assert world.state("a") is LaneState.IDLE
