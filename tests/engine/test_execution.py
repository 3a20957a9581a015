"""One run from claim to release: whatever its runner does, exactly one release, and the right one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from lanes.base.errors import RunFailed, RunParked
from lanes.engine.runs import execution
from lanes.engine.runs.execution import Execution
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.runs.streams import Streams
from lanes.runners.base import Delta, Reply, RunContext, Runner
from lanes.testing import MINUTE, SECOND
from lanes_storage import AsyncStore, errors
from lanes_storage.interface import Step
from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records import ProviderAttempt
from tests.kit.engine import active
from tests.kit.until import until
from tests.kit.world import World

EAGER = getattr(asyncio, "eager_task_factory", None)


class Bench:
    """An execution, and what it has in its hands."""

    def __init__(self, world: World, astore: AsyncStore) -> None:
        self.world = world
        self.astore = astore
        self.live = LiveSet()
        self.streams = Streams()
        self.execution = Execution(astore, world.time, self.live, self.streams)

    def start(self, runner: Runner, key: str = "a", **more: Any) -> ActiveRun:
        """Claim a lane and begin its run."""
        run = active(self.world, self.astore, self.world.start(key, **more), runner)
        self.live.join(run)
        self.execution.start(run)
        return run

    async def ends(self, runner: Runner, key: str = "a") -> ActiveRun:
        """A run, ended."""
        run = self.start(runner, key)
        await self.execution.idle()
        return run


@pytest.fixture
async def bench(world: World, astore: AsyncStore) -> AsyncIterator[Bench]:
    made = Bench(world, astore)
    yield made
    await made.execution.close()


def told(kind: StopKind, cause: Cause = Cause.ABORTED) -> Stop:
    return Stop(kind, cause, "told to stop", 10 * SECOND, 0)


async def hang(run: RunContext) -> str:
    await asyncio.Event().wait()
    return "never"


# ------------------------------------------------------------------------------------- how it ends


async def test_F79_a_runner_that_meets_the_loss_of_the_file_has_not_failed(
    bench: Bench, world: World, path: Path
) -> None:
    away = path.with_name("away.db")

    def moved(one: Path, other: Path) -> None:
        one.rename(other)

    async def runner(run: RunContext) -> str:
        moved(path, away)
        try:
            return str(await run.history(1))
        finally:
            moved(away, path)

    run = await bench.ends(runner)
    message = world.message(run.message.id)
    assert (message.state, message.interruptions) == (MessageState.QUEUED, 0)
    assert world.run(run.ticket).cause is Cause.DRAINED


async def test_what_a_runner_returns_is_the_reply(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        return f"you said: {run.text}"

    run = await bench.ends(runner)
    message = world.message(run.message.id)
    assert (message.state, message.reply) == (MessageState.DONE, "you said: hello")
    assert world.run(run.ticket).ended_by == "owner:1"
    assert len(bench.live) == 0


async def test_a_whole_reply_is_stored_whole(bench: Bench, world: World) -> None:
    tried = ProviderAttempt("codex", "server_error", "500", 11)

    async def runner(run: RunContext) -> Reply:
        return Reply("text", "length", {"role": "assistant"}, {"total_tokens": 7}, "model-1", (tried,))

    message = world.message((await bench.ends(runner)).message.id)
    assert message.reply == "text"
    for part in ('"length"', '"assistant"', '"total_tokens": 7', '"model-1"'):
        assert part in (message.reply_detail or "")


async def test_an_empty_reply_is_a_reply(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        return ""

    message = world.message((await bench.ends(runner)).message.id)
    assert (message.state, message.reply) == (MessageState.DONE, "")


async def test_a_lone_surrogate_does_not_lose_the_reply(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        return "half \ud83d of it"

    assert world.message((await bench.ends(runner)).message.id).reply == "half ? of it"


@pytest.mark.parametrize("nothing", [None, 7, b"bytes", ["text"]])
async def test_what_is_no_reply_fails_the_run(bench: Bench, world: World, nothing: object) -> None:
    async def runner(run: RunContext) -> str:
        return cast("str", nothing)

    message = world.message((await bench.ends(runner)).message.id)
    assert message.state is MessageState.FAILED
    assert message.error is not None
    assert message.error.cause is Cause.RUNNER_FAILED
    assert type(nothing).__name__ in message.error.message


async def test_a_reply_that_can_not_be_stored_fails_the_run(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> Reply:
        return Reply("text", message={"secret": object()})

    run = await bench.ends(runner)
    message = world.message(run.message.id)
    assert message.state is MessageState.FAILED
    assert message.error is not None
    assert message.error.cause is Cause.RUNNER_FAILED
    assert world.state("a") is LaneState.ERRORED


async def test_a_runner_that_raises_fails_its_run_with_its_error(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        raise ValueError("a tool \ud83d broke" + "." * 5000)

    message = world.message((await bench.ends(runner)).message.id)
    assert message.error is not None
    assert message.error.cause is Cause.RUNNER_FAILED
    assert message.error.message.startswith("ValueError: a tool ? broke")
    assert len(message.error.message) <= 2000


async def test_a_run_that_failed_says_how(bench: Bench, world: World) -> None:
    tried = ProviderAttempt("codex", "server_error", "500", 11)

    async def runner(run: RunContext) -> str:
        raise RunFailed(Cause.PROVIDER_FAILED, "all failed", [tried])

    message = world.message((await bench.ends(runner)).message.id)
    assert message.error is not None
    assert (message.error.cause, message.error.attempts) == (Cause.PROVIDER_FAILED, (tried,))


async def test_a_run_that_parks_goes_back_to_the_head(bench: Bench, world: World) -> None:
    until_then = world.time().wall + MINUTE

    async def runner(run: RunContext) -> str:
        raise RunParked(until_then, "all cool")

    run = await bench.ends(runner)
    message = world.message(run.message.id)
    assert (message.state, message.parked_until) == (MessageState.QUEUED, until_then)
    assert world.run(run.ticket).edge is Edge.PARK


async def test_a_runner_that_cancels_itself_fails_its_run(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        raise asyncio.CancelledError

    message = world.message((await bench.ends(runner)).message.id)
    assert message.error is not None
    assert message.error.cause is Cause.RUNNER_FAILED


# --------------------------------------------------------------------------------------- told to stop


async def test_an_aborted_run_confirms(bench: Bench, world: World) -> None:
    run = bench.start(hang)
    world.request_abort("a")
    run.order_stop(told(StopKind.ABORT))
    await bench.execution.idle()
    row = world.run(run.ticket)
    assert (row.edge, row.forced) == (Edge.ABORT, False)
    assert world.lane("a").epoch == run.epoch


@pytest.mark.skipif(EAGER is None, reason="before Python 3.12 no task begins at once")
async def test_F745_a_run_that_is_to_stop_does_not_begin_where_tasks_begin_at_once(bench: Bench, world: World) -> None:
    """A program may set ``asyncio.eager_task_factory``: a task then begins before it can be cancelled."""
    begun: list[str] = []

    async def runner(run: RunContext) -> str:
        begun.append(run.text)
        return run.text

    run = active(world, bench.astore, world.start("a"), runner)
    bench.live.join(run)
    run.order_stop(told(StopKind.DRAIN, Cause.DRAINED))
    loop = asyncio.get_running_loop()
    loop.set_task_factory(EAGER)
    try:
        bench.execution.start(run)
    finally:
        loop.set_task_factory(None)
    await bench.execution.idle()
    assert (begun, world.lane("a").state) == ([], LaneState.ERRORED)


async def test_a_run_that_is_past_a_limit_expires(bench: Bench, world: World) -> None:
    run = bench.start(hang)
    run.order_stop(told(StopKind.EXPIRE, Cause.STALL_TIMEOUT))
    await bench.execution.idle()
    row = world.run(run.ticket)
    assert (row.edge, row.cause, row.forced) == (Edge.EXPIRE, Cause.STALL_TIMEOUT, False)


async def test_a_drained_run_goes_back_uncounted(bench: Bench, world: World) -> None:
    run = bench.start(hang)
    run.order_stop(told(StopKind.DRAIN, Cause.DRAINED))
    await bench.execution.idle()
    message = world.message(run.message.id)
    assert (message.state, message.interruptions) == (MessageState.QUEUED, 0)


async def test_a_run_that_swallows_its_cancellation_and_answers_is_done(bench: Bench, world: World) -> None:
    """It was told to stop for a limit and answered in its grace: nobody had taken the lane away."""

    async def runner(run: RunContext) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "at last"
        return "never"

    run = bench.start(runner)
    await until(lambda: run._body is not None, "the runner")
    await asyncio.sleep(0)
    run.order_stop(told(StopKind.EXPIRE, Cause.STALL_TIMEOUT))
    await bench.execution.idle()
    assert world.message(run.message.id).reply == "at last"


async def test_an_aborted_run_that_answers_all_the_same_is_aborted(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        world.request_abort("a")
        return "too late"

    run = await bench.ends(runner)
    assert world.run(run.ticket).late_reply == "too late"
    message = world.message(run.message.id)
    assert (message.state, message.reply) == (MessageState.ABORTED, None)


# -------------------------------------------------------------------------------- taken away meanwhile


async def test_F102_a_run_that_never_comes_back_keeps_its_slot_when_its_lane_is_taken(
    bench: Bench, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def stubborn(run: RunContext) -> str:
        inside.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        return "the ghost's late reply"

    run = bench.start(stubborn)
    await inside.wait()
    world.reclaim(run.ticket)
    run.lose()
    await bench.execution.idle()
    assert len(bench.live) == 0
    assert (bench.live.strays, bench.live.of_runner("chat")) == (1, 1), "its task goes on, and uses what it has"
    await until(lambda: "swallows its cancellation" in caplog.text, "the word of it")
    assert world.state("a") is LaneState.ERRORED, "the lane itself is free"
    go.set()
    await until(lambda: world.run(run.ticket).refused_writes == 1, "the refusal")
    await until(lambda: bench.live.strays == 0, "its end")
    assert bench.live.of_runner("chat") == 0
    assert world.run(run.ticket).late_reply == "the ghost's late reply"
    message = world.message(run.message.id)
    assert (message.state, message.reply) == (MessageState.QUEUED, None)


async def test_a_run_that_stops_when_its_lane_is_taken_writes_nothing(bench: Bench, world: World) -> None:
    run = bench.start(hang)
    await until(lambda: run._body is not None, "the runner")
    world.reclaim(run.ticket)
    run.lose()
    await bench.execution.idle()
    await until(lambda: not bench.execution._tasks, "the end of the run")
    assert world.run(run.ticket).refused_writes == 0


async def test_each_of_many_runs_has_one_release(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        await asyncio.sleep(0)
        if int(run.key) % 3 == 0:
            raise ValueError
        return "reply"

    for number in range(30):
        bench.start(runner, str(number))
    await bench.execution.idle()
    assert {world.state(str(number)) for number in range(30)} == {LaneState.IDLE, LaneState.ERRORED}


# ------------------------------------------------------------------------------- a database that refuses


class Refusing:
    """A store that refuses so many writes."""

    def __init__(self, store: AsyncStore, errors_: list[Exception]) -> None:
        self._store = store
        self._errors = errors_

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, step: Step[Any]) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return await self._store.write(step)


async def test_a_release_is_written_however_often_the_database_refuses(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "RETRY_FIRST_S", 0)
    refusing = Refusing(astore, [errors.DatabaseLocked("x"), errors.DatabaseFull("x"), errors.DatabaseLocked("x")])
    bench = Bench(world, cast("AsyncStore", refusing))

    async def runner(run: RunContext) -> str:
        return "kept until it could be stored"

    run = await bench.ends(runner)
    assert world.message(run.message.id).reply == "kept until it could be stored"
    assert len(bench.live) == 0


async def test_F107_many_ends_that_wait_for_a_disk_are_told_of_in_one_line(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(execution, "RETRY_FIRST_S", 0)
    bench = Bench(world, cast("AsyncStore", Refusing(astore, [errors.DatabaseFull("x") for _ in range(200)])))

    async def runner(run: RunContext) -> str:
        return "kept until it could be stored"

    for number in range(20):
        bench.start(runner, str(number))
    await bench.execution.idle()
    assert sum("not stored yet" in said for said in caplog.messages) == 1
    assert {world.state(str(number)) for number in range(20)} == {LaneState.IDLE}


async def test_a_store_that_is_closed_under_a_run_leaves_it_to_others(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore)
    go = asyncio.Event()

    async def runner(run: RunContext) -> str:
        await go.wait()
        return "nobody to tell"

    run = bench.start(runner)
    await astore.close()
    go.set()
    await until(lambda: not bench.execution._tasks, "the end of the run")
    assert bench.live.all() == [run], "its lane is not known to be released"
    world.reclaim(run.ticket)


# ----------------------------------------------------------------------------------------- the stream


async def test_pieces_reach_who_listens_and_the_end_is_told(bench: Bench, world: World) -> None:
    async def runner(run: RunContext) -> str:
        run.emit("one ")
        run.emit("two")
        return "one two"

    claimed = world.start("a")
    listener = bench.streams.of(claimed.message.id).listen()
    run = active(world, bench.astore, claimed, runner)
    bench.live.join(run)
    bench.execution.start(run)
    assert [await listener.get() for _ in range(3)] == [Delta("one "), Delta("two"), None]
    assert world.message(claimed.message.id).state is MessageState.DONE, "the end is told once it is stored"


async def test_the_stream_of_a_parked_message_stays_for_who_listens(bench: Bench, world: World) -> None:
    async def parks(run: RunContext) -> str:
        raise RunParked(world.time().wall, "all cool")

    async def answers(run: RunContext) -> str:
        run.emit("at last")
        return "at last"

    run = bench.start(parks)
    listener = bench.streams.of(run.message.id).listen()
    await bench.execution.idle()
    world.time.move(SECOND)
    again = active(world, bench.astore, world.claim("a"), answers)
    bench.live.join(again)
    bench.execution.start(again)
    assert [await listener.get() for _ in range(2)] == [Delta("at last"), None]
