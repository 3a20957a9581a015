"""A run that waits for another lane: noted, counted as no stall, and refused where it would wait for itself."""

from functools import partial
from typing import Any

import pytest

from lanes.testing import SECOND
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted, WaitCircle
from lanes_storage.law import Prunable
from lanes_storage.records import ProcessIdentity, Ticket, Waiter
from tests.kit.world import OWNER, PROCESS, World


def wait(world: World, ticket: Ticket, message: int) -> WaitCircle | bool:
    return world.step(lambda tx: doors.begin_wait(tx, Waiter(ticket.run_id, PROCESS), message, world.time()))


def test_a_wait_is_progress_and_shows_until_the_message_has_ended(world: World) -> None:
    run = world.start("a").ticket
    other = world.send("b")
    world.time.move(30 * SECOND)
    assert wait(world, run, other) is True
    assert world.run(run).waiting
    assert world.run(run).progress_boot == world.time().boot
    assert world.store.read(reads.orders_of_owner(world.me)).waits == {run.run_id}
    world.complete(world.claim("b").ticket)
    assert not world.run(run).waiting, "the row of the wait is left, and means nothing any more"
    assert world.store.read(reads.orders_of_owner(world.me)).waits == frozenset()


def test_a_wait_that_is_given_up_counts_no_more(world: World) -> None:
    run = world.start("a").ticket
    other = world.send("b")
    wait(world, run, other)
    world.step(lambda tx: doors.end_wait(tx, Waiter(run.run_id, PROCESS), other))
    assert not world.run(run).waiting


def test_F29_a_run_cannot_wait_for_its_own_lane(world: World) -> None:
    run = world.start("a").ticket
    before = world.rows()
    assert world.accept("a", waiting_run=run.run_id) == WaitCircle(("a", "a"))
    assert world.rows() == before, "refused, and nothing stored"


def test_F30_a_circle_of_two_is_found_when_the_second_closes_it(world: World) -> None:
    a, b = world.start("a").ticket, world.start("b").ticket
    first = world.accept("b", waiting_run=a.run_id)
    assert isinstance(first, Accepted)
    assert world.accept("a", waiting_run=b.run_id) == WaitCircle(("b", "a", "b"))
    world.complete(b)  # the one that was refused goes on, and the other with it
    assert world.claim("b").message.id == first.message_id


def test_a_circle_of_three_is_found(world: World) -> None:
    runs = {key: world.start(key).ticket for key in "abc"}
    assert isinstance(world.accept("b", waiting_run=runs["a"].run_id), Accepted)
    assert isinstance(world.accept("c", waiting_run=runs["b"].run_id), Accepted)
    assert world.accept("a", waiting_run=runs["c"].run_id) == WaitCircle(("c", "a", "b", "c"))


def test_two_that_wait_for_one_are_no_circle(world: World) -> None:
    runs = {key: world.start(key).ticket for key in "abc"}
    assert isinstance(world.accept("c", waiting_run=runs["a"].run_id), Accepted)
    assert isinstance(world.accept("c", waiting_run=runs["b"].run_id), Accepted)
    assert isinstance(world.accept("b", waiting_run=runs["a"].run_id), Accepted)


def test_a_run_that_has_lost_its_lane_waits_for_nothing(world: World) -> None:
    run = world.start("a").ticket
    world.reclaim(run)
    other = world.send("b")
    assert wait(world, run, other) is False
    assert isinstance(world.accept("a", waiting_run=run.run_id), Accepted)
    assert world.store.read(reads.orders_of_owner(world.me)).waits == frozenset()


def test_a_known_message_is_waited_for_as_well(world: World) -> None:
    from lanes_storage.records import Idempotency

    run = world.start("a").ticket
    name = Idempotency("once", "", "digest")
    accepted = world.accept("b", idempotency=name)
    assert isinstance(accepted, Accepted)
    again = world.accept("b", idempotency=name, waiting_run=run.run_id)
    assert again == Accepted(accepted.message_id, created=False)
    assert world.run(run).waiting


def test_the_rows_of_a_wait_go_with_the_run_that_waited(world: World) -> None:
    claimed = world.start("a")
    run, waiting, other = claimed.ticket, claimed.message.id, world.send("b")
    wait(world, run, other)
    world.complete(world.claim("b").ticket)
    world.complete(run)
    before = world.time.move(1).wall
    pruned = world.step(lambda tx: doors.prune(tx, Prunable.MESSAGES, [(m, before) for m in (waiting, other)]))
    assert pruned == 2
    world.step(lambda tx: doors.prune(tx, Prunable.RUNS, [(run.run_id, before)]))
    assert world.table("waits") == []


def test_the_end_of_one_wait_ends_no_other(world: World) -> None:
    one, two = world.start("a").ticket, world.start("b").ticket
    first, second = world.send("c"), world.send("d")
    for run in (one, two):
        for message in (first, second):
            assert wait(world, run, message) is True
    world.step(lambda tx: doors.end_wait(tx, Waiter(one.run_id, PROCESS), first))
    left = {(one.run_id, second), (two.run_id, first), (two.run_id, second)}
    assert {row[:2] for row in world.table("waits")} == left


@pytest.mark.parametrize("other", [{"host": "there"}, {"pid_ns": "ns-2"}, {"pid": 4243}])
def test_a_wait_of_one_process_ends_that_of_no_other(world: World, other: dict[str, Any]) -> None:
    run, message = world.start("a").ticket, world.send("b")
    here, elsewhere = (Waiter(run.run_id, process) for process in (PROCESS, PROCESS._replace(**other)))
    for waiter in (here, elsewhere, here):
        assert world.step(lambda tx, waiter=waiter: doors.begin_wait(tx, waiter, message, world.time())) is True  # type: ignore[misc]
    assert len(world.table("waits")) == 2
    world.step(lambda tx: doors.end_wait(tx, here, message))
    assert world.run(run).waiting
    world.step(lambda tx: doors.end_wait(tx, elsewhere, message))
    assert not world.run(run).waiting


def test_a_wait_whose_message_has_ended_closes_no_circle(world: World) -> None:
    run = world.start("a").ticket
    wait(world, run, world.send("b"))
    world.complete(world.claim("b").ticket)
    later = world.start("b").ticket
    assert isinstance(world.accept("a", waiting_run=later.run_id), Accepted)


def test_an_owner_looks_at_those_of_its_own_runs_that_wait(world: World) -> None:
    waiting, message = world.start("a").ticket, world.send("b")
    world.start("c")
    assert wait(world, waiting, message) is True
    assert [run.id for run in world.store.read(reads.open_runs(world.me))] == [waiting.run_id]


def test_the_end_of_an_owner_ends_the_waits_in_its_process_alone(world: World) -> None:
    run, message, other = world.start("a").ticket, world.send("b"), world.owner(pid=4712)
    for pid in (OWNER.pid, 4712):
        waiter = Waiter(run.run_id, ProcessIdentity(OWNER.host, OWNER.boot_id, OWNER.pid_ns, pid, OWNER.start_time))
        world.step(partial(doors.begin_wait, waiter=waiter, message=message, now=world.time()))
    world.end_owner(other)
    assert [row[4] for row in world.table("waits")] == [OWNER.pid]
