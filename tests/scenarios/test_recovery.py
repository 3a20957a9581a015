"""Recovery that frees, and only what it should; ghost state that cannot be."""

import asyncio
import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from lanes.base.procedure import run as perform
from lanes.context import Context
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.outside import reconcile_once
from lanes.engine.reconcile.reconciler import Decision
from lanes.records import Outcome
from lanes.testing import Hands, broken
from lanes.verbs import control
from lanes_storage import doors, open_store, reads
from lanes_storage.clock import system_clock
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import Beat, Claimed
from tests.kit.gateways import Gates, gateway_on
from tests.kit.stage import Stage
from tests.kit.until import PATIENCE_S, until

T = TypeVar("T")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "lanes.db")
    yield made
    assert broken(made.store) == []
    made.close()


def observer(stage: Stage, by: str = "observer") -> Observer:
    store = open_store(str(stage.path))
    return Observer(store, store.write, system_clock, by=by, interval_ms=5_000)


def test_F12_what_was_claimed_while_another_was_recovered_is_untouched(stage: Stage) -> None:
    dead = stage.dead_owner()
    stage.hold("a", dead, "next")
    late, quick = observer(stage, "late"), observer(stage, "quick")
    findings = late.look()
    assert {f.decision for f in findings} == {Decision.OWNER_GONE}
    quick.run_once()
    me = stage.owner()
    now_held = stage.claim("a", me)
    results = [(f, applied) for f, applied in late.act(findings) if f.run is not None]
    ((finding, applied),) = results
    assert not applied
    run = finding.run
    assert run is not None
    assert f"run {run.id} of owner {dead}, epoch {run.epoch}" in finding.evidence
    assert f"run {now_held.ticket.run_id} of owner {me} holds it" in finding.evidence
    assert f"at epoch {now_held.ticket.epoch}" in finding.evidence
    lane = stage.store.read(reads.lane("a"))
    assert lane is not None
    assert (lane.state, lane.epoch) == (LaneState.RUNNING, now_held.ticket.epoch)


def test_F12_a_pass_by_hand_that_comes_too_late_says_who_holds_the_lane_by_now(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.hold("a", stage.dead_owner(), "next")
    store = open_store(str(stage.path))
    written, holders = store.write, list[int]()

    def late(step: Step[T]) -> T:
        if not holders:  # between its look and what it does
            observer(stage, "quick").run_once()
            holders.append(stage.owner())
            stage.claim("a", holders[0])
        return written(step)

    monkeypatch.setattr(store, "write", late)
    findings = reconcile_once(store, Context("test"), lambda _: None, dry_run=False, wait=False)
    (finding,) = [finding for finding in findings if finding.key == "a"]
    assert not finding.done
    assert f"of owner {holders[0]} holds it" in finding.evidence


def test_F14_F38_every_waiting_message_is_kept_in_order_and_the_first_one_starts(stage: Stage) -> None:
    dead = stage.dead_owner()
    stage.hold("a", dead, *[f"text {n}" for n in range(5)])
    observer(stage).run_once()
    me = stage.owner()
    texts = []
    for _ in range(6):
        claimed = stage.claim("a", me)
        texts.append(claimed.message.text)
        stage.complete(claimed)
    assert texts == ["the one that runs", *[f"text {n}" for n in range(5)]]


def _paused(stage: Stage, claimed: Claimed) -> None:

    perform(stage.store, control.pause(Context("test"), "a", reason="looking"))


def _asked(stage: Stage, claimed: Claimed) -> None:

    perform(stage.store, control.abort(Context("test"), "a", wait=False))


def _fresh_progress(stage: Stage, claimed: Claimed) -> None:

    run = stage.store.read(reads.run(claimed.ticket.run_id))
    assert run is not None
    now = system_clock()
    beat = Beat(claimed.ticket, "content", now.boot + 10**9, now.wall + 10**9, busy_until_boot=now.boot + 10**9)
    stage.store.write(doors.heartbeat(run.owner_id, [beat], now))


def _nothing(stage: Stage, claimed: Claimed) -> None:
    pass


@pytest.mark.parametrize("shape", [_nothing, _paused, _asked, _fresh_progress])
def test_F24_a_held_lane_of_a_dead_owner_is_reclaimed_whatever_else_its_row_says(
    stage: Stage, shape: Callable[[Stage, Claimed], None]
) -> None:
    claimed = stage.hold("a", stage.dead_owner())
    shape(stage, claimed)
    stage.send("a", "arrives")
    observer(stage).run_once()
    lane = stage.store.read(reads.lane("a"))
    assert lane is not None
    assert lane.state is (LaneState.ABORTED if shape is _asked else LaneState.ERRORED)
    assert lane.run is None


def test_F25_a_heartbeat_of_a_superseded_run_is_refused(stage: Stage) -> None:

    me = stage.owner()
    claimed = stage.hold("a", me, "next")
    perform(stage.store, control.abort(Context("test"), "a", force=True))
    again = stage.claim("a", me)
    now = system_clock()
    beat = Beat(claimed.ticket, "still here", now.boot, now.wall)
    newer = Beat(again.ticket, "content", now.boot, now.wall)
    lost = stage.store.write(doors.heartbeat(me, [beat, newer], now))
    assert lost == [claimed.ticket]
    old = stage.store.read(reads.run(claimed.ticket.run_id))
    assert old is not None
    assert old.progress != "still here"
    lane = stage.store.read(reads.lane("a"))
    assert lane is not None
    assert lane.epoch == again.ticket.epoch


def test_F28_a_claim_after_a_recovery_inherits_nothing(stage: Stage) -> None:
    stage.hold("a", stage.dead_owner())
    observer(stage).run_once()
    claimed = stage.claim("a", stage.owner())
    lane = stage.store.read(reads.lane("a"))
    assert lane is not None
    assert lane.last_error is None
    assert lane.run is not None
    assert (lane.run.abort_at, lane.run.left_out, lane.run.refused_writes) == (None, 0, 0)
    stage.complete(claimed)
    lane = stage.store.read(reads.lane("a"))
    assert lane is not None
    assert (lane.state, lane.last_error, lane.pause) == (LaneState.IDLE, None, None)


def test_F42_an_abort_between_reading_a_head_and_claiming_it_charges_nothing(stage: Stage) -> None:

    me = stage.owner()
    (message,) = stage.send("a", "at the head")
    (head,) = stage.store.write(lambda tx: doors.candidates(tx, me, system_clock()))
    result = perform(stage.store, control.abort(Context("test"), "a"))
    assert result.outcome is Outcome.NOT_HELD
    still = stage.message(message.id)
    assert (still.state, still.position, still.interruptions) == (MessageState.QUEUED, 1, 0)
    assert stage.claim("a", me).message.id == head.message_id


async def test_F26_a_released_lane_with_waiting_messages_needs_no_trigger(tmp_path: Path) -> None:
    """They were there before the gateway, and nothing tells it of them."""
    stage = Stage(tmp_path / "lanes.db")
    stage.send("a", "waits")
    stage.close()
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        await site.running(runner, "a")


async def test_F27_every_abort_is_stored_with_who_why_when_and_which_epoch(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        await site.desk.send("a", "text")
        await site.running(runner, "a")
        run = runner.running["a"]
        await site.desk.abort("a", actor="alice", reason="stuck")
        events = await site.desk.events(key="a")
        asked = next(e for e in events if e.type == "abort_requested")
        done = next(e for e in events if e.type == "abort")
        assert (asked.actor, asked.cause, asked.epoch, asked.at) == ("alice", "aborted", run.epoch, time().wall)
        assert asked.detail is not None
        assert asked.detail["reason"] == "stuck"
        assert done.detail is not None
        assert (done.detail["requested_by"], done.detail["reason"]) == ("alice", "stuck")


async def test_F47_F23_a_gateway_restarts_in_its_process_and_counts_from_rows(tmp_path: Path) -> None:
    time = Hands()
    for round_ in range(3):
        runner = Gates()
        async with gateway_on(tmp_path, runner, time) as site:
            await site.desk.send("a", f"text {round_}")
            await site.running(runner, "a")
            assert site.gateway.held == 1
            counts = await site.desk.counts()
            assert counts.lanes["running"] == 1
        assert site.gateway.held == 0
    store = open_store(str(tmp_path / "lanes.db"))
    lane = store.read(reads.lane("a"))
    assert lane is not None
    assert lane.state is not LaneState.RUNNING
    assert broken(store) == []
    store.close()


async def test_F47_a_policy_that_raises_once_does_not_end_the_claiming(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        engine = site.gateway._engine
        good = engine._specs["python"]
        broken = copy.copy(good)
        object.__setattr__(broken, "max_runs", None)  # no number: counting its free slots raises
        engine._specs["python"] = broken  # type: ignore[index]
        message = await site.desk.send("a", "text")
        await until(lambda: "claiming failed" in caplog.text, "the loop to throw")
        engine._specs["python"] = good  # type: ignore[index]
        runner.open()
        assert (await site.desk.wait(message.id, timeout=PATIENCE_S)).state is MessageState.DONE


async def test_F51_a_recovery_is_told_only_after_the_first_heartbeat_of_the_new_run(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "lanes.db")
    stage.hold("a", stage.dead_owner())
    stage.close()
    runner, time = Gates(), Hands()
    time.now = system_clock()
    async with gateway_on(tmp_path, runner, time) as site:
        await site.running(runner, "a")
        run = runner.running["a"]
        kinds = [e.type for e in await site.desk.events(key="a")]
        assert "recovered" not in kinds
        assert kinds[-1] == "claim"
        await site.passes(6_000)
        told = [e for e in await site.desk.events(key="a") if e.type == "recovered"]
        assert [e.run_id for e in told] == [run.id]
        await site.passes(12_000)
        told = [e for e in await site.desk.events(key="a") if e.type == "recovered"]
        assert len(told) == 1, "once"


async def test_F52_an_abort_between_two_steps_is_honoured_at_the_next_point(tmp_path: Path) -> None:
    """The run never notices: it replies after the request was committed, and the request stands."""

    async def runner(run: object) -> str:
        def step(tx: Transaction) -> None:
            doors.request_abort(tx, "a", site.time(), actor="alice", reason="stuck")

        site.desk.store.write_blocking(step)  # the loop is not left between the request and the reply
        return "a reply"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        message = await site.desk.ask("a", "text")
        assert message.state is MessageState.ABORTED
        assert message.reply is None
        assert (await site.desk.lane("a")).state is LaneState.ABORTED
        row = await site.desk.store.read(reads.message(message.id))
        assert row is not None
        run = await site.desk.store.read(reads.run(row.run_id or 0))
        assert run is not None
        assert run.late_reply == "a reply", "kept, and not delivered"


async def test_F31_two_sends_of_one_sender_are_one_run_and_one_that_waits(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        sent = await asyncio.gather(*(site.desk.send("a", "text", actor="sender") for _ in range(2)))
        await site.running(runner, "a")
        states = sorted([(await site.desk.message(m.id)).state for m in sent])
        assert states == ["queued", "running"]
        async with site.desk.hold("another", run_timeout=math.inf):
            pass  # no second lock: another lane is free


async def test_F33_F41_a_hang_hurts_neither_its_own_queue_nor_another_lane(tmp_path: Path) -> None:
    hung = asyncio.Event()

    async def runner(run: object) -> str:
        if getattr(run, "key", "") == "a":
            hung.set()
            await asyncio.Event().wait()
        return "answered"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        first = await site.desk.send("a", "hangs")
        await hung.wait()
        behind = await site.desk.send("a", "waits")
        assert (await site.desk.ask("b", "text")).reply == "answered"
        assert (await site.desk.message(first.id)).state == "running", "the run in progress goes on"
        assert (await site.desk.message(behind.id)).state == "queued"


def test_F64_there_is_no_lock_file_to_delete(stage: Stage) -> None:
    stage.hold("a", stage.dead_owner())
    files = {path.name for path in stage.path.parent.iterdir()}
    # the lock on the side file goes with the process that held it: what is left of it is in nobody's way
    assert files <= {"lanes.db", "lanes.db-wal", "lanes.db-shm", "lanes.db-lock"}
    observer(stage).run_once()
    assert stage.claim("a", stage.owner()).message.text == "the one that runs"
