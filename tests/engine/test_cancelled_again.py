"""Cancelled again and again until it has ended, as anyio does, and so Starlette and FastAPI do: what is begun is still
ended, and a block that is left has left nothing behind."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import psutil
import pytest

import lanes
from lanes.engine.runs.stops import StopKind
from lanes.gateway import Gateway
from lanes.testing import SECOND, Hands
from lanes_storage.law import LaneState
from lanes_storage.sqlite.file.file import SqliteFile
from tests.kit.gateways import Gates, gateway_on, let_pass
from tests.kit.until import PATIENCE_S, until


async def cut_after(turns: int, scope: anyio.CancelScope) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    scope.cancel()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "lanes.db")


async def test_F572_a_hold_that_is_given_up_leaves_no_place_and_no_lane_held(database: str) -> None:
    async with lanes.connect(database) as desk:
        async with desk.hold("a"):
            pass  # its engine has started
        for turns in range(60):
            async with anyio.create_task_group() as group:
                group.start_soon(cut_after, turns, group.cancel_scope)
                async with desk.hold("a"):
                    await anyio.sleep_forever()
            lane = await desk.lane("a")
            assert (lane.state is LaneState.RUNNING, lane.queued) == (False, 0), f"cancelled after {turns} turns"


async def test_F573_a_block_that_cleans_up_keeps_its_lane_until_it_has_ended(database: str) -> None:
    cleaning, cleaned = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        async with desk.hold("a", run_timeout=1):
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await cleaned.wait()

    time = Hands()
    async with lanes.connect(database, clock=time) as desk:
        holding = asyncio.create_task(body())
        await until(lambda: desk._holds is not None and desk._holds._engine.held, "the hold")
        assert desk._holds is not None
        passing = asyncio.create_task(let_pass(desk._holds._engine, desk, time, 2 * SECOND))
        await cleaning.wait()  # its limit has passed
        await passing
        (run,) = desk._holds._engine._live.all()
        aborting = asyncio.create_task(desk.abort("a", reason="and now an operator"))
        await until(lambda: run.stop is not None and run.stop.kind is StopKind.ABORT, "the second cancellation")
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await desk.lane("a")).state is LaneState.RUNNING
        cleaned.set()
        assert (await aborting).outcome is lanes.Outcome.RELEASED
        with pytest.raises(lanes.HoldEnded):
            await holding


async def test_F572_a_start_and_the_end_of_a_desk_leave_no_owner_and_no_thread(database: str) -> None:
    async def runner(run: lanes.RunContext) -> str:
        return run.text

    before = set(threading.enumerate())
    for turns in range(0, 60, 3):
        with anyio.CancelScope() as scope:
            async with lanes.connect(database) as desk, anyio.create_task_group() as group:
                group.start_soon(cut_after, turns, scope)
                async with Gateway(desk, runner):
                    await anyio.sleep_forever()
        assert scope.cancelled_caught
        ours = {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("lanes-")}
        assert not ours, f"cancelled after {turns} turns"
    async with lanes.connect(database) as desk:
        assert (await desk.status()).gateways == ()


async def test_F572_an_opening_that_is_cancelled_leaves_no_file_open(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, reached, go_on = SqliteFile.reader, threading.Event(), threading.Event()

    def slow(file: SqliteFile) -> sqlite3.Connection:
        if not threading.current_thread().name.startswith("lanes_"):  # the last of its connections
            reached.set()
            go_on.wait(PATIENCE_S)
        return reader(file)

    def left() -> list[str]:
        files = [file.path for file in psutil.Process().open_files() if file.path.startswith(database)]
        return files + [thread.name for thread in threading.enumerate() if thread.name == "lanes-writer"]

    monkeypatch.setattr(SqliteFile, "reader", slow)
    threads = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    threads.submit(go_on.wait, PATIENCE_S)  # what is handed to a thread waits, and can be called off
    with anyio.CancelScope() as scope:

        async def cut() -> None:
            await until(reached.is_set, "the opening")
            scope.cancel()
            for _ in range(20):
                await asyncio.sleep(0)
            go_on.set()

        cutting = asyncio.create_task(cut())
        async with lanes.connect(database):
            raise AssertionError("it was cancelled before")
    await cutting
    assert scope.cancelled_caught
    assert not left()


async def test_F572_a_question_that_is_given_up_is_withdrawn(tmp_path: Path) -> None:
    gates = Gates()

    async def asks(run: lanes.RunContext) -> str:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await run.ask("Which branch?")
        return await gates(run)

    scopes: list[anyio.CancelScope] = []
    async with gateway_on(tmp_path, asks, Hands()) as site:
        await site.desk.send("a", "hello")

        async def asked() -> bool:
            return (await site.desk.lane("a")).question is not None

        await until(asked, "the question")
        scopes[0].cancel()
        await site.running(gates, "a")
        assert not await asked()
        gates.open()
