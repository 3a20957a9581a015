"""Cooldowns: providers that everyone leaves alone until a stored time."""

from typing import Any

import pytest

from lanes.testing import SECOND
from lanes_storage import doors
from lanes_storage.records import CooldownRow
from tests.kit.watch import Line, Watch
from tests.kit.world import World


def cool(world: World, for_ms: int | None = None, provider: str = "codex", cause: str = "rate_limited") -> CooldownRow:
    return world.step(lambda tx: doors.cool(tx, provider, cause, for_ms, world.time(), by="tester"))


def cooling(world: World) -> list[Any]:
    return world.step(lambda tx: doors.cooling(tx, world.time()))


def test_a_cooldown_is_stored_for_everyone(world: World) -> None:
    now = world.time().wall
    seen = Watch(world)
    cooldown = cool(world, 5 * SECOND, cause="quota")
    assert cooldown == CooldownRow("codex", "quota", now, now + 5 * SECOND, 0)
    assert cooling(world) == [cooldown]
    assert seen.changed() == {"providers": 1}
    assert seen.lines() == [Line("cooldown", actor="tester", cause="quota")]
    assert seen.detail() == {"provider": "codex", "until": now + 5 * SECOND}


def test_a_cooldown_ends_by_itself(world: World) -> None:
    cool(world, 5 * SECOND)
    world.time.move(5 * SECOND - 1)
    assert len(cooling(world)) == 1
    world.time.move(1)
    assert cooling(world) == []


def test_without_a_time_it_doubles_from_a_second_to_a_minute(world: World) -> None:
    lengths = []
    for _ in range(9):
        cooldown = cool(world)
        lengths.append((cooldown.until - world.time().wall) // SECOND)
        world.time.move(cooldown.until - world.time().wall)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_refusal_that_arrives_while_it_cools_does_not_double_again(world: World) -> None:
    first = cool(world)
    assert cool(world).tries == first.tries == 1


def test_a_shorter_cooldown_never_cuts_a_longer_one(world: World) -> None:
    longer = cool(world, 60 * SECOND)
    assert cool(world, SECOND).until == longer.until


def test_a_provider_that_answers_is_warm_and_starts_at_a_second_again(world: World) -> None:
    cool(world)
    world.time.move(SECOND)
    cool(world)
    cool(world, 5 * SECOND, "backup")
    world.step(lambda tx: doors.warm(tx, "codex"))
    assert [cooldown.provider for cooldown in cooling(world)] == ["backup"]
    assert cool(world).tries == 1


@pytest.mark.parametrize("other", ["backup", "CODEX"])
def test_each_provider_cools_for_itself(world: World, other: str) -> None:
    cool(world, 5 * SECOND)
    assert cool(world, provider=other).tries == 1
    assert len(cooling(world)) == 2
