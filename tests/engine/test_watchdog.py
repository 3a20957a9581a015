"""``watchdog.judge`` and ``is_stubborn``: how an owner judges its own runs, pure, on clocks that are moved by hand."""

from enum import Enum, auto
from typing import Any

import pytest

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.upkeep.watchdog import is_stubborn, judge
from lanes.testing import HOUR, MINUTE, SECOND, START, Hands
from lanes_storage import AsyncStore
from lanes_storage.law import Cause
from lanes_storage.records import Terms
from tests.kit.engine import active
from tests.kit.world import TERMS, World

RUN_LIMIT = TERMS.run_timeout_ms or 0
STALL_LIMIT = TERMS.stall_timeout_ms or 0
GRACE = TERMS.abort_grace_ms
EARLY = START.mono  # the watchdog has looked all the while


@pytest.fixture
async def run(world: World, astore: AsyncStore) -> ActiveRun:
    return active(world, astore, world.start("a"))


async def under(world: World, astore: AsyncStore, terms: Terms) -> ActiveRun:
    return active(world, astore, world.start("b", terms=terms))


class Verdict(Enum):
    FINE = auto()
    STOP = auto()
    FORCE = auto()


def verdict(run: ActiveRun, time: Hands, since: int = EARLY) -> Verdict:
    stop, stubborn = judge(run, time(), since), is_stubborn(run, time(), since)
    assert stop is None or not stubborn
    return Verdict.FORCE if stubborn else Verdict.FINE if stop is None else Verdict.STOP


async def test_a_run_is_told_to_stop_at_its_stall_timeout(run: ActiveRun, time: Hands) -> None:
    time.move(STALL_LIMIT - 1)
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    assert verdict(run, time) is Verdict.STOP
    stop = judge(run, time(), EARLY)
    assert stop is not None
    assert (stop.kind, stop.cause) == (StopKind.EXPIRE, Cause.STALL_TIMEOUT)
    assert (stop.grace_ms, stop.since_mono) == (GRACE, time().mono)
    assert "claimed" in stop.message, "it says what the last sign of life was"


async def test_progress_of_any_kind_starts_the_stall_clock_anew(world: World, astore: AsyncStore, time: Hands) -> None:
    run = await under(world, astore, TERMS._replace(run_timeout_ms=None))
    time.move(STALL_LIMIT - 1)
    run.progress("tool:started")
    time.move(STALL_LIMIT - 1)
    assert verdict(run, time) is Verdict.FINE
    run.emit("a piece")
    time.move(STALL_LIMIT - 1)
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    assert verdict(run, time) is Verdict.STOP


async def test_progress_does_not_move_the_run_timeout(run: ActiveRun, time: Hands) -> None:
    time.move(RUN_LIMIT - 1)
    run.progress("content")
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    stop = judge(run, time(), EARLY)
    assert stop is not None
    assert stop.cause is Cause.RUN_TIMEOUT


async def test_a_busy_run_is_not_stalled_within_it(run: ActiveRun, time: Hands) -> None:
    run.busy(STALL_LIMIT / SECOND, "compiling")
    time.move(2 * STALL_LIMIT - 1)
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    assert verdict(run, time) is Verdict.STOP


async def test_a_busy_run_meets_its_run_timeout_all_the_same(run: ActiveRun, time: Hands) -> None:
    run.busy(10 * RUN_LIMIT / SECOND)
    time.move(RUN_LIMIT)
    assert verdict(run, time) is Verdict.STOP


async def test_a_run_that_waits_for_another_lane_is_not_stalled(run: ActiveRun, time: Hands) -> None:
    run.set_waiting(True)
    time.move(RUN_LIMIT - 2)
    assert verdict(run, time) is Verdict.FINE
    run.set_waiting(False)
    assert verdict(run, time) is Verdict.FINE, "its silence begins when the wait has ended"
    time.move(2)
    assert verdict(run, time) is Verdict.STOP, "the run timeout counts all the while"


async def test_time_in_which_the_watchdog_did_not_look_is_no_stall(run: ActiveRun, time: Hands) -> None:
    time.move(STALL_LIMIT)
    woke = time().mono
    assert verdict(run, time, woke) is Verdict.FINE
    time.move(STALL_LIMIT - 1)
    assert verdict(run, time, woke) is Verdict.FINE
    time.move(1)
    assert verdict(run, time, woke) is Verdict.STOP


@pytest.mark.parametrize(("name", "limit"), [("run_timeout_ms", RUN_LIMIT), ("stall_timeout_ms", STALL_LIMIT)])
async def test_a_limit_that_is_off_is_never_met(
    world: World, astore: AsyncStore, time: Hands, name: str, limit: int
) -> None:
    others: dict[str, Any] = {"run_timeout_ms": None, "stall_timeout_ms": None}
    endless = await under(world, astore, TERMS._replace(**others))
    limited = active(world, astore, world.start("c", terms=TERMS._replace(**(others | {name: limit}))))
    time.move(100 * HOUR)
    assert verdict(endless, time) is Verdict.FINE
    assert verdict(limited, time) is Verdict.STOP


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_wall_clock_that_jumps_changes_nothing(run: ActiveRun, time: Hands, jump: int) -> None:
    time.jump_wall(jump)
    assert verdict(run, time) is Verdict.FINE
    time.move(STALL_LIMIT - 1)
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    assert verdict(run, time) is Verdict.STOP


# ----------------------------------------------------------------------------------------- the grace


@pytest.mark.parametrize("kind", list(StopKind))
async def test_a_run_that_does_not_stop_is_forced_after_its_grace(run: ActiveRun, time: Hands, kind: StopKind) -> None:
    run.order_stop(Stop(kind, Cause.ABORTED, "stop", GRACE, time().mono))
    time.move(GRACE - 1)
    assert verdict(run, time) is Verdict.FINE
    time.move(1)
    assert verdict(run, time) is Verdict.FORCE


async def test_a_run_that_stops_is_no_longer_judged_by_its_limits(run: ActiveRun, time: Hands) -> None:
    time.move(RUN_LIMIT)
    run.order_stop(Stop(StopKind.EXPIRE, Cause.RUN_TIMEOUT, "stop", GRACE, time().mono))
    assert verdict(run, time) is Verdict.FINE


async def test_time_in_which_the_watchdog_did_not_look_is_no_grace(run: ActiveRun, time: Hands) -> None:
    run.order_stop(Stop(StopKind.ABORT, Cause.ABORTED, "stop", GRACE, time().mono))
    time.move(HOUR)
    assert verdict(run, time, time().mono) is Verdict.FINE


async def test_an_order_can_be_hurried_and_never_slowed(run: ActiveRun, time: Hands) -> None:
    run.order_stop(Stop(StopKind.ABORT, Cause.ABORTED, "stop", GRACE, time().mono))
    run.hurry(GRACE + 1)
    assert run.stop is not None
    assert run.stop.grace_ms == GRACE
    run.hurry(0)
    assert verdict(run, time) is Verdict.FORCE


# ------------------------------------------------------------------------------ sleep, and the body's end


async def test_F108_time_in_which_the_machine_slept_is_no_run_time(
    world: World, astore: AsyncStore, time: Hands
) -> None:
    """A lunch with the lid closed, at each of the clocks that a run is judged by."""
    hour = 10 * RUN_LIMIT
    running = await under(world, astore, TERMS._replace(stall_timeout_ms=None))
    silent = active(world, astore, world.start("c", terms=TERMS._replace(run_timeout_ms=None)))
    busy = active(world, astore, world.start("d", terms=TERMS._replace(run_timeout_ms=None)))
    busy.busy(MINUTE / SECOND)
    stopping = active(world, astore, world.start("e"))
    stopping.order_stop(Stop(StopKind.ABORT, Cause.ABORTED, "stop", GRACE, time().mono))
    limits = {running: RUN_LIMIT, silent: STALL_LIMIT, busy: MINUTE + STALL_LIMIT, stopping: GRACE}
    time.sleep(hour)
    assert {verdict(run, time) for run in limits} == {Verdict.FINE}
    begun, verdicts = time(), {}
    for run, limit in sorted(limits.items(), key=lambda each: each[1]):
        time.move(begun.mono + limit - 1 - time().mono)
        time.sleep(hour)
        before = verdict(run, time)
        time.move(1)
        verdicts[run] = before, verdict(run, time)
    assert verdicts == {
        running: (Verdict.FINE, Verdict.STOP),
        silent: (Verdict.FINE, Verdict.STOP),
        busy: (Verdict.FINE, Verdict.STOP),
        stopping: (Verdict.FINE, Verdict.FORCE),
    }


async def test_F108_a_process_that_was_stopped_has_not_slept(run: ActiveRun, time: Hands) -> None:
    """Both clocks count the time in which only this process stood still."""
    time.move(RUN_LIMIT)
    assert verdict(run, time, time().mono) is Verdict.STOP


@pytest.mark.parametrize("told", [None, *StopKind])
async def test_F107_a_run_whose_body_has_ended_is_judged_no_more(
    run: ActiveRun, time: Hands, told: StopKind | None
) -> None:
    if told is not None:
        run.order_stop(Stop(told, Cause.DRAINED, "stop", GRACE, time().mono))
    run.note_end()
    time.move(100 * HOUR)
    assert verdict(run, time) is Verdict.FINE
