"""A whole gateway in this process: from its start, past what others left behind, to its end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

import lanes
from lanes import Gateway, connect
from lanes.base.errors import Unfit
from lanes.config import from_data
from lanes.host.identity import this_process
from lanes.runners.base import RunContext, RunnerSpec
from lanes.runners.http.failures import NoRoom
from lanes.testing import SECOND, Hands, TimedGateway
from lanes.testing import gateway as timed
from lanes_storage import open_store
from lanes_storage.law import MessageState, RunnerKind
from lanes_storage.sqlite.aio import AsyncSqliteStore
from tests.kit.gateways import Gates, gateway_on
from tests.kit.judged import NOBODY
from tests.kit.until import PATIENCE_S, until
from tests.kit.world import World


async def echo(run: RunContext) -> str:
    run.emit("you said: ")
    run.emit(run.text)
    return f"you said: {run.text}"


def left_behind(path: Path, time: Hands) -> int:
    """A message that a process which is dead now was running; returns its id."""
    me = this_process()
    store = open_store(str(path), create=True)
    try:
        world = World(store, time)
        dead = world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)
        message = world.start("a", owner=dead).message.id
        world.send("a", "waited behind it")
        return message
    finally:
        store.close()


async def test_a_start_takes_back_what_the_dead_left_held_and_runs_it_first(tmp_path: Path) -> None:
    time = Hands()
    message = left_behind(tmp_path / "lanes.db", time)
    async with gateway_on(tmp_path, echo, time) as site:
        newest = (await site.desk.messages("a", limit=1))[0]
        assert (await site.desk.wait(newest.id)).reply == "you said: waited behind it"
        first = await site.desk.message(message)
        assert (first.state, first.reply, first.interruptions) == (MessageState.DONE, "you said: hello", 1)


async def test_F574_a_gateway_is_started_once_and_the_second_time_leaves_no_owner_behind(tmp_path: Path) -> None:
    async with connect(str(tmp_path / "lanes.db")) as desk:
        gateway = Gateway(desk, echo)
        for _ in range(2):
            async with gateway:
                with pytest.raises(Unfit, match="only once"):
                    await gateway.start()
                assert [owner.id for owner in (await desk.status()).gateways] == [gateway.owner_id]
                assert (await desk.ask("a", "hello")).reply == "you said: hello"
            assert (await desk.status()).gateways == ()
            gateway = Gateway(desk, echo)


def test_F576_a_desk_that_is_asked_in_another_event_loop_says_so_at_once(tmp_path: Path) -> None:
    async def asked(gateway: TimedGateway) -> None:
        async def listened() -> None:
            async for _ in gateway.listen(1):
                pass

        for wrong in (
            gateway.desk.send("a", "hello"),
            gateway.desk.ask("a", "hello"),
            gateway.desk.lane("a"),
            gateway.desk.wait(1),
            gateway.advance("6m"),
            Gateway(gateway.desk, echo).start(),
            gateway.drain(by="test"),
            gateway.stop(),
            listened(),
        ):
            with pytest.raises(Unfit, match="another event loop"):
                async with asyncio.timeout(PATIENCE_S):
                    await wrong
        with pytest.raises(Unfit, match="another event loop"):
            async with gateway.desk.hold("a"):
                pass

    async def main() -> None:
        async with timed(echo, path=tmp_path / "lanes.db") as gateway:
            await gateway.desk.ask("a", "hello")
            await asyncio.to_thread(asyncio.run, asked(gateway))
            assert (await gateway.desk.ask("a", "hello")).reply == "you said: hello"

    asyncio.run(main())


def test_F948_where_no_event_loop_of_asyncio_runs_it_says_so_and_opens_nothing(tmp_path: Path) -> None:
    async def under_trio(path: Path) -> None:
        async with lanes.connect(path):
            pass

    async def main() -> None:
        async with timed(echo, path=tmp_path / "lanes.db") as gateway:
            with pytest.raises(Unfit, match="asyncio event loop"):
                await asyncio.to_thread(gateway.desk.send("a", "hello").send, None)
            with pytest.raises(Unfit, match="asyncio event loop"):
                await asyncio.to_thread(gateway.listen, 1)

    with pytest.raises(Unfit, match="asyncio event loop"):
        under_trio(tmp_path / "none.db").send(None)
    asyncio.run(main())
    assert not (tmp_path / "none.db").exists()


async def test_a_gateway_that_is_drained_before_its_start_claims_nothing(tmp_path: Path) -> None:
    async with connect(str(tmp_path / "lanes.db")) as desk:
        message = await desk.send("a", "hello")
        gateway = Gateway(desk, echo)
        await gateway.drain(by="signal")  # it came during the start of the program
        async with gateway:
            assert not gateway.ready
        assert (await desk.message(message.id)).state is MessageState.QUEUED


async def test_F118_a_start_that_is_cancelled_leaves_no_owner_behind(tmp_path: Path) -> None:
    async with connect(str(tmp_path / "lanes.db")) as desk:
        for turns in range(12):
            gateway = Gateway(desk, echo)
            starting = asyncio.create_task(gateway.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled():  # it was quicker
                await gateway.stop()
        assert (await desk.status()).gateways == ()


async def test_F120_a_message_whose_run_found_no_room_is_run_again(tmp_path: Path) -> None:
    tries: list[int] = []

    async def runner(run: RunContext) -> str:
        tries.append(run.id)
        if len(tries) < 3:
            raise NoRoom
        return f"reply to {run.text}"

    async with gateway_on(tmp_path, runner, Hands()) as site:
        message = await site.desk.send("a", "hello")
        behind = await site.desk.send("a", "behind it")
        assert (await site.desk.wait(behind.id)).reply == "reply to behind it"
        assert (await site.desk.message(message.id)).reply == "reply to hello"
        assert len(tries) == 4


async def test_a_running_gateway_is_ready_healthy_and_writable(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, echo, Hands()) as site:
        assert site.gateway.ready
        assert site.gateway.healthy()
        await until(site.gateway.writable, "a write")  # it gives up after two seconds, on a slow machine too
        assert site.gateway.held == 0


async def test_who_listens_hears_every_piece_and_then_the_end(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, echo, Hands()) as site:
        message = await site.desk.send("a", "hello")
        pieces = [piece.text async for piece in site.gateway.listen(message.id)]
        assert "".join(pieces) in ("you said: hello", ""), "all of it, or it had ended before"
        assert (await site.desk.message(message.id)).reply == "you said: hello"


async def test_who_listens_may_give_the_message_itself(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, echo, Hands()) as site:
        message = await site.desk.send("a", "hello")
        pieces = [piece.text async for piece in site.gateway.listen(message)]
        assert "".join(pieces) in ("you said: hello", ""), "all of it, or it had ended before"
        ended = await site.desk.wait(message.id)
        assert [piece async for piece in site.gateway.listen(ended)] == []
        await until(lambda: not site.gateway._watchers, "the end of the watch")


async def test_a_message_that_is_not_there_can_not_be_listened_to(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, echo, Hands()) as site:
        with pytest.raises(lanes.NotFound):
            async for _ in site.gateway.listen(4711):
                pass
        assert not site.gateway._watchers


async def test_who_stops_listening_leaves_nothing_behind_and_the_next_hears_it_all(tmp_path: Path) -> None:
    runner = Gates()

    async def begins(run: RunContext) -> str:
        run.emit("one ", "two ")
        return await runner(run)

    async with gateway_on(tmp_path, begins, Hands()) as site:
        message = await site.desk.send("a", "hello")
        before = asyncio.all_tasks()
        async for piece in site.gateway.listen(message.id):
            assert piece.text == "one "
            break
        await until(lambda: not site.gateway._watchers, "the end of the watch")
        await until(lambda: not [t for t in asyncio.all_tasks() - before if "watch" in t.get_name()], "its task")
        again = site.gateway.listen(message.id)
        runner.open()
        assert [piece.text async for piece in again] == ["one ", "two "]
        assert (await site.desk.message(message.id)).state is MessageState.DONE


async def test_a_loop_is_told_when_a_message_is_run_again(tmp_path: Path) -> None:
    tries: list[int] = []

    async def runner(run: RunContext) -> str:
        tries.append(run.id)
        run.emit(f"try {len(tries)}")
        await until(lambda: run.reached_caller, "the listener")
        if len(tries) < 2:
            raise lanes.RunParked(5, "not yet")
        return "done"

    time = Hands()
    async with gateway_on(tmp_path, runner, time) as site:
        message = await site.desk.send("a", "hello")
        heard: list[str] = []
        async for piece in site.gateway.listen(message.id):
            heard.append("again" if piece.begin_again else piece.text)
            if heard == ["try 1"]:
                await until(lambda: not site.gateway.held, "the park")
                time.move(10 * SECOND)
        assert heard == ["try 1", "again", "try 2"]


async def test_a_runner_that_is_handed_in_has_as_many_slots_as_is_said(tmp_path: Path) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), options={"max_runs": 2}) as site:
        last = [await site.desk.send(key, "hello") for key in "abc"][-1]
        await site.running(runner, "a", "b")
        await site.passes(SECOND)
        assert site.gateway.held == 2
        assert (await site.desk.message(last.id)).state is MessageState.QUEUED
        runner.open()
        assert (await site.desk.wait(last.id)).state is MessageState.DONE


async def test_a_policy_names_a_runner_that_is_handed_in_where_the_configuration_has_none(tmp_path: Path) -> None:
    async def slow(run: RunContext) -> str:
        return "slowly"

    specs = {name: RunnerSpec(name, RunnerKind.PYTHON, runner, 1) for name, runner in (("quick", echo), ("slow", slow))}
    config = from_data({"policy": [{"match": "batch:*", "runner": "slow"}]})
    async with connect(str(tmp_path / "lanes.db")) as desk, Gateway(desk, specs=specs, config=config):
        assert (await desk.ask("batch:7", "hello")).reply == "slowly"
        assert (await desk.ask("chat:7", "hello")).reply != "slowly"


async def yields(run: RunContext) -> AsyncIterator[str]:
    yield run.text


@pytest.mark.parametrize(
    ("runner", "advice"), [(lambda run: run.text, "lanes.ThreadRunner(function)"), (yields, "run.emit")]
)
async def test_F949_what_is_no_async_function_and_is_handed_in_as_a_runner_is_told_what_to_do(
    runner: Any, advice: str
) -> None:
    async with timed(runner) as gateway:
        failed = await gateway.desk.ask("a", "hello")
    assert failed.state == "failed"
    assert advice in str(failed.error)


async def test_F793_a_function_in_a_thread_keeps_its_lane_until_it_ends_or_is_forced(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def works(run: RunContext) -> str:
        if run.text == "long":
            begun.set()
            assert go.wait(PATIENCE_S)
        return "worked"

    async with timed(lanes.ThreadRunner(works)) as gateway:
        await gateway.desk.send("a", "long")
        await until(begun.is_set, "the thread")

        async def requested() -> bool:
            return (await gateway.desk.lane("a")).abort_requested

        aborting = asyncio.create_task(gateway.desk.abort("a"))
        await until(requested, "the request")
        await gateway.advance("5s")
        assert (await gateway.desk.lane("a")).state == "running", "it still works"
        await gateway.advance("6s")
        assert (await aborting).outcome == "forced"
        await until(lambda: gateway.strays == 1, "its gateway to know")
        go.set()
        await until(lambda: gateway.strays == 0, "its end")
        assert (await gateway.desk.ask("a", "short")).reply == "worked"


async def test_who_waits_may_give_the_message_itself(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, echo, Hands()) as site:
        message = await site.desk.send("a", "hello")
        assert (await site.desk.wait(message)).reply == (await site.desk.wait(message.id)).reply == "you said: hello"


async def test_what_a_run_has_said_so_far_is_stored_with_the_heartbeats(tmp_path: Path) -> None:
    runner = Gates()

    async def begins(run: RunContext) -> str:
        run.emit("you said: ")
        return await runner(run)

    time = Hands()
    async with gateway_on(tmp_path, begins, time) as site:
        message = await site.desk.send("a", "hello")
        await site.running(runner, "a")
        await site.passes(10 * SECOND)  # two heartbeats
        assert (await site.desk.message(message.id)).reply_so_far == "you said: "
        runner.open()
        done = await site.desk.wait(message.id)
        assert (done.reply, done.reply_so_far) == ("reply to hello", None)


async def test_a_gateway_needs_one_runner_or_specs(tmp_path: Path) -> None:
    async with connect(str(tmp_path / "lanes.db")) as desk:
        with pytest.raises(Unfit):
            Gateway(desk)
        with pytest.raises(Unfit):
            Gateway(desk, echo, specs={})
        with pytest.raises(Unfit):
            Gateway(desk, max_runs=2, specs={"chat": RunnerSpec("chat", RunnerKind.PYTHON, echo, 1)})
        with pytest.raises(Unfit):
            Gateway(desk, echo, max_runs=0)
        with pytest.raises(Unfit):
            _ = Gateway(desk, echo).owner_id


def test_F818_what_needs_no_thread_is_refused_where_it_is_handed_in() -> None:
    """Each run would fail, and an async function would never begin."""
    for wrong in (echo, lanes.ThreadRunner(lambda run: run.text), "echo"):
        with pytest.raises(Unfit, match="plain function"):
            lanes.ThreadRunner(cast("Any", wrong))


async def test_F791_runners_that_are_none_are_refused_at_once(tmp_path: Path) -> None:
    spec: Any = RunnerSpec("chat", RunnerKind.PYTHON, echo, 1)
    bad: list[Any] = [{"chat": echo}, {"other": spec}, [spec], {"chat": None}]
    async with connect(str(tmp_path / "lanes.db")) as desk:
        for specs in bad:
            with pytest.raises(Unfit, match="specs"):
                Gateway(desk, specs=specs)
        with pytest.raises(Unfit, match="after_run"):
            lanes.Hooks(after_run=cast("Any", "print"))


async def test_F105_a_gateway_that_has_stopped_is_told_of_no_commit(tmp_path: Path) -> None:
    async with connect(str(tmp_path / "lanes.db")) as desk:
        store = desk.store
        assert isinstance(store, AsyncSqliteStore)
        before = len(store._listeners._all)
        for _ in range(3):
            async with Gateway(desk, echo):
                assert len(store._listeners._all) > before
        assert len(store._listeners._all) == before
