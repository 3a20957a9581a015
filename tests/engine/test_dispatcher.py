"""The dispatcher: what one look at the database claims, in which order, and what it leaves."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lanes.engine.background.loop import UNHEALTHY_MS
from lanes.engine.dispatch import dispatcher as claiming_heads
from lanes.engine.dispatch import providers as dispatch_providers
from lanes.engine.dispatch.dispatcher import PAGE, Dispatcher
from lanes.engine.runs.execution import Execution
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.streams import Streams
from lanes.runners.base import RunContext, RunnerSpec
from lanes.runners.providers.places import OTHERS_FIRST_MS
from lanes.testing import HOUR, MINUTE, SECOND, Hands
from lanes_storage import AsyncStore, doors, open_async_store
from lanes_storage.clock import Now
from lanes_storage.errors import DatabaseFull, DatabaseReplaced
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import MAX_SUSPECTS, BoundTo, LaneState, MessageState, OnInterrupt
from lanes_storage.records import Admission, BudgetTerms, Head, NewMessage, Terms
from tests.kit.cooling import cool
from tests.kit.engine import FixedPolicies, spec
from tests.kit.until import PATIENCE_S, until
from tests.kit.world import TERMS, World


class Bench:
    """A dispatcher whose runs are started nowhere."""

    def __init__(
        self,
        world: World,
        astore: AsyncStore,
        specs: Mapping[str, RunnerSpec],
        policies: FixedPolicies | None = None,
        **more: object,
    ) -> None:
        self.world = world
        self.live = LiveSet()
        self.started: list[ActiveRun] = []
        self.open = True
        self.dispatcher = Dispatcher(
            astore,
            world.time,
            lambda: world.me,
            specs,
            policies or FixedPolicies(),
            self.live,
            self.started.append,
            is_open=lambda: self.open,
            **more,  # type: ignore[arg-type]
        )

    @property
    def keys(self) -> list[str]:
        return [run.key for run in self.started]

    def end(self, run: ActiveRun) -> None:
        """A run ends well."""
        self.world.complete(run.ticket)
        self.live.leave(run)


@pytest.fixture
async def bench(world: World, astore: AsyncStore) -> Bench:
    return Bench(world, astore, {"chat": spec()})


# ----------------------------------------------------------------------------------------- the claim


async def test_a_database_that_refuses_for_long_is_told_once_in_a_while(
    world: World, astore: AsyncStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FixedPolicies):
        def terms(self, head: Head, spec: RunnerSpec) -> Terms:
            raise DatabaseFull("lanes.db")

    monkeypatch.setattr(claiming_heads, "REFUSED_S", 0.0)
    world.send("a")
    refused = Bench(world, astore, {"chat": spec()}, Full()).dispatcher
    task = asyncio.create_task(refused.run())
    await until(lambda: refused.looks >= 3, "another look")
    assert caplog.text.count("nothing can be claimed") == 1
    world.time.move(claiming_heads.COMPLAIN_EVERY_MS + 1)
    refused.wake()
    await until(lambda: caplog.text.count("nothing can be claimed") == 2, "another word")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_F79_a_claim_in_a_file_that_was_moved_away_is_given_back_once_that_is_back(
    world: World, astore: AsyncStore, path: Path
) -> None:
    """It is committed, where nobody else sees it: nothing may begin for it, and nobody may take it for a ghost."""
    away = path.with_name("away.db")

    class Moving(FixedPolicies):
        def terms(self, head: Head, spec: RunnerSpec) -> Terms:
            if not stage.started:
                path.rename(away)  # within the transaction of the claim
            return super().terms(head, spec)

    begun: list[str] = []

    async def runner(run: RunContext) -> str:
        begun.append(run.text)
        return run.text

    message = world.send("a")
    stage = Bench(world, astore, {"chat": spec(runner)}, Moving())
    with pytest.raises(DatabaseReplaced):
        await stage.dispatcher.run_once()
    (run,) = stage.started
    assert stage.live.all() == [run], "a heartbeat names it for as long as its lane is held"
    stage.world.time.move(SECOND)
    with pytest.raises(DatabaseReplaced):
        await stage.dispatcher.run_once()
    assert stage.started == [run], "once"
    execution = Execution(astore, world.time, stage.live, Streams())
    execution.start(run)
    away.rename(path)
    await until(lambda: not len(stage.live), "its lane to be released")
    assert begun == []
    assert (world.message(message).state, world.message(message).interruptions) == ("queued", 0)
    assert await stage.dispatcher.run_once() == 1, "it runs now"
    await execution.close()


async def test_what_is_claimable_is_claimed_and_joins_the_live_runs(bench: Bench, world: World) -> None:
    world.send("a", "hello")
    assert await bench.dispatcher.run_once() == 1
    (run,) = bench.started
    assert (run.key, run.text, run.spec.name, run.owner_id) == ("a", "hello", "chat", world.me)
    assert bench.live.all() == [run]
    stored = world.run(run.ticket)
    assert (stored.owner_id, stored.runner, stored.terms) == (world.me, "chat", TERMS)
    assert await bench.dispatcher.run_once() == 0


async def test_F501_no_request_is_parsed_while_its_lane_is_claimed(world: World, astore: AsyncStore) -> None:
    """What the claim needs was stored with it: under the write lock, a long request costs no more than a short one."""

    class Acting(FixedPolicies):
        def terms(self, head: Head, spec: RunnerSpec) -> Terms:
            return TERMS._replace(on_interrupt=OnInterrupt.FAIL) if head.acts else TERMS

    bench = Bench(world, astore, {"chat": spec()}, Acting())
    world.send("acts", None, request='{"tools": no JSON', acts=True)
    world.send("plain", None, request='{"tools": no JSON')
    assert await bench.dispatcher.run_once() == 2
    stored = {run.key: world.run(run.ticket).terms.on_interrupt for run in bench.started}
    assert stored == {"acts": "fail", "plain": "requeue"}
    assert {run.key: run.terms.on_interrupt for run in bench.started} == stored


async def test_the_head_that_has_waited_longest_goes_first(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(max_runs=2)})
    for key in ("c", "a", "c", "b"):
        world.send(key)
    assert await bench.dispatcher.run_once() == 2
    assert bench.keys == ["c", "a"]
    bench.end(bench.started[0])
    await bench.dispatcher.run_once()
    assert bench.keys == ["c", "a", "c"], "it has waited longer than b"


async def test_messages_of_one_lane_run_one_after_the_other(bench: Bench, world: World) -> None:
    for text in ("1", "2", "3"):
        world.send("a", text)
    for _ in range(3):
        assert await bench.dispatcher.run_once() == 1
        bench.end(bench.started[-1])
    assert [run.text for run in bench.started] == ["1", "2", "3"]


async def test_a_page_is_not_the_end(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(max_runs=1000)})
    claimed: list[int] = []
    bench.dispatcher._start = lambda run: claimed.append(len(bench.live))
    for number in range(PAGE + 6):
        world.send(str(number))
    assert await bench.dispatcher.run_once() == PAGE + 6
    assert claimed == [PAGE] * PAGE + [PAGE + 6] * 6, "others get the write lock in between"


async def test_lanes_that_can_not_be_claimed_keep_nobody_behind_them_waiting(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec()})
    for number in range(70):
        world.send(str(number), runner="not here")
    world.send("behind them")
    assert await bench.dispatcher.run_once() == 1
    assert bench.keys == ["behind them"]


async def test_a_closed_dispatcher_leaves_everything(bench: Bench, world: World) -> None:
    bench.open = False
    world.send("a")
    task = asyncio.create_task(bench.dispatcher.run())
    ticked = bench.dispatcher.ticked_at
    world.time.move(1)
    bench.dispatcher.wake()
    await until(lambda: bench.dispatcher.ticked_at != ticked, "a look")
    assert bench.started == []
    bench.open = True
    bench.dispatcher.wake()
    await until(lambda: bench.keys == ["a"], "the claim")
    task.cancel()


class _Broken(Exception):
    """The commit fails."""


class Breaking:
    """A store whose transactions do all their work and are rolled back."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, step: Step[Any]) -> Any:
        def broken(tx: Transaction) -> None:
            assert step(tx), "there was something to claim"
            raise _Broken

        return await self._store.write(broken)


async def test_a_claim_that_does_not_commit_leaves_no_live_run(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, cast("AsyncStore", Breaking(astore)), {"chat": spec()})
    world.send("a")
    world.send("b")
    with pytest.raises(_Broken):
        await bench.dispatcher.run_once()
    assert len(bench.live) == 0
    assert bench.started == []
    assert world.state("a") is LaneState.IDLE


# ---------------------------------------------------------------------------------- slots and runners


async def test_slots_are_those_of_each_runner(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(max_runs=1), "coder": spec(name="coder", max_runs=2)})
    bench.dispatcher._policies = FixedPolicies(dict.fromkeys("cde", "coder"))
    for key in "abcde":
        world.send(key)
    assert await bench.dispatcher.run_once() == 3
    assert [(run.key, run.spec.name) for run in bench.started] == [("a", "chat"), ("c", "coder"), ("d", "coder")]
    bench.end(bench.started[1])
    await bench.dispatcher.run_once()
    assert bench.keys[3:] == ["e"]


async def test_a_message_may_name_its_runner_and_the_first_is_the_default(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(), "coder": spec(name="coder")})
    world.send("a", runner="coder")
    world.send("b")
    await bench.dispatcher.run_once()
    assert [run.spec.name for run in bench.started] == ["coder", "chat"]


@pytest.mark.parametrize("by", ["message", "policy"])
async def test_a_runner_that_this_gateway_lacks_is_left_to_others(bench: Bench, world: World, by: str) -> None:
    if by == "message":
        world.send("a", runner="coder")
    else:
        bench.dispatcher._policies = FixedPolicies({"a": "coder"})
        world.send("a")
    assert await bench.dispatcher.run_once() == 0
    assert world.lane("a").queued == 1


async def test_an_owner_of_holds_alone_claims_only_what_is_bound_to_it(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec()}, bound_only=True)
    world.send("free")
    world.send("mine", bound_to=BoundTo.WAITER, bound_owner=world.me)
    world.send("theirs", bound_to=BoundTo.WAITER, bound_owner=world.owner(pid=4712))
    await bench.dispatcher.run_once()
    assert bench.keys == ["mine"]


# ------------------------------------------------------------------------------------------ suspects


async def test_so_many_suspects_run_at_a_time_in_the_whole_database(bench: Bench, world: World) -> None:
    other = world.owner(pid=4712)
    for number in range(MAX_SUSPECTS + 1):
        world.interrupted(f"suspect {number}", 2)
    world.claim("suspect 0", other)
    world.send("innocent")
    assert await bench.dispatcher.run_once() == MAX_SUSPECTS
    assert bench.keys == [f"suspect {number}" for number in range(1, MAX_SUSPECTS)] + ["innocent"]
    bench.end(bench.started[0])
    await bench.dispatcher.run_once()
    assert bench.keys[-1] == f"suspect {MAX_SUSPECTS}"


# ------------------------------------------------------------------------------------------ providers


def refuses(world: World, provider: str, for_ms: int) -> None:
    world.step(lambda tx: cool(tx, provider, "quota", for_ms, world.time()))


async def test_a_lane_is_claimable_while_one_of_its_providers_is_not_cooling(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(providers=("codex", "backup"))})
    refuses(world, "codex", MINUTE)
    world.send("a")
    assert await bench.dispatcher.run_once() == 1


async def test_a_head_whose_providers_all_cool_is_postponed_to_the_first_of_them(
    world: World, astore: AsyncStore, time: Hands
) -> None:
    bench = Bench(world, astore, {"chat": spec(providers=("codex", "backup"))})
    refuses(world, "codex", 5 * MINUTE)
    refuses(world, "backup", MINUTE)
    message = world.send("a")
    assert await bench.dispatcher.run_once() == 0
    assert world.message(message).parked_until == time().wall + MINUTE
    assert world.state("a") is LaneState.IDLE, "it was never claimed"
    time.move(MINUTE)
    assert await bench.dispatcher.run_once() == 1


async def test_a_head_that_would_wait_too_long_for_a_provider_fails(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, {"chat": spec(providers=("codex",))})
    bench.dispatcher._policies = FixedPolicies(terms_=TERMS._replace(max_park_ms=SECOND))
    refuses(world, "codex", SECOND + 1)
    message = world.send("a")
    await bench.dispatcher.run_once()
    assert world.message(message).state is MessageState.FAILED


async def test_F705_few_of_the_messages_that_a_provider_refused_are_parked_for_its_next_cooldown(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait a moment longer than those that it did not refuse; the others wait behind them all the same."""
    monkeypatch.setattr(dispatch_providers, "POSTPONED", 4)
    monkeypatch.setattr(claiming_heads, "PAGE", 4)
    bench = Bench(world, astore, {"chat": spec(max_runs=20, providers=("codex",))})
    sent = [world.send(f"lane {number}") for number in range(12)]
    assert await bench.dispatcher.run_once() == 12
    for run in bench.started:
        world.park(run.ticket, for_ms=SECOND)
        bench.live.leave(run)
    world.time.move(SECOND)
    refuses(world, "codex", MINUTE)
    now = world.time().wall
    for _ in range(5):
        assert await bench.dispatcher.run_once() == 0
    assert sum((world.message(each).parked_until or 0) > now for each in sent) == 4
    world.time.move(MINUTE + OTHERS_FIRST_MS)
    assert await bench.dispatcher.run_once() == 1, "the probe"


@pytest.mark.parametrize("by", [-3 * HOUR, 3 * HOUR])
async def test_F462_a_wall_clock_that_is_set_changes_no_cooldown_and_fails_no_message(
    world: World, astore: AsyncStore, by: int
) -> None:
    bench = Bench(world, astore, {"chat": spec(providers=("codex",))})
    refuses(world, "codex", 5 * MINUTE)
    message = world.send("a")
    await bench.dispatcher.run_once()
    world.time.move(MINUTE)
    world.time.jump_wall(by)
    for _ in range(4):
        assert await bench.dispatcher.run_once() == 0
        assert world.message(message).state is MessageState.QUEUED
        world.time.move(MINUTE)
    assert await bench.dispatcher.run_once() == 1


async def test_F462_a_gateway_that_starts_after_the_clock_was_set_back_waits_for_no_old_time(
    world: World, astore: AsyncStore
) -> None:
    await Bench(world, astore, {"chat": spec(providers=("codex",))}).dispatcher.run_once()
    refuses(world, "codex", 5 * MINUTE)
    world.send("a")
    world.time.move(5 * MINUTE)
    world.time.jump_wall(-3 * HOUR)
    bench = Bench(world, astore, {"chat": spec(providers=("codex",))})
    assert await bench.dispatcher.run_once() == 1


# --------------------------------------------------------------------------------------------- the loop


async def test_the_loop_claims_when_it_is_woken_from_any_thread(bench: Bench, world: World) -> None:
    task = asyncio.create_task(bench.dispatcher.run())
    world.send("a")
    await asyncio.to_thread(bench.dispatcher.wake_threadsafe)
    await until(lambda: bench.keys == ["a"], "the claim")
    world.send("b")
    await until(lambda: bench.keys == ["a", "b"], "the claim that nobody woke it for")
    task.cancel()


async def test_the_loop_ends_when_the_store_is_closed(bench: Bench, world: World, astore: AsyncStore) -> None:
    await astore.close()
    await bench.dispatcher.run()


async def test_it_ticks_while_there_is_always_more_to_claim(world: World, astore: AsyncStore) -> None:
    late: list[int] = []

    def start(_: ActiveRun) -> None:
        late.append(world.time().mono - dispatcher.ticked_at)
        world.time.move(20)

    specs = {"chat": spec(max_runs=1000)}
    dispatcher = Dispatcher(astore, world.time, lambda: world.me, specs, FixedPolicies(), LiveSet(), start)
    for number in range(400):
        world.send(f"lane:{number}")
    claiming = asyncio.create_task(dispatcher.run())
    await until(lambda: len(late) == 400, "all to be claimed")
    claiming.cancel()
    assert max(late) < UNHEALTHY_MS


def test_a_closed_loop_does_not_end_the_writer(tmp_path: Path) -> None:
    async def left() -> AsyncStore:
        store = await open_async_store(str(tmp_path / "other.db"), create=True)
        dispatcher = Dispatcher(store, Hands(), lambda: 1, {}, FixedPolicies(), LiveSet(), lambda _: None)
        store.on_commit(dispatcher.wake_threadsafe)
        return store

    store = asyncio.run(left())
    for _ in range(2):
        store.write_blocking(doors.touch, PATIENCE_S)
    asyncio.run(store.close())


async def test_one_look_behind_a_claim_is_enough(
    bench: Bench, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tick in ("IDLE_S", "TICK_S"):
        monkeypatch.setattr(f"lanes.engine.dispatch.dispatcher.{tick}", PATIENCE_S)
    looks, look = list[Now](), bench.dispatcher._backlog.look

    async def counted(now: Now, **woken: bool) -> None:
        looks.append(now)
        await look(now, **woken)

    monkeypatch.setattr(bench.dispatcher._backlog, "look", counted)
    unlisten = astore.on_commit(bench.dispatcher.wake)
    running = asyncio.create_task(bench.dispatcher.run())
    try:
        await until(lambda: bench.dispatcher.looks == 1, "the first look")
        bench.world.send("a")
        bench.dispatcher.wake()
        await until(lambda: len(looks) >= 3, "the look behind the claim")
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.keys == ["a"]
        assert len(looks) == 3, "the one behind the claim covers the claim's own commit"
    finally:
        unlisten()
        running.cancel()


async def test_F718_a_session_runs_as_much_as_its_budget_allows_whatever_it_asks_at_once(
    world: World, astore: AsyncStore
) -> None:
    """The request that finds nothing left pauses its session: not before the one that got the rest runs."""

    class Limited(FixedPolicies):
        def budgets(self, key: str) -> tuple[BudgetTerms, ...]:
            return (BudgetTerms("", HOUR, 2, None, None),)

    bench = Bench(world, astore, {"chat": spec()}, Limited())
    request = NewMessage("a", request='{"messages": []}', actor="sender")
    for _ in range(3):
        world.step(lambda tx: doors.enter_beside(tx, request, Admission(20, concurrency=3), world.time()))
    assert await bench.dispatcher.run_once() == 2
    paused = world.lane("a").pause
    assert paused is not None
    assert "2 of 2 runs" in paused.reason
