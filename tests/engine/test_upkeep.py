"""The upkeep: a real thread on a real file, that goes on while the event loop is blocked. Only its time is moved."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lanes.engine.reconcile.reconciler import Decision, ReconcileDecision
from lanes.engine.runs.live import SHOWN_AFTER_MS, ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import StopKind
from lanes.engine.runs.streams import ReplyStream
from lanes.engine.upkeep.heartbeats import LOOK_EVERY_MS
from lanes.engine.upkeep.thread import Upkeep
from lanes.host.identity import this_process
from lanes.records import Drain
from lanes.testing import HOUR, SECOND, Hands
from lanes.testing.passing import restless
from lanes_storage import AsyncStore, doors
from lanes_storage.law import Cause, Edge, LaneState
from lanes_storage.records import AttemptPhase, NewOwner
from lanes_storage.statements.further import WAIT_IS_PROGRESS
from tests.kit.disks import may_grow
from tests.kit.engine import active
from tests.kit.judged import NOBODY
from tests.kit.processes import eventually
from tests.kit.world import TERMS, World

INTERVAL = 5 * SECOND
STALL_LIMIT = TERMS.stall_timeout_ms or 0


def as_this_process() -> NewOwner:
    me = this_process()
    return NewOwner(
        "gateway", me.host, me.boot_id, me.pid_ns, me.pid, me.start_time, "config-1", INTERVAL, 6 * INTERVAL, ("chat",)
    )


class Bench:
    """An upkeep with its live runs."""

    def __init__(self, world: World, astore: AsyncStore) -> None:
        self.world = world
        self.astore = astore
        self.time: Hands = world.time
        self.live = LiveSet()
        self.changes = 0
        self.drains: list[Drain | None] = []
        self.passes: list[list[tuple[ReconcileDecision, bool]]] = []
        new = as_this_process()
        owner = world.step(lambda tx: doors.register(tx, new, world.time()))
        self.upkeep = Upkeep(
            astore,
            world.time,
            new,
            owner,
            self.live,
            reconcile_interval_ms=INTERVAL,
            changed=self._changed,
            drained=self.drains.append,
            reconciled=self.passes.append,
            wait_patience_ms=None,
            abandoned=lambda: False,
            gave_up=lambda: None,
        )

    def _changed(self) -> None:
        self.changes += 1

    def hold(self, key: str, **more: Any) -> ActiveRun:
        """A lane that this owner holds, whose runner hangs."""
        world = self.world
        world.send(key)
        claimed = world.claim(key, self.upkeep.owner_id, **more)
        run = active(world, self.astore, claimed)
        run.owner_id = self.upkeep.owner_id
        self.live.join(run)
        return run

    def round(self) -> None:
        """Let a whole round pass, without giving the event loop a chance."""
        before = self.upkeep.rounds
        eventually(lambda: self.upkeep.rounds > before + 1, "a round of the upkeep")

    def pass_time(self, ms: int) -> None:
        """Let time pass in steps that no upkeep takes for a suspension."""
        with restless(self.upkeep):
            while ms > 0:
                self.time.move(min(SECOND, ms))
                ms -= SECOND
                self.round()

    @property
    def heartbeats(self) -> int:
        return self.world.owner_row(self.upkeep.owner_id).heartbeats


@pytest.fixture
async def bench(world: World, astore: AsyncStore) -> AsyncIterator[Bench]:
    made = Bench(world, astore)
    made.upkeep.start()
    made.round()
    yield made
    await asyncio.to_thread(made.upkeep.stop)


async def test_it_beats_at_its_interval_while_the_event_loop_is_blocked(bench: Bench) -> None:
    run = bench.hold("a")
    run.progress("content")
    assert bench.heartbeats == 0
    bench.pass_time(2 * INTERVAL)  # no await in here: the event loop stands still
    assert bench.heartbeats == 2
    row = bench.world.run(run.ticket)
    assert (row.progress, row.left_out) == ("content", 0)


async def test_what_a_run_asks_is_shown_before_the_next_heartbeat_and_costs_nothing_while_it_is_quick(
    bench: Bench,
) -> None:
    slow, quick = bench.hold("slow"), bench.hold("quick")
    asks = AttemptPhase("main", "first_byte_timeout", 45 * SECOND, 1, 2, "backup", 55 * SECOND)
    slow.attempt(asks)
    began = bench.time()
    with restless(bench.upkeep):
        bench.time.move(SHOWN_AFTER_MS - 1)
        bench.round()
        assert bench.world.run(slow.ticket).attempt is None, "it may end at once"
        quick.attempt(asks)
        bench.time.move(LOOK_EVERY_MS)
        bench.round()
        bench.round()
        shown = asks._replace(at=began.wall, boot=began.boot, slept=began.slept)
        assert bench.world.run(slow.ticket).attempt == shown
        assert bench.world.run(quick.ticket).attempt is None
        assert bench.heartbeats == 0
        quick.attempt(None)
        slow.attempt(None)
        bench.time.move(SHOWN_AFTER_MS)
        bench.round()
        bench.round()
        assert bench.world.run(slow.ticket).attempt is None, "nor is an attempt shown that is over"


async def test_a_run_whose_reply_has_reached_its_caller_goes_to_no_other_provider(bench: Bench) -> None:
    run = bench.hold("a")
    run.stream = ReplyStream(lambda: None).begin()
    run.attempt(AttemptPhase("main", "idle_timeout", 45 * SECOND, 1, 2, "backup", 55 * SECOND))
    bench.pass_time(INTERVAL)
    before = bench.world.run(run.ticket).attempt
    assert before is not None
    assert (before.next, before.rest_ms) == ("backup", 55 * SECOND)
    run.emit("Once")
    await run.stream.listen().get()
    bench.pass_time(INTERVAL)
    after = bench.world.run(run.ticket).attempt
    assert after is not None
    assert (after.next, after.rest_ms) == (None, 0)


async def test_the_first_pass_comes_at_once_and_then_at_its_interval(bench: Bench) -> None:
    assert len(bench.passes) == 1
    bench.pass_time(INTERVAL)
    assert len(bench.passes) == 2


async def test_it_takes_back_what_the_dead_left_held_while_the_event_loop_is_blocked(bench: Bench) -> None:
    me = this_process()
    dead = bench.world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)
    bench.world.start("a", owner=dead)
    bench.pass_time(INTERVAL)
    assert bench.world.state("a") is LaneState.ERRORED
    assert [(finding.decision, applied) for finding, applied in bench.passes[-1]] == [(Decision.OWNER_GONE, True)] * 2


async def test_it_tells_of_every_commit_whoever_made_it(bench: Bench) -> None:
    before = bench.changes
    bench.world.send("a")
    eventually(lambda: bench.changes > before, "the word of the commit")


async def test_a_run_past_its_limit_is_told_and_then_forced_while_the_event_loop_is_blocked(bench: Bench) -> None:
    run = bench.hold("a")
    bench.pass_time(STALL_LIMIT)
    assert run.stop is not None
    assert (run.stop.kind, run.stop.cause) == (StopKind.EXPIRE, Cause.STALL_TIMEOUT)
    assert bench.world.state("a") is LaneState.RUNNING, "it has its grace"
    bench.pass_time(TERMS.abort_grace_ms)
    row = bench.world.run(run.ticket)
    assert (row.edge, row.cause, row.forced) == (Edge.EXPIRE, Cause.STALL_TIMEOUT, True)
    assert run.lost


async def test_a_requested_abort_reaches_the_run_and_is_forced_while_the_event_loop_is_blocked(bench: Bench) -> None:
    run = bench.hold("a")
    bench.world.request_abort("a")
    eventually(lambda: run.stop is not None, "the order to stop")
    assert run.stop is not None
    assert (run.stop.kind, run.stop.grace_ms) == (StopKind.ABORT, TERMS.abort_grace_ms)
    bench.world.request_abort("a", grace_ms=SECOND)
    eventually(lambda: run.stop is not None and run.stop.grace_ms == SECOND, "the hurry")
    bench.pass_time(SECOND)
    eventually(lambda: bench.world.state("a") is LaneState.ABORTED, "the release")
    row = bench.world.run(run.ticket)
    assert (row.edge, row.forced, row.ended_by) == (Edge.ABORT, True, f"owner:{bench.upkeep.owner_id}")


async def test_a_run_that_others_took_away_is_lost_at_the_next_heartbeat(bench: Bench) -> None:
    run, kept = bench.hold("a"), bench.hold("b")
    bench.world.reclaim(run.ticket)
    bench.pass_time(INTERVAL)
    assert run.lost
    assert not kept.lost


async def test_an_owner_that_was_given_up_registers_anew_and_loses_its_runs(bench: Bench) -> None:
    before, run = bench.upkeep.owner_id, bench.hold("a")
    bench.world.reclaim(run.ticket, Cause.OWNER_SILENT)
    bench.world.end_owner(before, cause="owner_silent")
    bench.pass_time(INTERVAL)
    assert bench.upkeep.owner_id != before
    assert run.lost
    row = bench.world.owner_row(bench.upkeep.owner_id)
    assert (row.pid, row.ended_at) == (this_process().pid, None)


async def test_a_suspended_upkeep_beats_first_and_grants_everyone_an_interval(bench: Bench) -> None:
    mine = bench.hold("mine")
    other = bench.world.owner(pid=4712)
    theirs = bench.world.start("theirs", owner=other).ticket
    bench.pass_time(INTERVAL)
    beats = bench.heartbeats
    bench.time.move(STALL_LIMIT + SECOND)  # the whole process was suspended
    bench.round()
    assert bench.heartbeats == beats + 1
    assert mine.stop is None, "it could not move, so it did not stall"
    assert bench.world.run(theirs).edge is None, "nobody watched its owner"


async def test_a_drain_in_its_row_is_told(bench: Bench) -> None:
    now = bench.time()
    bench.world.step(lambda tx: doors.drain(tx, bench.upkeep.owner_id, now, by="alice", until=now.wall + HOUR))
    eventually(lambda: Drain("alice", now.wall + HOUR) in bench.drains, "the word of the drain")


async def test_it_ends_with_its_store(bench: Bench, astore: AsyncStore) -> None:
    await astore.close()
    await asyncio.to_thread(bench.upkeep.stop)
    assert bench.world.owner_row(bench.upkeep.owner_id).ended_at is None, "others will find it gone"


async def test_after_it_registered_anew_it_acts_under_its_new_name(bench: Bench) -> None:
    bench.world.end_owner(bench.upkeep.owner_id, cause="owner_silent")
    bench.pass_time(INTERVAL)
    me = this_process()
    dead = bench.world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)
    ticket = bench.world.start("a", owner=dead).ticket
    bench.pass_time(INTERVAL)
    assert bench.world.run(ticket).ended_by == f"owner:{bench.upkeep.owner_id}"


async def test_F108_a_machine_that_wakes_tells_so_at_once_and_ends_no_run(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    run = bench.hold("a")
    bench.pass_time(SECOND)
    beats = bench.heartbeats
    bench.time.sleep(HOUR)
    bench.round()
    assert bench.heartbeats == beats + 1
    assert bench.world.owner_row(bench.upkeep.owner_id).slept_ms == bench.time().slept
    assert "the machine slept for 3600.0 s" in caplog.text
    bench.pass_time(STALL_LIMIT - 2 * SECOND)
    assert not run.stop
    bench.pass_time(SECOND)
    assert (run.stop and run.stop.elapsed_ms) == STALL_LIMIT
    assert bench.world.state("a") is LaneState.RUNNING, "nor has its own reconciler taken it"


async def test_F107_a_round_that_could_not_commit_did_not_look(bench: Bench, astore: AsyncStore) -> None:
    """A run may be silent because the database refuses: its stall clock begins when that has ended."""
    limit = 6 * SECOND
    run = bench.hold("a", terms=TERMS._replace(stall_timeout_ms=limit))
    run.emit("\N{GRINNING FACE}" * 1000)  # its heartbeats need another page, and there is none left
    await may_grow(astore, False)
    for _ in range(limit // SECOND + 2):
        now = bench.time.move(SECOND)
        eventually(lambda now=now: bench.upkeep._begun == now, "a round that is refused")  # type: ignore[misc]
    assert (bench.heartbeats, run.stop) == (0, None)
    await may_grow(astore, True)
    eventually(lambda: bench.heartbeats, "a heartbeat")
    bench.pass_time(limit - SECOND)
    assert not run.stop
    bench.pass_time(2 * SECOND)
    assert (run.stop and run.stop.cause) == Cause.STALL_TIMEOUT


async def test_a_heartbeat_writes_what_has_changed_since_the_one_before(bench: Bench) -> None:
    quiet, loud, left = (bench.hold(key) for key in ("quiet", "loud", "left"))
    bench.pass_time(INTERVAL)
    bench.world.step(lambda tx: tx.run("UPDATE runs SET progress = 'as it was'", {}))
    loud.progress("content")
    bench.live.leave(left)
    bench.pass_time(INTERVAL)
    assert [bench.world.run(run.ticket).progress for run in (quiet, loud)] == ["as it was", "content"]
    assert [bench.world.run(run.ticket).left_out for run in (quiet, loud, left)] == [0, 0, 1]
    bench.live.join(left)
    bench.pass_time(INTERVAL)
    row = bench.world.run(left.ticket)
    assert (row.left_out, row.progress) == (0, "claimed")


async def test_an_attempt_that_was_shown_and_is_over_by_the_next_heartbeat_is_shown_no_more(bench: Bench) -> None:
    run = bench.hold("a")
    bench.pass_time(INTERVAL)
    run.attempt(AttemptPhase("main", "first_byte_timeout", 45 * SECOND))
    bench.pass_time(SECOND)
    assert bench.world.run(run.ticket).attempt is not None
    bench.pass_time(INTERVAL - 2 * SECOND)
    with restless(bench.upkeep):
        bench.time.move(SECOND - 1)
        bench.round()
        beats = bench.heartbeats
        run.attempt(None)  # the run says nothing else meanwhile
        bench.time.move(1)
        bench.round()
    assert bench.heartbeats == beats + 1
    assert bench.world.run(run.ticket).attempt is None


async def test_a_heartbeat_writes_again_what_another_process_wrote_since(bench: Bench) -> None:
    """A wait that is over before this process has looked for it, say."""
    run = bench.hold("a")
    bench.pass_time(INTERVAL)
    wait = {"run": run.id, "now": 4711, "boot": 4711, "slept": 0, "boot_id": bench.time().boot_id}
    bench.world.step(lambda tx: tx.run(WAIT_IS_PROGRESS, wait))
    assert bench.world.run(run.ticket).progress == "waiting for another lane"
    bench.pass_time(INTERVAL)
    row = bench.world.run(run.ticket)
    assert (row.progress, row.progress_at) == ("claimed", run.beat().progress_at)


async def test_a_heartbeat_behind_one_of_which_nothing_is_known_says_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that timed out may be committed all the same, with what it left out."""
    run = bench.hold("a")
    bench.pass_time(INTERVAL)
    write = bench.upkeep._store.write_blocking

    def timed_out(step: Any, timeout: float | None = None) -> Any:
        write(step, timeout)
        raise TimeoutError

    bench.live.leave(run)
    with monkeypatch.context() as patch, restless(bench.upkeep):
        patch.setattr(bench.upkeep._store, "write_blocking", timed_out)
        bench.time.move(INTERVAL)
        eventually(lambda: bench.world.run(run.ticket).left_out, "a heartbeat that leaves it out")
        bench.live.join(run)
    bench.pass_time(INTERVAL)
    assert bench.world.run(run.ticket).left_out == 0
