"""One head, run, hook or listener that raises costs only itself."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lanes import Hooks, RunContext
from lanes.engine.dispatch.dispatcher import Dispatcher
from lanes.engine.dispatch.slots import SKIP_FIRST_MS
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import Decision, ReconcileDecision
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.upkeep.alarms import HeldAlarms, WaitAlarms
from lanes.engine.upkeep.housekeeping import FIRST_PASS_MS, ConfiguredKeep, Pruner
from lanes.host.identity import this_process
from lanes.records import Event
from lanes.runners.base import RunnerSpec, StopHow
from lanes.testing import DAY, MINUTE, SECOND, Hands
from lanes.testing import gateway as timed
from lanes_storage import AsyncStore, Store
from lanes_storage.law import Cause, EventType, LaneState, RunnerKind
from lanes_storage.records import Head, Terms
from tests.engine.test_upkeep import STALL_LIMIT, Bench
from tests.kit.engine import FixedPolicies, active, spec
from tests.kit.gateways import gateway_on
from tests.kit.judged import NOBODY
from tests.kit.until import until
from tests.kit.world import TERMS, World


class Choosy(FixedPolicies):
    """Policies that raise, or give what no row takes, for one lane."""

    bad: object = None

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        if head.key != "bad" or self.bad is None:
            return TERMS
        if isinstance(self.bad, Exception):
            raise self.bad
        return TERMS._replace(run_timeout_ms=self.bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [ValueError("a policy"), 2**70, object(), 1], ids=["raises", "size", "type", "check"])
async def test_F96_a_head_whose_claim_raises_is_left_alone_and_the_others_are_claimed(
    world: World, astore: AsyncStore, caplog: pytest.LogCaptureFixture, bad: object
) -> None:
    started: list[ActiveRun] = []
    policies, live = Choosy(), LiveSet()
    policies.bad = bad
    dispatcher = Dispatcher(
        astore, world.time, lambda: world.me, {"chat": spec(max_runs=100)}, policies, live, started.append
    )
    world.send("good")
    world.send("bad")
    for number in range(70):  # more than a page
        world.send(f"lane {number}")
    with caplog.at_level(logging.ERROR, "lanes.dispatcher"):
        assert await dispatcher.run_once() == 71
        assert await dispatcher.run_once() == 0, "it is not tried again at once"
    assert sum("can not be claimed" in said for said in caplog.messages) == 1
    assert world.state("bad") is LaneState.IDLE
    assert len(live) == 71
    policies.bad = None
    world.time.move(SKIP_FIRST_MS)
    assert await dispatcher.run_once() == 1, "and it is claimed once that is mended"
    assert started[-1].key == "bad"
    await asyncio.sleep(0)


# ---------------------------------------------------------------------------------------------- duties


async def test_F98_a_run_that_can_not_be_judged_does_not_keep_the_others_from_their_limits(
    world: World, astore: AsyncStore, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(world, astore)
    bench.upkeep.start()
    try:
        bad, good = bench.hold("bad"), bench.hold("good")
        bad.terms = TERMS._replace(run_timeout_ms=cast("int", "soon"))
        bench.pass_time(STALL_LIMIT)
        assert good.stop is not None
        bench.pass_time(TERMS.abort_grace_ms)
        row = world.run(good.ticket)
        assert (row.cause, row.forced) == (Cause.STALL_TIMEOUT, True)
        assert world.state("bad") is LaneState.RUNNING
        assert world.run(bad.ticket).left_out == 0, "it beats all the same"
        assert any("'bad' can not be judged" in said for said in caplog.messages)
    finally:
        await asyncio.to_thread(bench.upkeep.stop)


async def test_F98_a_run_that_can_not_be_forced_does_not_keep_the_others_held(world: World, astore: AsyncStore) -> None:
    bench = Bench(world, astore)
    bench.upkeep.start()
    try:
        runs = {key: bench.hold(key) for key in ("good", "bad", "other")}
        bench.pass_time(STALL_LIMIT)
        stop = runs["bad"].stop
        assert stop is not None
        runs["bad"].stop = replace(stop, message=cast("str", object()))  # no row takes it
        bench.pass_time(TERMS.abort_grace_ms)
        assert {key: world.state(key) for key in runs} == {
            "good": LaneState.ERRORED,
            "other": LaneState.ERRORED,
            "bad": LaneState.RUNNING,
        }
    finally:
        await asyncio.to_thread(bench.upkeep.stop)


def test_F98_a_finding_that_can_not_be_carried_out_does_not_stop_the_others(store: Store, world: World) -> None:
    me = this_process()
    gone = world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)
    for key in ("a", "bad", "c"):
        world.start(key, owner=gone)
    observer = Observer(store, store.write, world.time, by="observer", interval_ms=5 * SECOND)

    def spoiled(finding: ReconcileDecision) -> ReconcileDecision:
        bad = finding.run is not None and finding.run.key == "bad"
        return replace(finding, evidence=cast("str", object())) if bad else finding

    done = observer.act([spoiled(finding) for finding in observer.look()])
    assert [(finding.decision, applied) for finding, applied in done] == [
        (Decision.OWNER_GONE, True),
        (Decision.OWNER_GONE, False),
        (Decision.OWNER_GONE, True),
        (Decision.OWNER_GONE, True),
    ]
    assert [world.state(key) for key in ("a", "bad", "c")] == ["errored", "running", "errored"]
    observer.run_once()
    assert world.state("bad") is LaneState.ERRORED, "the next pass judges it again"


async def test_F98_an_alarm_that_can_not_be_written_does_not_silence_the_others(
    world: World, astore: AsyncStore, store: Store
) -> None:
    runs = [active(world, astore, world.start(key)) for key in ("a", "bad", "c")]
    runs[1]._progress = cast("str", b"bytes")
    world.time.move(MINUTE)
    live = LiveSet()
    for run in runs:
        live.join(run)
    HeldAlarms(store.write, live).run_once(world.time(), by="tester")
    assert {event.key for event in world.events() if event.type == EventType.HELD_LONG} == {"a", "c"}

    def patience_ms(key: str) -> int:
        if key == "bad":
            raise ValueError("a policy")
        return 0

    for key in ("a", "bad", "c"):
        world.send(key, "waits")
    assert WaitAlarms(store, store.write, patience_ms).run_once(world.time(), by="tester") == 2


def test_F98_a_row_that_can_not_be_judged_does_not_keep_the_others_from_being_pruned(
    store: Store, world: World
) -> None:
    class Keep(ConfiguredKeep):
        def __init__(self) -> None:
            self.least_ms = DAY

        def messages_ms(self, key: str | None) -> int:
            if key == "bad":
                raise ValueError("a policy")
            return DAY

        def events_ms(self, key: str | None) -> int:
            return self.messages_ms(key)

        def conversations_ms(self, key: str | None) -> int:
            return DAY

    kept = [world.start(key) for key in ("a", "bad", "c")]
    for claimed in kept:
        world.complete(claimed.ticket)
    pruner = Pruner(store, store.write, Keep(), world.time())
    world.time.move(2 * DAY + FIRST_PASS_MS)
    pruner.step(world.time())
    while pruner.busy:
        pruner.step(world.time())
    assert world.keys() == ["bad"]


# -------------------------------------------------------------------------------------------- the log


class Failing(logging.Handler):
    """A handler of the host that fails, and does not keep it to itself. So does the default one where standard error
    is closed."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError("I/O operation on closed file")


async def test_F98_a_log_that_can_not_be_written_ends_no_thread_and_no_run(world: World, astore: AsyncStore) -> None:
    failing, lanes_log = Failing(), logging.getLogger("lanes")
    lanes_log.addHandler(failing)
    bench = Bench(world, astore)
    bench.upkeep.start()
    try:
        run = bench.hold("silent")
        run.terms = TERMS._replace(stall_timeout_ms=STALL_LIMIT)
        bad = bench.hold("bad")
        bad.terms = TERMS._replace(run_timeout_ms=cast("int", "soon"))  # of which it is told
        bench.pass_time(STALL_LIMIT)
        assert run.stop is not None, "it is judged"
        bench.pass_time(TERMS.abort_grace_ms)
        assert world.state("silent") is LaneState.ERRORED, "and forced"
        bench.pass_time(MINUTE)
        assert world.run(bad.ticket).left_out == 0, "the heart beats on"
    finally:
        lanes_log.removeHandler(failing)
        await asyncio.to_thread(bench.upkeep.stop)


# ------------------------------------------------------------------------------------ hooks and runners


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def speechless(_: object) -> None:
    raise Speechless


async def leaving(_: object) -> None:
    raise SystemExit(3)


async def interrupting(_: object) -> None:
    raise KeyboardInterrupt


def no_coroutine(_: object) -> Any:
    return 7


@pytest.mark.parametrize("hook", [speechless, leaving, interrupting, no_coroutine], ids=lambda hook: hook.__name__)
async def test_F97_a_hook_that_raises_what_it_likes_costs_only_itself(tmp_path: Path, hook: Any) -> None:
    told: list[Event] = []

    async def notice(event: Event) -> None:
        told.append(event)
        await hook(event)

    async def runner(run: RunContext) -> str:
        if run.text == "fail":
            raise SystemExit("as if it were alone")
        return f"reply to {run.text}"

    hooks = Hooks(before_run=hook, after_run=hook, notice=notice)
    async with gateway_on(tmp_path, runner, Hands(), options={"hooks": hooks}) as site:
        failed = await site.desk.wait((await site.desk.send("a", "fail")).id)
        assert failed.error is not None
        assert failed.error.cause is Cause.RUNNER_FAILED
        assert (await site.desk.wait((await site.desk.send("a", "hello")).id)).reply == "reply to hello"
        await until(lambda: told, "the notice")
        await site.desk.wait((await site.desk.send("a", "fail")).id)
        await until(lambda: len(told) == 2, "the next notice, and the first not twice")
        counts = site.gateway.hook_counts
        await until(lambda: counts["notice failed"] == 2, "the count")
        assert counts["before_run failed"] == 3
        assert len({event.id for event in told}) == len(told)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("no")], ids=repr)
async def test_F792_a_stop_that_leaves_costs_only_itself(tmp_path: Path, error: BaseException) -> None:
    """It is called in the thread that beats and judges."""

    def leaves(run: RunContext, how: StopHow) -> None:
        raise error

    async def hangs(run: RunContext) -> str:
        if run.text == "hang":
            await asyncio.Event().wait()
        return "well"

    specs = {"chat": RunnerSpec("chat", RunnerKind.PYTHON, hangs, 1, stop=leaves)}
    async with timed(specs=specs) as gateway:
        for _ in range(2):
            await gateway.desk.send("a", "hang")
            await gateway.advance(0)
            assert (await gateway.desk.abort("a")).outcome == "released"
        assert (await gateway.desk.ask("a", "hello")).reply == "well"
        assert gateway.healthy()
