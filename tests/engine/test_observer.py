"""The observer: what is decided is carried out on a real store, once, however many do it at once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lanes.base.errors import WaitCycle
from lanes.base.procedure import run
from lanes.context import Context
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import Decision
from lanes.host.identity import identity_of, this_process
from lanes.testing import SECOND, Hands
from lanes.verbs import sending
from lanes_storage import Store, doors
from lanes_storage.errors import DatabaseLocked
from lanes_storage.interface import Reads, Step
from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records import Beat, ProcessIdentity, Ticket, Waiter
from tests.kit.judged import NOBODY
from tests.kit.watch import Watch
from tests.kit.world import OWNER, TERMS, World

INTERVAL = 5 * SECOND
STALL = TERMS.stall_timeout_ms or 0


class Refusing:
    """A reader and a writer that refuse while they are told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = self.writes = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def look(self, look: Callable[[Reads], Any]) -> Any:
        if self.reads:
            raise DatabaseLocked("lanes.db")
        return self._store.look(look)

    def write(self, step: Step[Any]) -> Any:
        if self.writes:
            raise DatabaseLocked("lanes.db")
        return self._store.write(step)


Make = Callable[..., Observer]


@pytest.fixture
def refusing(store: Store) -> Refusing:
    return Refusing(store)


@pytest.fixture
def observer(refusing: Refusing, time: Hands) -> Observer:
    return Observer(refusing, refusing.write, time, by="observer", interval_ms=INTERVAL)


def dead(world: World) -> int:
    me = this_process()
    return world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)


def watch(observer: Observer, time: Hands, ms: int) -> list[Decision]:
    """Pass after pass; what the last one did."""
    while ms > 0:
        time.move(min(ms, INTERVAL))
        ms -= INTERVAL
        done = observer.run_once()
    return [finding.decision for finding, applied in done if applied]


def test_the_lanes_of_a_dead_owner_are_taken_back_and_the_owner_is_closed(observer: Observer, world: World) -> None:
    owner = dead(world)
    claimed, mine = world.start("a", owner=owner), world.start("mine")
    done = observer.run_once()
    assert [(finding.decision, applied) for finding, applied in done] == [(Decision.OWNER_GONE, True)] * 2
    run = world.run(claimed.ticket)
    assert (run.edge, run.cause, run.forced, run.ended_by) == (Edge.RECLAIM, Cause.OWNER_GONE, True, "observer")
    assert world.message(claimed.message.id).state is MessageState.QUEUED
    assert world.owner_row(owner).ended_cause == "owner_gone"
    assert world.run(mine.ticket).edge is None, "never everything that is marked running"


def test_a_second_pass_finds_nothing_to_do(observer: Observer, world: World) -> None:
    world.start("a", owner=dead(world))
    observer.run_once()
    seen = Watch(world)
    assert observer.run_once() == []
    assert seen.nothing()


def test_two_observers_that_decided_the_same_act_once(store: Store, world: World, time: Hands) -> None:
    world.start("a", owner=dead(world))
    one, two = (Observer(store, store.write, time, by=by, interval_ms=INTERVAL) for by in ("one", "two"))
    findings = one.look(), two.look()
    assert [applied for _, applied in one.act(findings[0])] == [True, True]
    seen = Watch(world)
    assert [applied for finding, applied in two.act(findings[1]) if finding.run is not None] == [False]
    assert seen.nothing()


def test_looking_changes_nothing(observer: Observer, world: World) -> None:
    world.start("a", owner=dead(world))
    seen = Watch(world)
    assert [finding.decision for finding in observer.look()] == [Decision.OWNER_GONE] * 2
    assert seen.nothing()


def test_a_silent_owner_loses_its_lanes_and_one_that_beats_does_not(
    observer: Observer, world: World, time: Hands
) -> None:
    other = world.owner(pid=4712)
    silent, beating = world.start("a", owner=other).ticket, world.start("b").ticket
    observer.run_once()
    for _ in range(OWNER.stale_after_ms // INTERVAL):
        time.move(INTERVAL)
        world.beat(beating)
        done = observer.run_once()
    assert {finding.decision for finding, applied in done if applied} == {Decision.OWNER_SILENT}
    assert world.run(silent).cause is Cause.OWNER_SILENT
    assert world.run(beating).edge is None
    assert world.owner_row(other).ended_cause == "owner_silent"


def test_an_owner_that_beats_between_look_and_act_keeps_its_lanes(
    observer: Observer, world: World, time: Hands
) -> None:
    ticket = world.start("a").ticket
    observer.run_once()
    watch(observer, time, OWNER.stale_after_ms - INTERVAL)
    time.move(INTERVAL)
    findings = observer.look()
    assert {finding.decision for finding in findings} == {Decision.OWNER_SILENT}
    world.beat(ticket)
    observer.act(findings)
    assert world.state("a") is LaneState.RUNNING
    assert world.owner_row(world.me).ended_at is None


def test_a_ghost_is_taken_back_and_its_message_fails(observer: Observer, world: World) -> None:
    claimed = world.start("a")
    world.beat()
    world.beat()
    observer.run_once()
    message = world.message(claimed.message.id)
    assert message.error is not None
    assert (message.state, message.error.cause) == (MessageState.FAILED, Cause.GHOST)
    assert world.owner_row(world.me).ended_at is None, "the owner itself is healthy"


@pytest.mark.parametrize("refuses", ["reads", "writes"])
def test_time_in_which_the_database_refused_is_no_silence(
    observer: Observer, refusing: Refusing, world: World, time: Hands, refuses: str
) -> None:
    ticket = world.start("a").ticket
    observer.run_once()
    watch(observer, time, OWNER.stale_after_ms - 1)
    setattr(refusing, refuses, True)
    time.move(1)
    with pytest.raises(DatabaseLocked):
        observer.run_once()
    setattr(refusing, refuses, False)
    assert observer.run_once() == []
    assert watch(observer, time, OWNER.stale_after_ms - 1) == []
    assert world.run(ticket).edge is None
    assert watch(observer, time, 1) == [Decision.OWNER_SILENT] * 2


def test_an_abort_that_nobody_confirmed_is_forced(observer: Observer, world: World, time: Hands) -> None:
    ticket = world.start("a").ticket
    world.request_abort("a")
    assert observer.run_once() == []
    world.beat(ticket)
    assert watch(observer, time, 10 * SECOND) == [Decision.ABORT_DUE]
    assert (world.run(ticket).edge, world.run(ticket).ended_by) == (Edge.ABORT, "observer")


def test_a_write_that_was_given_up_makes_the_look_worth_nothing(refusing: Refusing, world: World, time: Hands) -> None:
    """The writer is busy with others for longer than anyone waits: what was seen before that proves nothing."""

    def late(_: Step[Any]) -> Any:
        raise TimeoutError

    observer = Observer(refusing, late, time, by="observer", interval_ms=INTERVAL)
    world.start("a")
    for _ in range(OWNER.stale_after_ms // INTERVAL):
        assert observer.act(observer.look()) == []
        time.move(INTERVAL)
    with pytest.raises(TimeoutError):
        observer.run_once()
    assert observer.run_once() == [], "its silence is counted from now on"


# ------------------------------------------------------------------------------ waits of dead processes


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which ends when it is told to."""
    made = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield made
    made.communicate()


def test_F109_a_wait_ends_with_the_process_that_waits(
    observer: Observer, world: World, time: Hands, child: "subprocess.Popen[bytes]"
) -> None:
    terms = TERMS._replace(run_timeout_ms=None)
    run, other = world.start("a", terms=terms).ticket, world.send("b")
    here, there = Waiter(run.run_id, this_process()), Waiter(run.run_id, identity_of(child.pid))
    for waiter in (here, there):
        world.step(lambda tx, waiter=waiter: doors.begin_wait(tx, waiter, other, time()))  # type: ignore[misc]

    def beating(ms: int) -> list[Decision]:
        done = []
        while ms > 0:
            world.step(doors.heartbeat(world.me, [_still(world, run)], time()))
            done += [finding.decision for finding, applied in observer.run_once() if applied]
            time.move(min(ms, INTERVAL))
            ms -= INTERVAL
        return done

    assert beating(2 * STALL) == [], "both wait"
    world.step(lambda tx: doors.end_wait(tx, here, other))
    assert beating(2 * STALL) == [], "the other one does still"
    child.communicate(b"\n")
    assert beating(INTERVAL) == [Decision.WAITER_GONE]
    assert world.table("waits") == []
    assert not world.run(run).waiting
    assert beating(2 * STALL) == [Decision.STALL_OVERDUE], "and its silence counts from there"


def test_F109_a_wait_of_a_dead_process_is_no_circle(world: World, child: "subprocess.Popen[bytes]") -> None:
    a, b = world.start("a").ticket, world.start("b").ticket
    gone = Waiter(a.run_id, identity_of(child.pid))
    world.step(lambda tx: doors.begin_wait(tx, gone, world.run(b).message_id, world.time()))
    with pytest.raises(WaitCycle):
        run(world.store, sending.send(Context("b"), "a", "hello", waiting_run=b.run_id))
    child.communicate(b"\n")
    assert run(world.store, sending.send(Context("b"), "a", "hello", waiting_run=b.run_id)).state == "queued"


def test_F109_a_silent_owner_waits_no_more(world: World) -> None:
    """Its process is on another host, where nobody here can look: what ends it ends its waits as well."""
    there = world.owner(host="there")
    ticket, other = world.start("a").ticket, world.send("b")
    process = ProcessIdentity(*OWNER._replace(host="there")[1:6])
    world.step(lambda tx: doors.begin_wait(tx, Waiter(ticket.run_id, process), other, world.time()))
    assert world.run(ticket).waiting
    world.end_owner(there, cause="stopped")
    assert world.run(ticket).waiting, "one that closed its row may wait on"
    there = world.owner(host="there")
    world.end_owner(there, cause="owner_silent")
    assert not world.run(ticket).waiting


def _still(world: World, ticket: Ticket) -> Beat:
    """What a heartbeat says of a run that has made no progress since the last one."""
    row = world.run(ticket)
    return Beat(ticket, row.progress, row.progress_boot, row.progress_at, None, None, row.progress_slept_ms)
