"""Of a thousand runs that wait, only those are looked at whose time has come, and none too late."""

import gc
import weakref
from random import Random

import pytest

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.upkeep import agenda, thread
from lanes.engine.upkeep.agenda import Agenda
from lanes.engine.upkeep.watchdog import judge, look_again_at
from lanes.testing import MINUTE, SECOND, START, Hands
from lanes_storage import AsyncStore
from lanes_storage.clock import Now
from lanes_storage.records import Terms
from tests.engine.test_upkeep import Bench, bench
from tests.kit.engine import active
from tests.kit.world import TERMS, World

__all__ = ["bench"]

EARLY = START.mono


def a_run(world: World, astore: AsyncStore, key: str = "a", terms: Terms = TERMS) -> ActiveRun:
    return active(world, astore, world.start(key, terms=terms))


async def test_a_run_is_due_when_it_joins_and_then_when_it_was_put(world: World, astore: AsyncStore) -> None:
    live = LiveSet()
    first = a_run(world, astore, "a")
    live.join(first)
    kept, now = Agenda(live), world.time()
    second = a_run(world, astore, "b")
    live.join(second)
    assert kept.due(now) == [first, second]
    assert kept.due(now.later(MINUTE)) == []
    kept.put(first.id, now.mono + 10)
    kept.put(first.id, now.mono + 5)  # in place of the other
    kept.put(second.id, now.mono + 7)
    assert kept.due(now.later(4)) == []
    assert kept.due(now.later(6)) == [first]
    live.leave(second)
    assert kept.due(now.later(MINUTE)) == []


async def test_runs_that_have_ended_do_not_pile_up_and_are_not_kept(
    world: World, astore: AsyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "MOST_ENDED", 4)
    live, now = LiveSet(), world.time()
    kept, stays = Agenda(live), a_run(world, astore, "stays")
    live.join(stays)
    for number in range(20):
        run = a_run(world, astore, f"lane {number}")
        live.join(run)
        for due in kept.due(now):
            kept.put(due.id, now.mono + MINUTE)
        live.leave(run)
    assert len(kept._times) <= 2 + 4 + 2
    gone = weakref.ref(run)
    del run, due
    gc.collect()
    assert gone() is None
    assert kept.due(now.later(MINUTE)) == [stays]


@pytest.mark.parametrize("seed", range(8))
async def test_no_limit_is_met_later_than_by_who_looks_all_the_time(
    world: World, astore: AsyncStore, time: Hands, seed: int
) -> None:
    random = Random(seed)
    longest, quiet = random.choice([None, 90 * SECOND]), random.choice([None, 9 * SECOND])
    run = a_run(world, astore, terms=TERMS._replace(run_timeout_ms=longest, stall_timeout_ms=quiet))
    again: int | None = time().mono
    for _ in range(400):
        time.move(random.randrange(2 * SECOND))
        match random.randrange(8):
            case 0 | 1:
                run.progress("content")
            case 2:
                run.busy(random.choice([0, 1, 30]))
            case 3:
                run.set_waiting(not run.waiting)
        now: Now = time()
        if judge(run, now, EARLY) is not None:
            assert again is not None
            assert again <= now.mono
            return
        if again is not None and again <= now.mono:
            again = look_again_at(run, now, EARLY)


async def test_a_hundred_runs_that_only_wait_are_hardly_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def counted(run: ActiveRun, now: Now, since: int) -> object:
        judged.append(run.id)
        return judge(run, now, since)

    monkeypatch.setattr(thread, "judge", counted)
    runs = [bench.hold(f"lane {number}") for number in range(100)]
    bench.pass_time(30 * SECOND)
    assert len(judged) == len(runs), "each once, when it joined"
