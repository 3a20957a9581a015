"""The run ended or hung: the lane does not. A gateway in this process, on a real file, whose time the test moves."""

import asyncio
import sys
from pathlib import Path

import lanes
from lanes.records import Message
from lanes.testing import SECOND, Hands
from lanes_storage import doors
from lanes_storage.law import Cause, LaneState, MessageState
from lanes_storage.records import RunResult, Ticket
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until


def cause_of(message: Message) -> Cause | None:
    return None if message.error is None else message.error.cause


async def test_F02_F39_a_silent_run_ends_at_its_limit_and_the_next_message_starts(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", stall_timeout="60s") as site:
        silent = await site.desk.send("a", "silent")
        await site.running(runner, "a")
        waiting = await site.desk.send("a", "waiting")
        first = runner.running["a"]
        await site.by_and_by(lambda: runner.running.get("a") not in (first, None), "the next message to start")
        assert cause_of(await site.desk.message(silent.id)) is Cause.RUN_TIMEOUT
        runner.open()
        assert (await site.desk.wait(waiting.id)).state is MessageState.DONE


async def test_F03_F11_a_run_that_swallows_its_cancellation_is_released_without_it(tmp_path: Path) -> None:
    runner = Gates(stubborn=True)
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", abort_grace="5s") as site:
        stuck = await site.desk.send("a", "stuck")
        await site.running(runner, "a")
        run = runner.running["a"]
        await site.passes(61 * SECOND)
        assert (await site.desk.lane("a")).state is LaneState.RUNNING, "it has its grace"
        await site.passes(6 * SECOND)
        lane = await site.desk.lane("a")
        assert lane.state is LaneState.ERRORED
        assert lane.epoch > run.epoch, "fenced by a new epoch"
        assert (await site.desk.message(stuck.id)).reply is None
        runner.open()  # now the ghost replies

        async def refused() -> int:
            events = await site.desk.events(key="a")
            return sum(e.type == "refused_write" for e in events)

        assert await until(refused, "the refusal") == 1, "refused and counted"
        assert cause_of(await site.desk.message(stuck.id)) is Cause.RUN_TIMEOUT, "and it changed nothing"


async def test_F06_a_timeout_inside_a_sub_task_leaves_nothing_behind(tmp_path: Path) -> None:
    inside = asyncio.Event()
    left: list[str] = []

    async def sub_task() -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.append("sub-task")

    async def runner(run: lanes.RunContext) -> str:
        if run.text == "next":
            return "answered"
        async with asyncio.TaskGroup() as group:
            group.create_task(sub_task())
        return "never"

    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", stall_timeout="60s") as site:
        first = await site.desk.send("a", "first")
        await inside.wait()
        await site.by_and_by(lambda: bool(left), "the run to be stopped")
        assert cause_of(await site.desk.wait(first.id)) is Cause.RUN_TIMEOUT
        assert (await site.desk.ask("a", "next")).reply == "answered"
        await until(lambda: site.gateway.held == 0, "the gateway to hold nothing beside the row of the lane")


async def test_F07_a_backend_that_is_torn_down_in_mid_run_is_told_by_its_name(tmp_path: Path) -> None:
    """The backend is a process that the runner talks to over a pipe; it is killed while it works."""
    script = "import sys; print('ready', flush=True); sys.stdin.readline(); sys.stdin.readline()"
    backends: list[asyncio.subprocess.Process] = []

    async def runner(run: lanes.RunContext) -> str:
        if run.text == "next":
            return "answered"
        pipe = asyncio.subprocess.PIPE
        backend = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdin=pipe, stdout=pipe)
        backends.append(backend)
        assert backend.stdout is not None
        await backend.stdout.readuntil(b"ready\n")
        run.progress("backend:ready")
        await backend.stdout.readuntil(b"the answer\n")
        return "never"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        first = await site.desk.send("a", "first")
        waiting = await site.desk.send("a", "next")
        await until(lambda: backends, "the backend to start")
        backends[0].kill()
        assert cause_of(await site.desk.wait(first.id)) is Cause.BACKEND_LOST
        assert (await site.desk.wait(waiting.id)).reply == "answered", "the queue is intact"
        await backends[0].wait()


async def test_F09_a_sub_phase_with_a_deadline_of_its_own_fails_the_run_and_frees_the_lane(tmp_path: Path) -> None:
    async def runner(run: lanes.RunContext) -> str:
        if run.text == "next":
            return "answered"
        run.progress("history:summarising")
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
        return "never"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        first = await site.desk.ask("a", "first")
        assert cause_of(first) is Cause.RUNNER_FAILED
        assert "TimeoutError" in (first.error.message if first.error else "")
        assert (await site.desk.ask("a", "next")).reply == "answered"


async def test_F10_book_keeping_after_the_lane_has_moved_on_is_refused_once(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        first = await site.desk.send("a", "first")
        await site.running(runner, "a")
        old = runner.running["a"]
        await site.desk.abort("a", actor="test", force=True)
        await site.desk.send("a", "second")
        await until(lambda: runner.running.get("a") not in (old, None), "the lane to move on")
        late = RunResult("late book-keeping")
        ticket = Ticket(old.id, old.epoch)
        release = await site.desk.store.write(
            doors.complete(ticket, late, site.time(), by="test"),
        )
        assert not release.applied
        assert (await site.desk.message(first.id)).reply is None
        assert (await site.desk.lane("a")).state is LaneState.RUNNING, "the present run is untouched"


async def test_F15_a_default_install_frees_a_stuck_lane_by_itself(tmp_path: Path) -> None:
    runner = Gates()
    time = Hands()
    async with gateway_on(tmp_path, runner, time, queue={}) as site:
        stuck = await site.desk.send("a", "stuck")
        await site.running(runner, "a")
        began = time().mono
        await site.by_and_by(lambda: not runner.running, "the run to be stopped", step_ms=SECOND)
        ended = await site.desk.wait(stuck.id)
        assert cause_of(ended) is Cause.STALL_TIMEOUT
        assert time().mono - began <= 130 * SECOND, "within the default stall_timeout of two minutes"


async def test_F16_after_a_timeout_nothing_is_done_without_a_run(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", stall_timeout="60s") as site:
        await site.desk.send("a", "silent")
        await site.running(runner, "a")
        await site.by_and_by(lambda: not runner.running, "the run to be stopped")
        runner.open()
        sent = [await site.desk.send("a", f"text {n}", cap=2) for n in range(2)]
        for message in sent:
            ended = await site.desk.wait(message.id)
            assert ended.state is MessageState.DONE
            assert ended.reply == f"reply to {message.text}"
            assert ended.started_at is not None


async def test_F61_the_report_of_a_timeout_tells_budget_elapsed_and_cause_apart(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="60s", stall_timeout="60s") as site:
        await site.desk.send("a", "silent")
        await site.running(runner, "a")
        await site.by_and_by(lambda: not runner.running, "the run to be stopped")
        await until(lambda: site.gateway.held == 0, "the lane to be released")
        (expired,) = [e for e in await site.desk.events(key="a") if e.type == "expire"]
        assert expired.cause == "run_timeout"
        assert expired.detail is not None
        assert expired.detail["budget_ms"] == 60 * SECOND
        assert 60 * SECOND <= expired.detail["elapsed_ms"] <= 62 * SECOND
