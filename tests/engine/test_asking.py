"""A run asks its sender: its clocks stand still, its slot is free, and it takes each text once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import lanes
from lanes.base.errors import NoAnswer, Unfit
from lanes.engine.reconcile.observer import Observer
from lanes.runners.base import RunContext
from lanes.runners.python import ThreadRunner
from lanes.testing import MINUTE, SECOND, Hands
from lanes.testing.passing import LONGEST_STEP_MS
from lanes_storage import doors, reads
from lanes_storage.law import MessageState, Mode
from lanes_storage.records import Beat, NewQuestion, RunQuestion
from tests.kit.databases import new_store
from tests.kit.gateways import Gates, Site, gateway_on
from tests.kit.until import PATIENCE_S, until
from tests.kit.world import World


class Asks:
    """A runner that asks, and replies with what it was answered."""

    def __init__(self, **how: object) -> None:
        self.running: dict[str, RunContext] = {}
        self._how = how

    async def __call__(self, run: RunContext) -> str:
        self.running[run.key] = run
        return f"answered {await run.ask('Which branch?', **self._how)}"  # type: ignore[arg-type]


async def asked(site: Site, key: str = "a", number: int | None = None) -> RunQuestion:
    """The open question of a lane, once its clocks stand still; ``number``: only if it is that one of its run."""

    async def questions() -> list[RunQuestion]:
        lane = await site.desk.store.read(reads.lane(key))
        found = [lane.run.question] if lane and lane.run and lane.run.question else []
        run = None if lane is None or lane.run is None else site.gateway._engine._live.get(lane.run.id)
        if run is not None and run.question_over_mono is None:  # it is stored, and the run does not know that yet
            return []
        return [each for each in found if number is None or each.id.endswith(f".{number}")]

    return (await until(questions, "the question"))[0]


async def is_running(site: Site, message: int) -> bool:
    return (await site.desk.message(message)).state is MessageState.RUNNING


async def test_F251_the_next_text_of_the_sender_is_the_answer(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Asks(), Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        other = await site.desk.send("a", "me too", actor="bob")
        given = await site.desk.send("a", "main", actor="alice")
        ended = await site.desk.wait(message.id)
        assert (ended.state, ended.reply) == (MessageState.DONE, "answered main")
        answer = await site.desk.wait(given.id)
        assert (answer.state, answer.answered_by, answer.reply) == (MessageState.DONE, message.id, "answered main")
        await asked(site)
        assert (await site.desk.message(other.id)).state is MessageState.RUNNING


async def test_F256_neither_run_time_nor_silence_passes_while_it_waits(tmp_path: Path) -> None:
    time = Hands()
    async with gateway_on(tmp_path, Asks(timeout=3600.0), time, run_timeout="5m", stall_timeout="2m") as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await site.passes(0)
        await asked(site)
        await site.passes(6 * MINUTE, step_ms=LONGEST_STEP_MS)  # a longer one is a suspension, and counts as no silence
        await site.passes(50 * MINUTE, step_ms=MINUTE)
        assert (await site.desk.message(message.id)).state is MessageState.RUNNING
        assert not await site.desk.events(type="held_long")
        await site.desk.send("a", "main", actor="alice")
        assert (await site.desk.wait(message.id)).reply == "answered main"


async def test_F256_a_run_that_was_warned_about_is_not_while_it_waits(tmp_path: Path) -> None:
    time = Hands()

    async def works_and_asks(run: RunContext) -> str:
        await worked.wait()
        return await run.ask("Which branch?", timeout=3600)

    worked = asyncio.Event()
    async with gateway_on(tmp_path, works_and_asks, time, run_timeout="5m", stall_timeout="off") as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await until(lambda: is_running(site, message.id), "its run")
        await site.passes(90 * SECOND, step_ms=10 * SECOND)
        worked.set()
        await asked(site)
        await site.passes(50 * MINUTE, step_ms=10 * SECOND)
        (warned,) = await site.desk.events(type="held_long")
        assert (warned.detail or {})["again_in_ms"] == 60 * SECOND
        await site.desk.send("a", "main", actor="alice")
        assert (await site.desk.wait(message.id)).reply == "main"


async def test_F256_the_clocks_go_on_after_the_answer(tmp_path: Path) -> None:
    time = Hands()

    async def asks_and_hangs(run: RunContext) -> str:
        await run.ask("Which branch?", timeout=3600)
        answered.set()
        await asyncio.Event().wait()
        return ""

    answered = asyncio.Event()
    async with gateway_on(tmp_path, asks_and_hangs, time, run_timeout="5m", stall_timeout="off") as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.passes(50 * MINUTE, step_ms=MINUTE)
        await site.desk.send("a", "main", actor="alice")
        await until(answered.is_set, "the run to go on")
        await site.passes(4 * MINUTE, step_ms=10 * SECOND)
        assert (await site.desk.message(message.id)).state is MessageState.RUNNING
        await site.passes(2 * MINUTE, step_ms=10 * SECOND)
        ended = await site.desk.wait(message.id)
        assert ended.error is not None
        assert ended.error.cause == "run_timeout"


@pytest.mark.parametrize("limit", ["5m", "off"])
async def test_F257_a_question_that_nobody_answers_ends(tmp_path: Path, limit: str) -> None:
    async with gateway_on(tmp_path, Asks(), Hands(), run_timeout=limit, stall_timeout=limit) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.passes(11 * MINUTE, step_ms=10 * SECOND)
        ended = await site.desk.wait(message.id)
        assert ended.error is not None
        assert (ended.error.cause, ended.error.message) == (
            "no_answer",
            "nobody answered “Which branch?” within 10m 0s",
        )
        late = await site.desk.send("a", "main", actor="alice")
        await asked(site)
        assert (await site.desk.message(late.id)).state is MessageState.RUNNING, "a separate message"


async def test_a_runner_may_go_on_without_an_answer(tmp_path: Path) -> None:
    async def careful(run: RunContext) -> str:
        try:
            return await run.ask("Which branch?", timeout=60)
        except NoAnswer:
            return "main, then"

    async with gateway_on(tmp_path, careful, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.passes(2 * MINUTE, step_ms=10 * SECOND)
        assert (await site.desk.wait(message.id)).reply == "main, then"


async def test_F252_a_permission_that_nobody_gives_is_denied(tmp_path: Path) -> None:
    async def permits(run: RunContext) -> str:
        return str([await run.permit("Delete it?", timeout=60) for _ in range(3)])

    async with gateway_on(tmp_path, permits, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        queued = await site.desk.send("a", "yes", actor="alice")
        await site.passes(61 * SECOND, step_ms=10 * SECOND)
        for number, said in ((2, "no"), (3, "yes")):
            await asked(site, number=number)
            await site.desk.answer("a", said, actor="operator")
        assert (await site.desk.wait(message.id)).reply == "[False, False, True]"
        assert (await site.desk.message(queued.id)).answered_by is None


async def test_F416_permissions_that_wait_for_their_turn_are_denied_in_their_time(tmp_path: Path) -> None:
    """An agent that asks for many at once holds its lane for the limit of one."""
    time = Hands()

    async def asks_for_many(run: RunContext) -> str:
        each = await asyncio.gather(*(run.permit(f"remove {name}?", timeout=600) for name in "abc"))
        return str(each)

    async with gateway_on(tmp_path, asks_for_many, time) as site:
        message = await site.desk.send("a", "hello")
        await asked(site, number=1)
        await site.passes(10 * MINUTE, step_ms=MINUTE)
        assert (await site.desk.wait(message.id)).reply == "[False, False, False]"


async def test_F258_a_run_that_waits_uses_no_slot_and_goes_on_without_one(tmp_path: Path) -> None:
    runner, gates = Asks(), Gates()

    async def either(run: RunContext) -> str:
        return await (runner(run) if run.key.startswith("a") else gates(run))

    async with gateway_on(tmp_path, either, Hands(), options={"max_runs": 1}) as site:
        first = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        second = await site.desk.send("b", "hello")
        third = await site.desk.send("c", "hello")
        await until(lambda: "b" in gates.running, "the run of another lane")
        assert (await site.desk.message(third.id)).state is MessageState.QUEUED
        await site.desk.send("a", "main", actor="alice")
        assert (await site.desk.wait(first.id)).reply == "answered main", "the slot is taken, and it goes on"
        assert "c" not in gates.running
        gates.open()
        for message in (second, third):
            assert (await site.desk.wait(message.id)).state is MessageState.DONE


async def test_F258_so_many_questions_may_be_open_and_one_more_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanes.engine.runs.liveset.MAX_QUESTIONS", 2)
    async with gateway_on(tmp_path, Asks(), Hands(), options={"max_runs": 1}) as site:
        asking = [await site.desk.send(key, "hello", actor="alice") for key in ("a", "b")]
        for key in ("a", "b"):
            await asked(site, key)
        message = await site.desk.send("c", "hello", actor="alice")
        ended = await site.desk.wait(message.id)
        assert ended.error is not None
        assert ended.error.cause == "no_answer"
        await site.desk.send("a", "main", actor="alice")
        await site.desk.wait(asking[0].id)
        again = await site.desk.send("c", "hello", actor="alice")
        await asked(site, "c")
        assert (await site.desk.message(again.id)).state is MessageState.RUNNING


async def test_an_abort_while_it_asks_closes_the_question(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Asks(), Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        assert (await site.desk.abort("a", actor="bob")).outcome == "released"
        assert (await site.desk.wait(message.id)).state is MessageState.ABORTED
        with pytest.raises(lanes.NotAllowed, match="has no open question"):
            await site.desk.answer("a", "main")
        again = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.desk.answer("a", "dev")
        assert (await site.desk.wait(again.id)).reply == "answered dev"


async def test_a_pause_does_not_keep_an_answer_away(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Asks(), Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.desk.pause("a")
        await site.desk.send("a", "main", actor="alice")
        assert (await site.desk.wait(message.id)).reply == "answered main"


async def test_a_caller_that_gives_its_question_up_may_ask_again(tmp_path: Path) -> None:
    patience = asyncio.timeout(None)

    async def impatient(run: RunContext) -> str:
        try:
            async with patience:
                await run.ask("Which branch?")
        except TimeoutError:
            pass
        return await run.ask("Which branch, please?")

    async with gateway_on(tmp_path, impatient, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        patience.reschedule(0)
        await asked(site, number=2)
        await site.desk.send("a", "main", actor="alice")
        assert (await site.desk.wait(message.id)).reply == "main"
        (closed,) = await site.desk.events(type="unanswered")
        assert closed.detail == {"question": f"{closed.run_id}.1", "why": "withdrawn"}


async def test_a_question_that_is_given_up_while_it_is_stored_does_not_stay_open(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Gates(), Hands()) as site, site.desk.hold("a", actor="alice") as run:
        for moments in range(10):
            asking = asyncio.ensure_future(run.ask("Which branch?"))
            for _ in range(moments):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking})
            await site.desk.store.write(doors.touch)  # behind everything that was written
            assert (await site.desk.lane("a")).question is None


async def test_questions_of_one_run_are_asked_one_after_the_other(tmp_path: Path) -> None:
    async def two(run: RunContext) -> str:
        return ", ".join(await asyncio.gather(run.ask("one?"), run.ask("two?")))

    async with gateway_on(tmp_path, two, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        for number in (1, 2):
            question = await asked(site, number=number)
            await site.desk.answer("a", f"{question.text} yes", question=question.id)
        assert (await site.desk.wait(message.id)).reply == "one? yes, two? yes"


async def test_F255_a_steer_reaches_the_run_that_takes_it(tmp_path: Path) -> None:
    async def steered(run: RunContext) -> str:
        said: list[str] = []
        async for given in run.inbox():
            said.append(given.text)
            run.progress(f"given {given.text}")
            if given.text == "stop":
                break
        return ", ".join(said)

    async with gateway_on(tmp_path, steered, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await until(lambda: site.gateway.held == 1, "the run")
        first = await site.desk.steer("a", "quickly", actor="bob")
        await site.desk.send("a", "in German", mode=Mode.STEER, actor="alice")
        queued = await site.desk.send("a", "next", actor="alice")
        await site.desk.steer("a", "stop")
        assert (await site.desk.wait(message.id)).reply == "quickly, in German, stop"
        assert (await site.desk.wait(first.id)).answered_by == message.id
        await until(lambda: is_running(site, queued.id), "the run of the next")


async def test_F255_a_steer_that_no_runner_takes_is_a_message(tmp_path: Path) -> None:
    gates = Gates()
    async with gateway_on(tmp_path, gates, Hands()) as site:
        await site.desk.send("a", "hello", actor="alice")
        await site.running(gates, "a")
        steer = await site.desk.steer("a", "quickly")
        gates.open()
        assert (await site.desk.wait(steer.id)).reply == "reply to quickly"


async def test_F255_a_text_that_was_taken_for_nobody_is_kept_for_the_next(tmp_path: Path) -> None:
    """Its message has ended in the write that was under way when its taker was cancelled."""

    async def impatient(run: RunContext) -> str:
        inbox, said = run.inbox(), list[str]()
        while len(said) < 20:
            getting = asyncio.ensure_future(inbox.get())
            for _ in range(len(said) % 7):
                await asyncio.sleep(0)
            getting.cancel()
            await asyncio.wait({getting})
            said += [] if getting.cancelled() else [getting.result().text]
            if getting.cancelled():
                said.append((await inbox.get()).text)
        return " ".join(said)

    async with gateway_on(tmp_path, impatient, Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await until(lambda: site.gateway.held == 1, "the run")
        for number in range(20):
            await site.desk.steer("a", str(number))
        assert (await site.desk.wait(message.id)).reply == " ".join(map(str, range(20)))


@pytest.mark.parametrize("way", ["end", "abort", "loss"])
async def test_F743_the_texts_for_a_run_end_with_it(tmp_path: Path, way: str) -> None:
    """Also for a task that outlives it: it would wait for ever, and keep the run and its message in memory."""
    gates, tasks = Gates(stubborn=way == "loss"), list[asyncio.Task[list[str]]]()

    async def left_behind(run: RunContext) -> str:
        inbox = run.inbox()

        async def listen() -> list[str]:
            heard = [given.text async for given in inbox]
            with pytest.raises(NoAnswer, match="has ended"):
                await inbox.get()
            return heard

        tasks.append(asyncio.create_task(listen()))
        return await gates(run)

    async with gateway_on(tmp_path, left_behind, Hands(), abort_grace="1s") as site, asyncio.timeout(PATIENCE_S):
        try:
            await site.desk.send("a", "hello")
            await site.running(gates, "a")
            await site.desk.wait((await site.desk.steer("a", "quickly")).id)
            if way == "end":
                gates.open()
            else:
                aborting = asyncio.create_task(site.desk.abort("a", actor="alice"))
                await site.by_and_by(aborting.done, "the abort")
            await site.by_and_by(tasks[0].done, "the gateway to find out")
            assert tasks[0].result() == ["quickly"]
        finally:
            gates.open()  # nothing else ends a stubborn run


async def test_F746_a_runner_in_a_thread_asks_and_takes_texts(tmp_path: Path) -> None:
    """A plain function has no event loop, or another one than its run."""

    def plain(run: RunContext) -> str:
        return f"{asyncio.run(run.ask('Which branch?'))}, {asyncio.run(run.inbox().get()).text}"

    async with gateway_on(tmp_path, ThreadRunner(plain), Hands()) as site:
        message = await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        await site.desk.send("a", "main", actor="alice")
        await site.desk.steer("a", "quickly")
        assert (await site.desk.wait(message.id)).reply == "main, quickly"


async def test_F761_a_text_comes_just_as_a_thread_gives_up_waiting_for_it(tmp_path: Path) -> None:
    waits, came = threading.Event(), threading.Event()

    async def taken(run: RunContext) -> str:
        getting = asyncio.ensure_future(run.inbox().get())
        await asyncio.sleep(0)
        waits.set()
        came.wait(PATIENCE_S)  # it has been handed over, and this event loop does not know yet
        getting.cancel()
        await asyncio.wait({getting})
        texts = list[str]()
        while "second" not in texts:
            texts.append((await run.inbox().get()).text)
        return ", ".join(texts)

    async with gateway_on(tmp_path, ThreadRunner(lambda run: asyncio.run(taken(run))), Hands()) as site:
        message = await site.desk.send("a", "hello")
        await until(waits.is_set, "the thread to wait")
        steered = await site.desk.steer("a", "first")
        await site.desk.wait(steered.id)
        await site.desk.steer("a", "second")
        came.set()
        assert (await site.desk.wait(message.id)).reply == "first, second"


async def test_F746_a_thread_that_asks_ends_once_its_lane_is_lost(tmp_path: Path) -> None:
    ended: list[str] = []

    def plain(run: RunContext) -> str:
        with pytest.raises(NoAnswer) as told:
            asyncio.run(run.ask("Which branch?"))
        ended.append(str(told.value))
        return "never"

    async with gateway_on(tmp_path, ThreadRunner(plain), Hands(), abort_grace="1s") as site:
        await site.desk.send("a", "hello", actor="alice")
        await asked(site)
        aborting = asyncio.create_task(site.desk.abort("a", actor="alice"))
        await site.by_and_by(aborting.done, "the abort")
        await until(lambda: ended, "the end of the thread")
        await until(lambda: site.gateway.strays == 0, "its slot")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["of its boot", "of another boot"])
def test_F256_an_observer_leaves_it_alone_until_the_limit_of_its_question(tmp_path: Path, elsewhere: bool) -> None:
    """From then on its clocks go on, also without its owner: no question holds a lane for ever."""
    store, time = new_store(tmp_path / "lanes.db"), Hands()
    world = World(store, time)
    run = world.start("a")
    now = time()._replace(boot_id="another") if elsewhere else time()
    store.write(lambda tx: tx.run("UPDATE runs SET boot_id = :boot", {"boot": now.boot_id}))
    store.write(lambda tx: doors.ask(tx, run.ticket, NewQuestion("1.1", "Which?", 10 * MINUTE), now, by="run"))
    observer = Observer(store, store.write, time, by="observer", interval_ms=5 * SECOND)
    beat = Beat(run.ticket, "waiting for input", now.boot, now.wall, now.boot + 10 * MINUTE, None, now.slept)
    ended_after = 0
    while world.lane("a").run is not None:
        time.move(5 * SECOND)
        ended_after += 5
        store.write(doors.heartbeat(world.me, [beat], time()))
        observer.run_once()
    assert 12 * 60 <= ended_after <= 13 * 60, "10 minutes for the question, 2 for its silence, and a margin"
    assert world.run(run.ticket).cause == "stall_timeout"
    store.close()


REFUSED: list[Callable[[RunContext], Awaitable[object]]] = [
    lambda run: run.ask(""),
    lambda run: run.ask(7),  # type: ignore[arg-type]
    lambda run: run.ask("x" * 4_001),
    lambda run: run.ask("Which?", timeout=float("inf")),
    lambda run: run.ask("Which?", timeout=0),
    lambda run: run.ask("Which?", options=("yes", "YES")),
    lambda run: run.ask("Which?", options="yes"),
    lambda run: run.ask("Which?", options=("",)),
    lambda run: run.ask("Which?", permission=True),
]


async def test_what_can_not_be_asked_is_refused_in_the_runner(tmp_path: Path) -> None:
    async def all_of_them(run: RunContext) -> str:
        for ask in REFUSED:
            with pytest.raises(Unfit):
                await ask(run)
        return "all"

    async with gateway_on(tmp_path, all_of_them, Hands()) as site:
        message = await site.desk.send("a", "hello")
        assert (await site.desk.wait(message.id)).reply == "all"


async def test_a_hold_asks_and_is_steered_like_a_run(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, Gates(), Hands()) as site, site.desk.hold("a", actor="alice") as run:
        asking = asyncio.ensure_future(run.ask("Which branch?"))
        await asked(site)
        await site.desk.send("a", "main", actor="alice")
        assert await asking == "main"
        await site.desk.steer("a", "quickly")
        assert (await run.inbox().get()).text == "quickly"
