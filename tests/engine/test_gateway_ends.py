"""How a gateway in this process ends: drained, cut, cancelled, or with its event loop."""

import asyncio
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

import lanes
from lanes import Gateway, connect
from lanes.config import from_data
from lanes.engine.dispatch.policies import Policies
from lanes.runners.base import RunContext, RunnerSpec
from lanes.testing import SECOND, Hands
from lanes_storage import open_store, reads
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import Head, LaneRow, Terms
from lanes_storage.sqlite.aio import AsyncSqliteStore
from tests.kit.gateways import REQUEUE, Gates, gateway_on
from tests.kit.until import PATIENCE_S, until


def left_in(database: Path) -> LaneRow:
    """The lane ``a`` as a gateway left it."""
    with closing(open_store(str(database))) as store:
        lane = store.read(reads.lane("a"))
    assert lane is not None
    return lane


def test_F118_an_event_loop_that_ends_under_a_gateway_leaves_no_lane_held(tmp_path: Path) -> None:
    config = from_data({"policy": [{"match": "*", **REQUEUE}], "clocks": {"drain_timeout": "1h"}})

    async def background(runs: asyncio.Event) -> None:
        runner = Gates()
        async with connect(str(tmp_path / "lanes.db"), config=config) as desk, Gateway(desk, runner, config=config):
            await desk.send("a", "hello")
            await until(lambda: runner.running, "the run")
            runs.set()
            await asyncio.Event().wait()

    async def main() -> None:
        runs = asyncio.Event()
        task = asyncio.create_task(background(runs))
        await runs.wait()
        assert not task.done()

    asyncio.run(main())
    lane = left_in(tmp_path / "lanes.db")
    assert lane.state is LaneState.ERRORED
    assert lane.last_error is not None
    assert lane.last_error.cause == "drained"
    assert lane.queued == 1


def test_F945_an_event_loop_ends_under_a_hold_that_no_task_will_leave(tmp_path: Path) -> None:
    kept: list[object] = []  # what is collected as garbage is left by that

    async def main() -> None:
        kept.append(connecting := connect(str(tmp_path / "lanes.db")))
        desk = await connecting.__aenter__()
        kept.append(hold := desk.hold("a"))
        await hold.__aenter__()

    asyncio.run(main())
    assert left_in(tmp_path / "lanes.db").state is LaneState.ERRORED


class Held:
    """Policies that hold the transaction of a claim until the test lets it go on."""

    def __init__(self, policies: Policies) -> None:
        self.inside, self.go = threading.Event(), threading.Event()
        self._policies = policies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policies, name)

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        self.inside.set()
        self.go.wait(PATIENCE_S)
        return self._policies.terms(head, spec)


def test_F118_a_claim_that_commits_when_the_event_loop_ends_is_given_back(tmp_path: Path) -> None:
    config = from_data({"policy": [{"match": "*", **REQUEUE}], "clocks": {"drain_timeout": "1h"}})
    begun: list[RunContext] = []

    async def runner(run: RunContext) -> str:
        begun.append(run)
        return "hello"

    async def background(entered: asyncio.Future[Held]) -> None:
        async with connect(str(tmp_path / "lanes.db"), config=config) as desk:
            gateway = Gateway(desk, runner, config=config)
            held = gateway._engine._policies = Held(gateway._engine._policies)
            async with gateway:
                await desk.send("a", "hello")
                entered.set_result(held)
                try:
                    await asyncio.Event().wait()
                finally:
                    held.go.set()

    async def main() -> None:
        entered: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(background(entered))
        await until((await entered).inside.is_set, "the claim")
        assert not task.done()

    asyncio.run(main())
    lane = left_in(tmp_path / "lanes.db")
    assert (lane.state, lane.queued, begun) == (LaneState.ERRORED, 1, [])


async def test_a_stop_cuts_what_runs_uncounted_and_ends_the_owner(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        message = await site.desk.send("a", "hello")
        await site.running(runner, "a")
        owner = site.gateway.owner_id
        await site.gateway.stop()
        await site.gateway.stop()
        assert not site.gateway.ready
        cut = await site.desk.message(message.id)
        assert (cut.state, cut.interruptions) == (MessageState.QUEUED, 0)
        assert (await site.desk.lane("a")).state is LaneState.ERRORED
        status = await site.desk.status()
        assert owner not in [gateway.id for gateway in status.gateways]


async def test_a_drain_waits_for_what_runs_and_claims_nothing_more(tmp_path: Path) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        running = await site.desk.send("a", "runs")
        await site.running(runner, "a")
        draining = asyncio.create_task(site.gateway.drain(by="alice", timeout_s=3600))
        await until(lambda: not site.gateway.ready, "the drain")
        waits = await site.desk.send("b", "waits")
        time.move(SECOND)
        runner.open()
        await draining
        assert (await site.desk.message(running.id)).state is MessageState.DONE
        assert (await site.desk.message(waits.id)).state is MessageState.QUEUED


async def test_a_stop_in_the_middle_of_a_claim_leaves_nothing_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, go, armed, held = Gates(), threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:  # the writer is not back from a commit yet
        if armed.is_set():
            armed.clear()
            held.set()
            go.wait(PATIENCE_S)

    async with gateway_on(tmp_path, runner, Hands(), queue={"on_interrupt": "fail"}) as site:
        store = cast("AsyncSqliteStore", site.desk.store)
        monkeypatch.setattr(store._file.log, "committed", slow)
        armed.set()
        sending = asyncio.create_task(site.desk.send("a", "hello"))
        await until(held.is_set, "the message to be committed")
        await until(lambda: not store._writer._jobs.empty(), "the claim to be handed in")
        stopping = asyncio.create_task(site.gateway.stop())
        await until(lambda: site.gateway.draining is not None, "the stop to begin")
        go.set()
        await stopping
        message = await site.desk.message((await sending).id)
        assert (message.state, (await site.desk.lane("a")).run_id) == (MessageState.QUEUED, None)


class Enough(Exception):
    """The body of a block has had enough."""


@pytest.mark.parametrize("way", ["end", "error", "cancellation"])
async def test_F118_the_end_of_the_block_drains_by_whatever_way_it_comes(tmp_path: Path, way: str) -> None:
    runner, seen = Gates(), list[str]()

    async def block(desk: lanes.Desk) -> None:
        async with Gateway(desk, runner) as gateway:
            await desk.send("a", "hello")
            await until(lambda: runner.running, "the run")
            asyncio.get_running_loop().call_soon(asyncio.ensure_future, _open_when_draining(gateway, runner))
            if way == "error":
                raise Enough
            if way == "cancellation":
                inside.set()
                await asyncio.Event().wait()
        seen.append("the end")

    inside = asyncio.Event()
    async with connect(str(tmp_path / "lanes.db")) as desk:
        task = asyncio.create_task(block(desk))
        if way == "cancellation":
            await inside.wait()
            task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        kinds = {"end": type(None), "error": Enough, "cancellation": asyncio.CancelledError}
        assert isinstance(ended, kinds[way])
        (message,) = await desk.messages("a")
        assert (message.state, message.reply) == (MessageState.DONE, "reply to hello")
        assert (await desk.status()).gateways == ()


async def _open_when_draining(gateway: Gateway, runner: Gates) -> None:
    await until(lambda: gateway.draining is not None, "the drain")
    runner.open()


async def test_F118_a_cancellation_during_that_drain_cuts_what_runs(tmp_path: Path) -> None:
    runner, inside = Gates(), list[Gateway]()

    async def block(desk: lanes.Desk) -> None:
        async with Gateway(desk, runner, config=from_data({"queue": {"on_interrupt": "requeue"}})) as gateway:
            await desk.send("a", "hello")
            await until(lambda: runner.running, "the run")
            inside.append(gateway)

    async with connect(str(tmp_path / "lanes.db")) as desk:
        task = asyncio.create_task(block(desk))
        await until(lambda: inside and inside[0].draining is not None, "the drain")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (message,) = await desk.messages("a")
        assert (message.state, message.interruptions) == (MessageState.QUEUED, 0)
        assert (await desk.status()).gateways == ()


async def test_F742_who_closes_a_desk_that_is_being_closed_waits_for_the_same_end(tmp_path: Path) -> None:
    for number in range(10):
        async with connect(str(tmp_path / f"{number}.db")) as desk, asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(desk.close() for _ in range(8)))


async def test_F766_two_event_loops_may_close_a_desk_at_the_same_time(tmp_path: Path) -> None:
    """One of them waited for ever."""
    for number in range(10):
        async with connect(str(tmp_path / f"{number}.db")) as desk, asyncio.timeout(PATIENCE_S):
            others = [asyncio.to_thread(asyncio.run, desk.close()) for _ in range(3)]
            await asyncio.gather(*others, desk.close())


async def test_F742_the_end_of_the_block_waits_for_a_stop_that_is_under_way(tmp_path: Path) -> None:
    runner, stopping = Gates(), list[asyncio.Task[None]]()
    async with connect(str(tmp_path / "lanes.db")) as desk, Gateway(desk, runner) as gateway:
        await desk.send("a", "hello")
        await until(lambda: runner.running, "the run")
        stopping.append(asyncio.create_task(gateway.stop()))
        await until(lambda: gateway.draining is not None, "the stop to begin")
    assert stopping[0].done()
    assert left_in(tmp_path / "lanes.db").state is not LaneState.RUNNING


async def test_F744_who_listens_once_a_gateway_has_stopped_does_not_wait(tmp_path: Path) -> None:
    """A message that was accepted just then: its stream would keep a web server from ending."""
    async with gateway_on(tmp_path, Gates(), Hands()) as site, asyncio.timeout(PATIENCE_S):
        await site.gateway.stop()
        message = await site.desk.send("a", "hello")
        assert [piece async for piece in site.gateway.listen(message.id)] == []
        assert [piece async for piece in site.gateway.listen(message)] == []


LATE = """
import asyncio, atexit, sys, lanes

async def runner(run):
    return "hi"

def late():
    loop.run_until_complete(gateway.__aexit__(None, None, None))
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()

loop = asyncio.new_event_loop()
opened = lanes.connect(sys.argv[1])
desk = loop.run_until_complete(opened.__aenter__())
gateway = lanes.Gateway(desk, runner)
loop.run_until_complete(gateway.__aenter__())
message = loop.run_until_complete(desk.send("a", "hello"))
print(loop.run_until_complete(desk.wait(message.id)).reply)
atexit.register(late)
"""


def test_F1054_a_gateway_and_a_desk_that_are_closed_at_exit_end_quietly_and_whole(tmp_path: Path) -> None:
    database = tmp_path / "lanes.db"
    done = subprocess.run(
        [sys.executable, "-c", LATE, str(database)], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert (done.stdout, done.stderr) == ("hi\n", "")
    with closing(open_store(str(database))) as store:
        assert store.read(reads.owners()) == [], "its owner has ended"
