"""``desk.hold``: a block of one's own code holds a lane like any run, and is let go however it is left."""

import asyncio
import contextvars
import math
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

import lanes
from lanes.base.errors import Draining
from lanes.desk import Desk
from lanes.engine.runs.live import ActiveRun
from lanes.records import Message
from lanes.testing import SECOND, Hands
from lanes_storage import doors, reads
from lanes_storage.errors import DatabaseLocked
from lanes_storage.law import BoundTo, Cause, LaneState, MessageState
from tests.kit.gateways import let_pass
from tests.kit.until import PATIENCE_S, until


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with lanes.connect(str(tmp_path / "lanes.db")) as made:
        yield made


async def newest(desk: Desk, key: str) -> Message:
    return (await desk.messages(key))[0]


async def until_queued(desk: Desk, number: int) -> None:
    async def queued() -> bool:
        return (await desk.counts()).messages.queued == number

    await until(queued, f"{number} to wait")


def apart(body: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """A task that does not belong to the block that starts it, as another caller's would not."""
    return asyncio.get_running_loop().create_task(body, context=contextvars.Context())


async def test_a_block_holds_the_lane_and_lets_go_of_it(desk: Desk) -> None:
    async with desk.hold("a") as run:
        lane = await desk.lane("a")
        assert (lane.state, lane.epoch) == (LaneState.RUNNING, run.epoch)
        run.progress("model_call:started")
    lane = await desk.lane("a")
    assert lane.state is LaneState.IDLE, "released before the block is over for its caller"
    assert (await newest(desk, "a")).state is MessageState.DONE


async def test_holds_and_messages_stand_in_one_queue(desk: Desk) -> None:
    order: list[str] = []

    async def runner(run: lanes.RunContext) -> str:
        order.append(run.text)
        return "done"

    async def held(name: str) -> None:
        async with desk.hold("a"):
            order.append(name)

    async with desk.hold("a"):
        first = await desk.send("a", "one")
        hold = apart(held("two"))
        await until_queued(desk, 2)
        last = await desk.send("a", "three")
        async with lanes.Gateway(desk, runner):
            pass  # a gateway claims nothing while the lane is held
    async with lanes.Gateway(desk, runner):
        await asyncio.gather(hold, desk.wait(first.id), desk.wait(last.id))
    assert order == ["one", "two", "three"]


async def test_F722_a_process_that_was_given_up_by_others_takes_no_hold_until_it_knows(desk: Desk) -> None:
    """It was suspended for longer than stale_after. Accepted, its hold and what waits behind would wait for ever."""
    async with desk.hold("a"):
        (given_up,) = {run.owner_id for run in await desk.store.read(reads.open_runs())}
    now = desk.context().now()
    await desk.store.write(lambda tx: doors.end_owner(tx, given_up, now, cause=Cause.OWNER_SILENT, by="another"))
    with pytest.raises(Draining):
        async with desk.hold("a", timeout=PATIENCE_S):
            raise AssertionError("it has no owner that lives")

    async def held() -> bool:
        try:
            async with desk.hold("a"):
                return True
        except Draining:
            return False

    assert await until(held, "it to register again")


async def test_an_exception_in_the_block_fails_the_run_and_comes_out(desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        async with desk.hold("a"):
            _ = 1 / 0
    lane = await desk.lane("a")
    assert lane.state is LaneState.ERRORED
    assert lane.last_error is not None
    assert lane.last_error.cause is Cause.RUNNER_FAILED
    assert "ZeroDivisionError" in lane.last_error.message


async def test_F794_what_would_park_a_message_ends_a_block_at_once(desk: Desk) -> None:
    with pytest.raises(lanes.RunParked):
        async with desk.hold("a"):
            raise lanes.RunParked(60, "later")
    lane = await desk.lane("a")
    assert (lane.state, lane.queued) == (LaneState.ERRORED, 0)
    assert lane.last_error is not None
    assert (lane.last_error.cause, lane.last_error.message) == (Cause.PROVIDER_COOLING, "later")
    with pytest.raises(lanes.RunFailed):
        async with desk.hold("a"):
            raise lanes.RunFailed("tool_missing", "git is not there")
    assert "git is not there" in await desk.why("a")


async def test_F577_a_block_may_be_ended_in_another_task(desk: Desk) -> None:
    hold = desk.hold("a")  # as a fixture does, whose two halves are two tasks
    await asyncio.create_task(hold.__aenter__())
    assert (await desk.lane("a")).state is LaneState.RUNNING
    await asyncio.create_task(hold.__aexit__(None, None, None))
    assert (await desk.lane("a")).state is LaneState.IDLE


async def test_F577_a_generator_that_is_left_ends_its_hold_with_an_error(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def pieces() -> AsyncIterator[str]:
        async with desk.hold("a"):
            yield "one"
            yield "two"

    async def listened() -> None:
        async for _ in pieces():
            break

    await apart(listened())

    async def released() -> bool:
        return (await desk.lane("a")).state is not LaneState.RUNNING

    await until(released, "the generator to be closed")
    error = (await newest(desk, "a")).error
    assert error is not None
    assert "GeneratorExit" in error.message
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_an_abort_cancels_the_block_and_says_so(desk: Desk) -> None:
    entered = asyncio.Event()
    left = asyncio.Event()

    async def body() -> None:
        async with desk.hold("a"):
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

    task = apart(body())
    await entered.wait()
    result = await desk.abort("a", actor="alice", reason="stuck")
    assert result.outcome is lanes.Outcome.RELEASED
    assert left.is_set(), "the outcome was proven after the block was left"
    with pytest.raises(lanes.HoldEnded) as ended:
        await task
    assert ended.value.cause is Cause.ABORTED
    assert "alice" in str(ended.value)
    assert task.cancelling() == 0, "it was our cancellation, and it is taken back"


async def test_a_block_out_of_time_is_cancelled(desk: Desk) -> None:
    with pytest.raises(lanes.HoldEnded) as ended:
        async with desk.hold("a", run_timeout=0.05):
            await asyncio.Event().wait()
    assert ended.value.cause is Cause.RUN_TIMEOUT
    assert (await desk.lane("a")).state is LaneState.ERRORED


async def test_a_block_without_progress_is_cancelled_and_one_with_none_to_fear_is_not(desk: Desk) -> None:
    with pytest.raises(lanes.HoldEnded) as ended:
        async with desk.hold("a", stall_timeout=0.05):
            await asyncio.Event().wait()
    assert ended.value.cause is Cause.STALL_TIMEOUT
    async with desk.hold("b", run_timeout=math.inf, stall_timeout=math.inf) as run:
        assert isinstance(run, ActiveRun)
        assert (run.terms.run_timeout_ms, run.terms.stall_timeout_ms) == (None, None)


@pytest.mark.parametrize("limit", [sys.maxsize, 10**400, 1e300, 0, -1, math.nan, True, "5", b"5", [5]], ids=repr)
async def test_F94_a_limit_that_no_row_takes_is_refused_and_the_other_holds_go_on(desk: Desk, limit: Any) -> None:
    async with desk.hold("first"):
        for name in ("run_timeout", "stall_timeout"):
            with pytest.raises(lanes.Unfit, match=name):
                async with desk.hold("bad", **{name: limit}):
                    pass
        async with desk.hold("second", timeout=PATIENCE_S):
            pass
    assert [lane.key for lane in await desk.lanes()] == ["second", "first"], "the refused one left nothing behind"


@pytest.mark.parametrize("timeout", [math.nan, "5", True])
async def test_F94_a_patience_that_is_no_number_is_refused(desk: Desk, timeout: Any) -> None:
    """Not a number among its timers would keep the whole event loop from waking in time."""
    with pytest.raises(lanes.Unfit, match="timeout"):
        async with desk.hold("a", timeout=timeout):
            pass
    message = await desk.send("a", "hello")
    with pytest.raises(lanes.Unfit, match="timeout"):
        await desk.wait(message.id, timeout=timeout)


async def test_limits_that_contradict_are_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="at most run_timeout"):
        async with desk.hold("a", run_timeout=1, stall_timeout=2):
            pass
    with pytest.raises(lanes.NotFound):
        await desk.lane("a")


async def test_a_caller_that_is_cancelled_in_its_block_lets_go(desk: Desk) -> None:
    entered = asyncio.Event()

    async def body() -> None:
        async with desk.hold("a"):
            entered.set()
            await asyncio.Event().wait()

    task = apart(body())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    lane, message = await desk.lane("a"), await newest(desk, "a")
    assert lane.state is LaneState.ABORTED
    assert message.error is not None
    assert (message.state, message.error.cause) == (MessageState.ABORTED, Cause.WAITER_GONE)


async def test_a_caller_that_is_cancelled_while_it_waits_gives_its_place_up(desk: Desk) -> None:
    async def body() -> None:
        async with desk.hold("a"):
            raise AssertionError("its turn never came")

    async with desk.hold("a"):
        task = apart(body())
        await until_queued(desk, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        message = await newest(desk, "a")
        assert message.error is not None
        assert (message.state, message.error.cause) == (MessageState.ABORTED, Cause.WAITER_GONE)


async def test_a_wait_for_ones_turn_can_be_limited(desk: Desk) -> None:
    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            async with desk.hold("a", timeout=0.01):
                raise AssertionError("its turn never came")

    async with desk.hold("a"):
        await apart(impatient())
        assert (await desk.counts()).messages.queued == 0


async def test_a_place_that_is_cut_ends_the_wait(desk: Desk) -> None:
    async def body() -> None:
        async with desk.hold("a"):
            raise AssertionError("its turn never came")

    async with desk.hold("a"):
        task = apart(body())
        await until_queued(desk, 1)
        await desk.drop((await newest(desk, "a")).id)
        with pytest.raises(lanes.HoldEnded):
            await task


async def test_if_idle_refuses_at_once(desk: Desk) -> None:
    async def body() -> None:
        with pytest.raises(lanes.LaneBusy):
            async with desk.hold("a", if_idle=True):
                raise AssertionError("it was busy")

    async with desk.hold("a"):
        await apart(body())


async def test_a_hold_is_never_collected_nor_retried(desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        async with desk.hold("a"):
            _ = 1 / 0
    with pytest.raises(lanes.NotAllowed, match="was a hold"):
        await desk.retry((await newest(desk, "a")).id)


async def test_F29_a_hold_of_ones_own_lane_within_its_block_is_refused(desk: Desk) -> None:
    async with desk.hold("a"):
        with pytest.raises(lanes.WaitCycle, match="'a' waits for 'a'"):
            async with desk.hold("a"):
                raise AssertionError("it would wait for itself")


async def test_F30_two_blocks_that_want_each_others_lane_are_told_so(desk: Desk) -> None:
    both = asyncio.Barrier(2)
    told: list[str] = []

    async def body(mine: str, other: str) -> None:
        async with desk.hold(mine):
            await both.wait()
            try:
                async with desk.hold(other):
                    pass
            except lanes.WaitCycle as cycle:
                told.append(str(cycle))

    await asyncio.gather(body("a", "b"), body("b", "a"))
    assert len(told) == 1, "one gives up its wait, the other goes on"
    assert "'a'" in told[0]
    assert "'b'" in told[0]


async def test_a_block_that_waits_for_another_lane_is_not_stalled(tmp_path: Path) -> None:
    """Its stall limit is far shorter than its wait, in which a stall of somebody else is judged."""
    time = Hands()

    async def stalls(desk: Desk) -> None:
        with pytest.raises(lanes.HoldEnded, match="no progress"):
            async with desk.hold("judged", stall_timeout=30):
                await asyncio.Event().wait()

    async def waits(desk: Desk) -> None:
        async with desk.hold("mine", stall_timeout=30), desk.hold("busy", stall_timeout=math.inf):
            pass

    async with lanes.connect(str(tmp_path / "lanes.db"), clock=time) as desk:
        async with desk.hold("busy", stall_timeout=math.inf):
            waiting = apart(waits(desk))
            assert desk._holds is not None
            engine = desk._holds._engine
            await until(lambda: [run for run in engine._live.all() if run.waiting], "the wait to be noted")
            stalling = apart(stalls(desk))
            await until(lambda: engine.held == 3, "all of them to hold their lanes")
            await let_pass(engine, desk, time, 100 * SECOND)
            await stalling
            assert (await desk.lane("mine")).state is LaneState.RUNNING
        await waiting


async def test_F32_a_runner_uses_the_library_that_runs_it(desk: Desk) -> None:
    async def runner(run: lanes.RunContext) -> str:
        if run.key == "outer":
            inner = await desk.ask("inner", "question")
            async with desk.hold("third"):
                return f"inner said {inner.reply}"
        return f"answer to {run.text}"

    async with lanes.Gateway(desk, runner):
        message = await desk.ask("outer", "go")
    assert message.reply == "inner said answer to question"


async def test_F29_a_runner_that_asks_its_own_lane_is_refused_and_nothing_is_stored(desk: Desk) -> None:
    async def runner(run: lanes.RunContext) -> str:
        await desk.ask(run.key, "again")
        return "never"

    async with lanes.Gateway(desk, runner):
        message = await desk.ask("a", "go")
    assert message.error is not None
    assert message.error.cause is Cause.WAIT_CYCLE
    assert len(await desk.messages("a")) == 1


async def test_holds_end_with_their_desk(tmp_path: Path) -> None:
    path = str(tmp_path / "lanes.db")
    entered = asyncio.Event()

    async def body(desk: Desk) -> None:
        async with desk.hold("a"):
            entered.set()
            await asyncio.Event().wait()

    async with lanes.connect(path) as first:
        task = apart(body(first))
        await entered.wait()
    with pytest.raises((lanes.HoldEnded, lanes.StorageError)):
        await task
    async with lanes.connect(path) as second:
        assert (await second.lane("a")).state is not LaneState.RUNNING


async def test_a_caller_that_is_cancelled_at_any_moment_leaves_no_place_behind(desk: Desk) -> None:
    """From before its place is stored to after its turn: the lane is free for the next one every time."""

    async def body() -> None:
        async with desk.hold("a"):
            await asyncio.sleep(0)

    for steps in range(40):
        task = apart(body())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        counts = await desk.counts()
        assert (counts.messages.queued, counts.lanes["running"]) == (0, 0), f"after {steps} steps"
    async with desk.hold("a", timeout=PATIENCE_S):
        pass


async def test_a_place_that_nobody_sits_on_is_ended_by_its_own_process(desk: Desk) -> None:
    """As after a database that refused at the moment when the place was to be given up."""
    async with desk.hold("other"):
        holds = desk._holds
        assert holds is not None
        left = await desk.send(
            "a", runner="hold-of-nobody", bound_to=BoundTo.WAITER, bound_owner=holds._engine.owner_id, actor="test"
        )
        ended = await desk.wait(left.id, timeout=PATIENCE_S)
    assert ended.error is not None
    assert (ended.state, ended.error.cause) == (MessageState.ABORTED, Cause.WAITER_GONE)


async def test_a_caller_that_leaves_while_the_database_refuses_still_lets_go(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = asyncio.Event()

    async def held() -> None:
        async with desk.hold("a", run_timeout=math.inf, stall_timeout=math.inf):
            inside.set()
            await asyncio.Event().wait()

    async def refused(_: int) -> None:
        raise DatabaseLocked("lanes.db")

    holder = apart(held())
    await inside.wait()
    assert desk._holds is not None
    monkeypatch.setattr(desk._holds._queue, "give_up", refused)
    holder.cancel()
    await asyncio.wait({holder}, timeout=PATIENCE_S)

    async def let_go() -> bool:
        return (await desk.lane("a")).state is not LaneState.RUNNING

    await until(let_go, "its lane to be let go of")


async def test_a_caller_that_leaves_as_its_turn_comes_is_cancelled_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancels: list[int] = []
    async with desk.hold("b"):  # the holds have begun
        pass
    assert desk._holds is not None
    take_place, placed = desk._holds._queue.take_place, asyncio.Event()

    async def slow_to_hear(key: str, **how: Any) -> Message:
        message = await take_place(key, **how)
        placed.set()
        while (await desk.lane(key)).state is not LaneState.RUNNING:
            await asyncio.sleep(0.002)
        return message

    async def held() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with desk.hold("a"):
                raise AssertionError("it left before")
        finally:
            cancels.append(task.cancelling())

    monkeypatch.setattr(desk._holds._queue, "take_place", slow_to_hear)
    holder = apart(held())
    await placed.wait()
    holder.cancel()
    await asyncio.wait({holder})
    assert holder.cancelled()
    assert cancels == [1]
    lane = await desk.lane("a")
    assert (lane.run_id, lane.queued) == (None, 0)
