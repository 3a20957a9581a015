"""A run whose lane others took away is stopped soon, not only at the next heartbeat."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from lanes import RunContext, connect
from lanes.engine.upkeep.heartbeats import LOOK_EVERY_MS
from lanes.records import Outcome
from lanes.testing import MINUTE, SECOND, START, Hands
from lanes.testing.passing import restless
from lanes_storage import doors
from lanes_storage.clock import Now
from lanes_storage.interface import Transaction
from lanes_storage.law import RunnerKind
from lanes_storage.records import Admission, NewMessage
from tests.kit.gateways import Gates, gateway_on
from tests.kit.processes import eventually
from tests.kit.until import until
from tests.kit.world import TERMS

KEY = "agent:main:telegram:42"


async def test_a_lane_that_was_taken_by_force_stops_its_run_between_two_heartbeats(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with (
        gateway_on(tmp_path, runner, time, heartbeat_interval="10m", stale_after="1h") as site,
        connect(str(tmp_path / "lanes.db"), clock=time) as other,
    ):
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        outcome = await other.abort(KEY, actor="alice", force=True)
        assert outcome.outcome in (Outcome.FORCED, Outcome.RELEASED)
        await site.by_and_by(lambda: KEY not in runner.running, "the run to be stopped", step_ms=LOOK_EVERY_MS)
        await until(lambda: site.gateway.held == 0, "the gateway to let go")
        assert time().mono - START.mono < 10 * MINUTE, "no heartbeat came"


async def test_F145_a_ghost_hides_no_loss(tmp_path: Path) -> None:
    """As many runs in the database as in the process, but not the same: one that nobody runs, instead of a lost one."""
    runner, time = Gates(), Hands()
    async with (
        gateway_on(tmp_path, runner, time, heartbeat_interval="10m", stale_after="1h") as site,
        connect(str(tmp_path / "lanes.db"), clock=time) as other,
    ):
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.desk.store.write(lambda tx: _claim_for_nobody(tx, site.gateway.owner_id, time()))
        assert (await other.abort(KEY, actor="alice", force=True)).outcome in (Outcome.FORCED, Outcome.RELEASED)
        await site.by_and_by(lambda: KEY not in runner.running, "the run to be stopped", step_ms=LOOK_EVERY_MS)
        assert time().mono - START.mono < 10 * MINUTE, "no heartbeat came"


def _claim_for_nobody(tx: Transaction, owner: int, now: Now) -> None:
    doors.accept(NewMessage("ghost", "hello"), Admission(), now)(tx)
    (head,) = doors.candidates(tx, owner, now)
    assert doors.claim(head, owner, "python", RunnerKind.PYTHON, TERMS, now)(tx) is not None


async def test_runs_that_come_and_go_under_the_looks_all_end_well(tmp_path: Path) -> None:
    async def answer(_: RunContext) -> str:
        await asyncio.sleep(0)
        return "done"

    time = Hands()
    async with gateway_on(tmp_path, answer, time, heartbeat_interval="10m", stale_after="1h") as site:
        for number in range(60):
            await site.desk.send(f"lane:{number % 7}", "hello", cap=100)
            time.move(LOOK_EVERY_MS)
        messages = [message for number in range(7) for message in await site.desk.messages(f"lane:{number}")]
        assert {(await site.desk.wait(message.id)).state for message in messages} == {"done"}
        await until(lambda: site.gateway.held == 0, "all of them to end")


async def test_F110_a_run_that_ended_done_behind_a_blocked_event_loop_has_lost_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its release is committed, and the event loop that would know of it is held up by another runner."""
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, heartbeat_interval="1s") as site:
        upkeep = site.gateway._engine._upkeep
        assert upkeep is not None
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        runner.open()
        with contextlib.closing(sqlite3.connect(tmp_path / "lanes.db")) as database:
            while not _ended(database):  # and from the commit on, the event loop gets no turn
                await asyncio.sleep(0)
        assert site.gateway.held == 1, "the event loop does not know it yet"
        with restless(upkeep):
            for _ in range(2 * SECOND // LOOK_EVERY_MS):
                time.move(LOOK_EVERY_MS)
                seen = upkeep.rounds
                eventually(lambda seen=seen: upkeep.rounds >= seen + 2, "the upkeep to look")  # type: ignore[misc]
        assert (await site.desk.wait(message.id)).state == "done"
    assert "lost its lane" not in caplog.text


def _ended(database: sqlite3.Connection) -> bool:
    """Whether the one run has ended, looked for without giving the event loop a turn."""
    with contextlib.suppress(AssertionError):
        return bool(eventually(lambda: _count_ended(database), "the commit", patience_s=0.2))
    return False


def _count_ended(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM runs WHERE ended_at IS NOT NULL").fetchone()[0])
