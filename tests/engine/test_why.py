"""What ``why`` says of a held lane and its limits is what the judges will do."""

import subprocess
import sys

from lanes import operations
from lanes.identity import identity_of
from lanes.procedure import run
from lanes.testing import HOUR, SECOND
from lanes_storage import doors
from lanes_storage.records import Beat, Ticket, Waiter
from tests.kit.world import TERMS, World

STALL_LIMIT = TERMS.stall_timeout_ms or 0


def why(world: World, key: str = "a") -> str:
    return run(world.store, operations.why(key), world.time)


def tell(world: World, ticket: Ticket, *, busy_ms: int | None = None, ended: bool = False) -> None:
    """A heartbeat that names the run, as of now."""
    now = world.time()
    busy = None if busy_ms is None else now.boot + busy_ms
    beat = Beat(ticket, "content", now.boot, now.wall, busy, None, now.slept, now.wall if ended else None)
    world.step(doors.heartbeat(world.me, [beat], now))


def test_it_tells_when_each_limit_ends_the_run(world: World) -> None:
    tell(world, world.start("a").ticket)
    world.time.move(30 * SECOND)
    said = why(world)
    assert "It expires in 4m 30s (run_timeout 5m 0s)" in said
    assert "it stalls in 1m 30s without progress (stall_timeout 2m 0s)." in said


def test_a_limit_that_has_passed_is_not_told_as_one_to_come(world: World) -> None:
    world.start("a")
    world.time.move(STALL_LIMIT + 3 * SECOND)
    assert "it stalls now, 3 s past its limit (stall_timeout 2m 0s)." in why(world)


def test_F108_it_counts_no_sleep(world: World) -> None:
    ticket = world.start("a").ticket
    tell(world, ticket, busy_ms=50 * SECOND)
    world.time.move(20 * SECOND)
    world.time.sleep(HOUR)
    said = why(world)
    assert "has held it for 20 s; its last sign was “content”, 20 s ago." in said
    assert "last heartbeat 20 s ago" in said
    assert "It expires in 4m 40s" in said
    assert "it said that it is busy for another 30 s." in said


def test_F109_it_says_for_what_a_run_waits_and_whether_anybody_waits_there_still(world: World) -> None:
    """And never that it stalls in 0 ms."""
    ticket, other = world.start("a").ticket, world.send("b")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    waiter = Waiter(ticket.run_id, identity_of(child.pid))
    world.step(lambda tx: doors.begin_wait(tx, waiter, other, world.time()))
    world.time.move(2 * STALL_LIMIT)
    said = why(world)
    assert f"It waits for message {other} of lane b (process {child.pid} on this host is alive)." in said
    assert "it is not stalled while it waits." in said
    child.communicate(b"\n")
    said = why(world)
    assert f"It waits for message {other} of lane b, but process {child.pid} on this host is gone:" in said
    assert "a reconcile pass" in said or "the next reconcile pass" in said
    assert "it stalls" in said
    assert "0 ms" not in said


def test_F107_it_says_of_a_run_whose_work_has_ended_that_no_limit_ends_it(world: World) -> None:
    tell(world, world.start("a").ticket, ended=True)
    world.time.move(HOUR)
    said = why(world)
    assert "Its work ended 1h 0m ago; no limit ends it any more, while its end waits to be stored." in said
    assert "expires" not in said
