"""The journal since a time: the same as by reading all of it, from where it reaches that time."""

import random
from typing import Any

import pytest

from lanes.base.procedure import QueryBlock
from lanes.context import Context
from lanes.filters.reading import parse
from lanes.testing import HOUR, MINUTE
from lanes.verbs import bisecting
from lanes.verbs.bisecting import NEARBY, SET_BACK_MS
from lanes.verbs.system import events
from lanes_storage import reads
from lanes_storage.doors.shared import event, write_events
from lanes_storage.interface import Query
from lanes_storage.law import EventType
from lanes_storage.records import Subject
from tests.kit.world import World


def fill(world: World, steps_ms: list[int]) -> None:
    """Write events, each so long after the one before; now is the time of the last one."""
    written, now = [], world.time()
    for step in steps_ms:
        now = now._replace(wall=now.wall + step)
        written.append(event(EventType.NOTICE, now))
    world.step(lambda tx: write_events(tx, written))
    world.time.jump_wall(now.wall - world.time().wall)


def delete(world: World, which: str = "1") -> None:
    world.step(lambda tx: tx.run(f"DELETE FROM events WHERE {which}", {}))


def since(world: World, period_ms: int, **more: Any) -> tuple[list[int], list[Query[Any]]]:
    """The ids of the events of this last period, and what was read for them."""
    asked: list[Query[Any]] = []

    def read(query: Query[Any]) -> Any:
        asked.append(query)
        return world.store.read(query)

    look = events(Context("me", world.time), since=period_ms, **more)
    assert isinstance(look, QueryBlock)
    found = look.look(read)
    assert isinstance(found, list)
    return [int(each.id) for each in found], asked


def by_reading_all(world: World, period_ms: int) -> list[int]:
    return [each.id for each in world.store.read(reads.events(since=world.time().wall - period_ms))]


def test_F1056_the_events_of_the_last_hour_are_read_from_where_the_journal_reaches_it(world: World) -> None:
    fill(world, [MINUTE] * 20_000)
    of_filter: dict[str, Any] = {"filter_": parse("since:1h", world.time().wall, Subject.EVENT).chosen}
    for period, more in ((HOUR, {}), (90 * HOUR, of_filter)):
        found, asked = since(world, period, **more)
        assert found == by_reading_all(world, HOUR)
        assert len(found) == 61
        *looks, _, listed = asked
        assert len(looks) < 20
        assert all(query.point for query in looks)
        assert found[-1] - int(listed.params["after"]) < (HOUR + SET_BACK_MS) / MINUTE + 2, "no others are read"


def test_F1056_a_clock_that_was_set_hides_no_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bisecting, "NEARBY", 0)
    chance = random.Random(7)
    for _ in range(20):
        delete(world)
        steps = [chance.choice((0, 1_000, MINUTE, 5 * MINUTE)) for _ in range(500)]
        for by in (-SET_BACK_MS, HOUR, 9 * HOUR):
            steps[chance.randrange(len(steps))] = by
        fill(world, steps)
        for period in (0, MINUTE, HOUR, 3 * HOUR, 24 * HOUR, 240 * HOUR):
            assert since(world, period)[0] == by_reading_all(world, period)


def test_F1056_a_clock_that_was_wrong_by_years_hides_no_event_near_it(world: World) -> None:
    fill(world, [MINUTE] * 100 + [-40_000 * HOUR] + [MINUTE] * (NEARBY // 2))
    assert since(world, HOUR)[0] == by_reading_all(world, HOUR)
    assert len(since(world, HOUR)[0]) > 100


@pytest.mark.parametrize("period", [0, HOUR])
def test_F1056_an_empty_journal_and_a_pruned_one(world: World, period: int) -> None:
    fill(world, [MINUTE] * 300)
    assert since(world, period)[0] == by_reading_all(world, period)
    delete(world, "id < 200 OR id BETWEEN 210 AND 250")
    assert since(world, period)[0] == by_reading_all(world, period)
    delete(world)
    assert since(world, period)[0] == []
