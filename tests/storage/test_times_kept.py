"""A wall clock that was set, or a restart of the machine: which times stay as they are stored."""

from collections.abc import Callable

import pytest

from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors.claims import refuse_over
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.law import PauseKind
from lanes_storage.records import BudgetTerms, SeenIncident
from tests.kit.cooling import cool
from tests.kit.watch import Watch
from tests.kit.world import World
from tests.storage.test_clocks import alert, due, noted, reboot, set_wall

__all__ = ["noted"]  # a fixture

BUDGET = BudgetTerms("", HOUR, 1, 1_000, 5_000_000)


def spent(world: World, lane: int) -> int:
    return world.store.read(reads.spent(BUDGET, lane, world.time())).runs


def use_up(world: World, key: str) -> None:
    """Have the budget of a lane used up, and the lane paused for it."""
    world.send(key)
    lane, now, message = world.lane(key).id, world.time(), world.head(key).message_id
    world.step(lambda tx: doors.spend(tx, lane, [BUDGET], now, runs=1))
    over = world.step(lambda tx: doors.exhausted(tx, lane, [BUDGET], now))
    (head,) = world.step(lambda tx: doors.candidates_among(tx, world.me, now, [message]))
    assert over is not None
    world.step(lambda tx: refuse_over(tx, head, over, now))


def wait(world: World) -> None:
    """Everything that has its end in wall time, each with an end that is to come."""
    world.step(lambda tx: cool(tx, "codex", "quota", 10 * MINUTE, world.time()))
    world.park(world.start("parked").ticket, 10 * MINUTE, providers=["codex"])
    use_up(world, "over")
    alert(world, again_in=90 * SECOND)


def end(world: World) -> None:
    """What has ended, or has an end that a person gave."""
    first, second = world.send("batch"), world.send("batch")
    world.park(world.collect("batch").ticket, MINUTE, providers=["codex"])
    world.time.move(MINUTE)
    again = world.collect("batch")
    assert again.members == (first, second)
    world.complete(again.ticket)
    world.send("by-hand")
    lane, until = world.lane("by-hand").id, world.time().wall + 20 * MINUTE
    world.step(lambda tx: pause_lane(tx, lane, PauseKind.HAND, world.time(), actor="me", reason="x", until=until))
    told(world)


def told(world: World) -> None:
    """An alert whose beginning and end were sent."""
    world.step(
        lambda tx: doors.see_incidents(tx, [SeenIncident("ops", "held", "b", {})], ["ops"], world.time(), calm_ms=0)
    )
    send_due(world)
    world.time.move(SECOND)
    world.step(lambda tx: doors.see_incidents(tx, [], ["ops"], world.time(), calm_ms=0))
    send_due(world)


def send_due(world: World) -> None:
    (incident,) = due(world)
    now = world.time()
    world.step(lambda tx: doors.claim_incident(tx, incident.id, 1, now.wall + MINUTE, now))
    world.step(lambda tx: doors.incident_sent(tx, incident.id, 1, now))


def test_a_restart_of_the_machine_moves_no_time(noted: World) -> None:
    wait(noted)
    seen = Watch(noted)
    reboot(noted, 0)
    assert seen.changed() == {"counters": 2}


@pytest.mark.parametrize(("by", "set_clock"), [(-3 * HOUR, set_wall), (3 * HOUR, set_wall), (-3 * HOUR, reboot)])
def test_what_has_ended_or_was_set_by_a_person_keeps_its_times(
    noted: World, by: int, set_clock: Callable[[World, int], int]
) -> None:
    end(noted)
    seen = Watch(noted)
    set_clock(noted, by)
    assert set(seen.changed()) == {"counters"}


def test_F493_what_is_used_between_the_change_of_the_clock_and_its_notice_counts_no_longer_than_else(
    noted: World,
) -> None:
    noted.send("a")
    lane = noted.lane("a").id
    noted.time.jump_wall(3 * HOUR)
    noted.step(lambda tx: doors.spend(tx, lane, [BUDGET], noted.time(), runs=1))
    set_wall(noted, 0)
    assert spent(noted, lane) == 1
    noted.time.move(HOUR + 5 * MINUTE)
    assert spent(noted, lane) == 0
