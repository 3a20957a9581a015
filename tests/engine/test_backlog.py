"""F126: a long backlog costs nothing, and nothing in it is forgotten: held against a plain walk over everything."""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from lanes.engine.dispatch import backlog, dispatcher
from lanes.engine.dispatch import providers as dispatch_providers
from lanes.engine.dispatch.dispatcher import Dispatcher
from lanes.engine.runs.live import ActiveRun
from lanes.runners.base import RunnerSpec
from lanes.runners.providers.places import ProviderView, choose, lines_of
from lanes.testing import SECOND
from lanes_storage import AsyncStore, doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Query, Transaction, within
from lanes_storage.law import MAX_INTERRUPTIONS, MAX_SUSPECTS, PauseKind
from lanes_storage.records import LaneFilter, Ticket
from tests.engine.test_dispatcher import Bench
from tests.kit.cooling import cool
from tests.kit.engine import FixedPolicies, spec
from tests.kit.until import until
from tests.kit.world import World

KEYS = [f"{runner}:{number}" for runner in ("chat", "coder", "none") for number in range(5)]
SPECS = {
    "chat": spec(max_runs=2, providers=("p",)),
    "coder": spec(name="coder", max_runs=3),
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is kept of is kept of by a handful."""
    for name, value in {"FEW": 2, "PAGE": 3, "EVENTS": 3, "MOST_LATER": 3, "MOST_EARLY": 1}.items():
        monkeypatch.setattr(backlog, name, value)
    monkeypatch.setattr(dispatch_providers, "POSTPONED", 2)


class History:
    """Things happen to lanes, here and in another process, and each look claims what a plain walk would."""

    def __init__(self, world: World, bench: Bench, seed: int) -> None:
        self.world, self.bench = world, bench
        self.random = Random(seed)
        self.other = world.owner(pid=4711)
        self.theirs: list[Any] = []

    def plain(self) -> list[tuple[str, str]]:
        """What a walk over everything that waits would claim, in its order: runners and lanes."""
        world, live = self.world, self.bench.live
        now = world.time()

        def step(tx: Transaction) -> list[tuple[str, str]]:
            view = ProviderView(within(tx, reads.providers()), within(tx, reads.places_taken(now)), now)
            given = Counter[str]()
            slots = {name: one.max_runs - live.of_runner(name) for name, one in SPECS.items()}
            suspects, found = within(tx, reads.suspects_running()), list[tuple[str, str]]()
            for head in doors.candidates(tx, world.me, now, limit=10_000):
                one = self.bench.dispatcher._spec_of(head)
                suspect = head.interruptions >= MAX_INTERRUPTIONS - 1
                if one is None or slots[one.name] <= 0 or (suspect and suspects >= MAX_SUSPECTS):
                    continue
                choice = choose(lines_of(one), view, given)
                if choice.until is None and not choice.full:
                    if choice.limited and choice.provider:
                        given[choice.provider] += 1
                    found.append((one.name, head.key))
                    slots[one.name] -= 1
                    suspects += suspect
            return found

        return world.step(step)

    def happen(self) -> str:
        """One thing."""
        does: list[Callable[[], None]] = [self.send] * 6 + [self.end] * 4 + [self.interrupt] * 2
        does += [self.they_claim, self.they_end, self.pause, self.resume, self.pause_many, self.resume_many]
        does += [self.park, self.drop, self.cool, self.warm, self.pass_time, self.pass_time]
        what = self.random.choice(does)
        what()
        return what.__name__

    def send(self) -> None:
        self.world.send(
            self.random.choice(KEYS), runner=self.random.choice([None, None, None, "coder", "none"]), cap=99
        )

    def _mine(self) -> ActiveRun | None:
        runs = self.bench.live.all()
        return self.random.choice(runs) if runs else None

    def end(self) -> None:
        if run := self._mine():
            self.bench.end(run)

    def interrupt(self) -> None:
        if run := self._mine():
            (self.world.interrupt if self.random.random() < 0.3 else self.world.reclaim)(run.ticket)
            self.bench.live.leave(run)

    def park(self) -> None:
        if run := self._mine():
            self.world.park(run.ticket, for_ms=self.random.randrange(5) * SECOND)
            self.bench.live.leave(run)

    def they_claim(self) -> None:
        heads = self.world.candidates(self.other, limit=100)
        if heads:
            claimed = self.world.try_claim(self.random.choice(heads), self.other)
            self.theirs += [claimed] if claimed else []

    def they_end(self) -> None:
        if self.theirs:
            ticket = self.theirs.pop(self.random.randrange(len(self.theirs))).ticket
            ends: list[Callable[[Ticket], object]] = [self.world.complete, self.world.fail, self.world.reclaim]
            self.random.choice(ends)(ticket)

    def _waiting(self) -> list[str]:
        return [lane.key for lane in self.world.store.read(reads.lanes(LaneFilter())) if lane.queued]

    def pause(self) -> None:
        if waiting := self._waiting():
            until = self.random.choice([None, self.world.time().wall + self.random.randrange(1, 5) * SECOND])
            self.world.pause(self.random.choice(waiting), until=until)

    def resume(self) -> None:
        if keys := self.world.keys():
            self.world.resume(self.random.choice(keys))

    def pause_many(self) -> None:
        until = self.random.choice([None, self.world.time().wall + self.random.randrange(1, 5) * SECOND])
        pattern, now = self.random.choice(["chat:*", "*"]), self.world.time()
        self.world.step(
            lambda tx: doors.pause_matching(tx, pattern, PauseKind.HAND, now, actor="a", reason="r", until=until)
        )

    def resume_many(self) -> None:
        now = self.world.time()
        for pattern in ("chat:*", "*"):
            self.world.step(lambda tx, of=pattern: doors.resume_matching(tx, of, PauseKind.HAND, now, actor="a"))  # type: ignore[misc]

    def drop(self) -> None:
        if waiting := self._waiting():
            head = self.world.lane(self.random.choice(waiting)).head_id
            assert head is not None
            self.world.drop(head)

    def cool(self) -> None:
        for_ms, now = self.random.randrange(1, 4) * SECOND, self.world.time()
        self.world.step(lambda tx: cool(tx, "p", "rate_limited", for_ms, now, by="tester"))

    def warm(self) -> None:
        self.world.step(lambda tx: doors.reset_provider(tx, "p", self.world.time(), by="tester"))

    def pass_time(self) -> None:
        self.world.time.move(self.random.randrange(1, 3_000))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("seed", range(6))
async def test_F126_a_look_claims_what_a_plain_walk_would(world: World, astore: AsyncStore, seed: int) -> None:
    policies = FixedPolicies({key: key.partition(":")[0] for key in KEYS})
    bench = Bench(world, astore, SPECS, policies)
    history, happened = History(world, bench, seed), list[str]()
    for _ in range(20):
        history.send()
    for _ in range(60):
        happened.append(history.happen())
        expected, before = history.plain(), len(bench.started)
        await bench.dispatcher.run_once()
        claimed = [(run.spec.name, run.key) for run in bench.started[before:]]
        assert sorted(claimed, key=lambda each: each[0]) == sorted(expected, key=lambda each: each[0]), happened
    for run in bench.live.all():
        bench.end(run)
    for theirs in history.theirs:
        world.complete(theirs.ticket)


@pytest.mark.usefixtures("narrow")
async def test_F126_a_long_walk_goes_on_at_once_and_ends(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "PAGES", 1)
    monkeypatch.setattr(dispatcher, "TICK_S", 3_600)
    bench = Bench(world, astore, SPECS, FixedPolicies({"behind": "coder"}))
    for number in range(40):
        world.send(str(number), runner="none")
    world.send("behind")
    task = asyncio.create_task(bench.dispatcher.run())
    await until(lambda: bench.keys == ["behind"], "the head behind them")
    task.cancel()


class Counting:
    """A store that counts what is asked of it."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self.read_rows = self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, query: Query[Any]) -> Any:
        def counted(rows: list[Any]) -> Any:
            self.read_rows += len(rows)
            return query.shape(rows)

        return await self._store.read(query._replace(shape=counted))

    async def write(self, step: Any) -> Any:
        self.writes += 1
        return await self._store.write(step)


@pytest.mark.parametrize("why", ["full", "absent", "cooling"])
async def test_F126_heads_that_can_not_be_claimed_cost_nothing(world: World, astore: AsyncStore, why: str) -> None:
    store = Counting(astore)
    specs: dict[str, RunnerSpec] = {"chat": spec(max_runs=1 if why == "full" else 10, providers=("p",))}
    specs["coder"] = spec(name="coder")
    bench = Bench(world, store, specs)
    if why == "cooling":
        now = world.time()
        world.step(lambda tx: cool(tx, "p", "quota", 60 * SECOND, now, by="tester"))
    runner = "none" if why == "absent" else "chat"
    for number in range(2 * backlog.FEW):
        world.send(f"waits:{number}", runner=runner)
    while await bench.dispatcher.run_once() or bench.dispatcher._backlog._scanned is not None:
        pass
    await bench.dispatcher.run_once()
    assert len(bench.started) == (why == "full"), "one takes the only slot"
    store.read_rows = store.writes = 0
    for _ in range(10):
        await bench.dispatcher.run_once()
    assert (store.read_rows <= 2 * 10, store.writes) == (True, 0), "two rows for each look, and no lock"
    world.send("behind them", runner="coder")
    assert await bench.dispatcher.run_once() == 1
    assert bench.keys[-1] == "behind them"
    assert store.writes == 1
    assert store.read_rows <= 3 * 10


class Collecting(FixedPolicies):
    """Every lane is collected."""

    def collects(self, key: str) -> int | None:
        return 500


@pytest.mark.usefixtures("narrow")
async def test_F126_a_wall_clock_that_is_set_back_keeps_no_head_waiting(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, SPECS, Collecting({"collected": "coder"}))
    for number in range(2 * backlog.FEW):
        world.send(f"waits:{number}", runner="none")
    world.send("collected")
    assert await bench.dispatcher.run_once() == 0, "it has to be quiet for a moment"
    world.time.jump_wall(-3_600 * SECOND)
    for _ in range(8):
        world.time.move(100)
        await bench.dispatcher.run_once()
    assert bench.keys == ["collected"]


async def test_F126_parks_that_end_one_after_the_other_are_not_walked_over_at_each_end(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FEW": 2, "MOST_LATER": 20}.items():
        monkeypatch.setattr(backlog, name, value)
    store = Counting(astore)
    bench = Bench(world, store, {"chat": spec(max_runs=100)})
    for number in range(60):
        world.send(f"{number}")
    for head in world.candidates(limit=100):
        world.postpone(head, for_ms=(61 - head.message_id) * SECOND)
    store.read_rows = 0
    for second in range(1, 61):
        world.time.move(SECOND)
        assert await bench.dispatcher.run_once() == (second > 0), second
    assert store.read_rows < 60 * 10, "all of them three times, and a few rows for each look"


async def test_heads_behind_full_slots_are_not_read_again_until_something_is_committed(
    world: World, astore: AsyncStore
) -> None:
    for number in range(20):
        world.send(f"chat:{number}")
    store = Counting(astore)
    bench = Bench(world, store, {"chat": spec(max_runs=2)})
    assert await bench.dispatcher.run_once() == 2
    await bench.dispatcher.run_once()
    read = store.read_rows
    for _ in range(10):
        world.time.move(SECOND // 10)
        assert await bench.dispatcher.run_once() == 0
    assert store.read_rows == read
    bench.end(bench.live.all()[0])
    assert await bench.dispatcher.run_once() == 1


async def test_F127_a_word_that_comes_during_a_look_is_not_lost(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cleared after the look, which had passed by what it spoke of: that waited for the next tick."""
    monkeypatch.setattr(dispatcher, "TICK_S", 3_600)
    bench = Bench(world, astore, {"chat": spec()})
    looked = bench.dispatcher._backlog.look

    async def late(now: Now, **woken: bool) -> None:
        await looked(now, **woken)
        if not world.keys():
            world.send("a")
            bench.dispatcher.wake()

    monkeypatch.setattr(bench.dispatcher._backlog, "look", late)
    task = asyncio.create_task(bench.dispatcher.run())
    await until(lambda: bench.keys == ["a"], "the claim")
    task.cancel()
    assert isinstance(bench.dispatcher, Dispatcher)


def test_a_line_gives_the_lowest_and_each_once() -> None:
    for seed in range(20):
        random, line, held = Random(seed), backlog.HeadQueue(), set[int]()
        top = 0
        for _ in range(400):
            match random.randrange(3):
                case 0:
                    top += random.randrange(3)
                    line.put(top)
                    held.add(top)
                case 1:
                    number = random.randrange(top + 5)
                    line.put(number)
                    held.add(number)
                case _:
                    assert bool(line) == bool(held)
                    if held:
                        assert line.first == min(held)
                        assert line.pop() == min(held)
                        held.remove(min(held))


async def test_who_waits_for_nothing_but_a_commit_looks_rarely(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore, SPECS)
    kept = bench.dispatcher._backlog
    await bench.dispatcher.run_once()
    assert kept.empty
    world.park(world.start("a").ticket)
    await bench.dispatcher.run_once()
    assert not kept.empty, "time alone lets it go on"
