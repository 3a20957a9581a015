"""Incidents: told once when they begin, once when they are over; by one gateway of several; kept over restarts."""

from functools import partial

from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors import upkeep
from lanes_storage.interface import Transaction
from lanes_storage.records import DueIncident, SeenIncident
from lanes_storage.statements import upkeep as sql
from tests.kit.watch import Watch
from tests.kit.world import World

CALM = 30 * SECOND


def sight(subject: str = "a", kind: str = "held") -> SeenIncident:
    return SeenIncident("ops", kind, subject, {"run_id": "1"})


def see(world: World, *sights: SeenIncident) -> None:
    world.step(lambda tx: doors.see_incidents(tx, sights, ["ops"], world.time(), calm_ms=CALM))


def due(world: World) -> list[DueIncident]:
    return world.store.read(reads.due_incidents(world.time().wall, ["ops"]))


def claim(world: World, incident: DueIncident, owner: int = 1) -> bool:
    """Let an owner send it within a minute."""
    until = world.time().wall + MINUTE
    return world.step(lambda tx: doors.claim_incident(tx, incident.id, owner, until, world.time()))


def tell(world: World, owner: int = 1) -> list[tuple[str, str]]:
    """What one gateway sends now."""
    now = world.time()

    def step(tx: Transaction, incident: DueIncident) -> bool:
        claimed = doors.claim_incident(tx, incident.id, owner, now.wall + MINUTE, now)
        doors.incident_sent(tx, incident.id, owner, now)
        return claimed

    sent = [incident for incident in due(world) if world.step(partial(step, incident=incident))]
    return [("began" if incident.begin_sent_at is None else "ended", incident.subject) for incident in sent]


def test_F276_an_incident_is_told_once_and_its_end_once(world: World) -> None:
    for _ in range(3):
        see(world, sight())
        world.time.move(SECOND)
    assert tell(world) == [("began", "a")]
    assert tell(world) == []
    world.time.move(CALM)
    see(world)
    assert tell(world) == [("ended", "a")]
    assert tell(world) == []
    see(world)
    assert due(world) == []


def test_what_comes_and_goes_is_one_incident(world: World) -> None:
    see(world, sight())
    for _ in range(5):
        world.time.move(CALM - SECOND)
        see(world)
        see(world, sight())
    assert tell(world) == [("began", "a")]
    assert len(world.table("incidents")) == 1


def test_what_comes_again_after_its_end_is_another_incident(world: World) -> None:
    see(world, sight())
    tell(world)
    world.time.move(CALM)
    see(world)
    tell(world)
    see(world, sight())
    assert tell(world) == [("began", "a")]
    assert len(world.table("incidents")) == 2


def test_each_incident_ends_by_itself(world: World) -> None:
    see(world, sight("a"), sight("b"))
    tell(world)
    world.time.move(CALM)
    see(world, sight("a"))
    assert tell(world) == [("ended", "b")]


def test_one_gateway_of_several_sends_it(world: World) -> None:
    see(world, sight())
    see(world, sight())
    (incident,) = due(world)
    assert [claim(world, incident, owner) for owner in (1, 2)] == [True, False]
    assert due(world) == []


def test_what_one_gateway_does_with_an_incident_concerns_no_other_incident(world: World) -> None:
    see(world, sight("a"), sight("b"), sight("c"))
    a, b, c = due(world)
    assert claim(world, a)
    assert due(world) == [b, c]
    assert claim(world, b)
    assert claim(world, c)
    world.step(lambda tx: doors.incident_sent(tx, a.id, 1, world.time()))
    world.step(lambda tx: doors.incident_not_sent(tx, b.id, 1, world.time().wall))
    assert [incident.subject for incident in due(world)] == ["b"]
    world.time.move(MINUTE)
    assert [(incident.subject, incident.tries) for incident in due(world)] == [("b", 1), ("c", 0)]


def test_what_another_gateway_sends_is_not_noted_by_this_one(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    assert claim(world, incident, 2)
    seen = Watch(world)
    world.step(lambda tx: doors.incident_sent(tx, incident.id, 1, world.time()))
    world.step(lambda tx: doors.incident_not_sent(tx, incident.id, 1, world.time().wall))
    assert seen.nothing()


def test_what_was_told_is_not_claimed_again(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    assert tell(world) == [("began", "a")]
    assert not claim(world, incident)
    world.time.move(CALM)
    see(world)
    assert tell(world) == [("ended", "a")]
    assert not claim(world, incident)


def test_what_is_over_neither_goes_on_nor_ends_again(world: World) -> None:
    see(world, sight())
    world.time.move(CALM)
    see(world)
    (incident,) = due(world)
    seen, now = Watch(world), world.time().wall
    world.step(lambda tx: tx.run(sql.SEE_INCIDENT, {"id": incident.id, "now": now + 1}))
    ends = {"id": incident.id, "now": now + 1, "unseen_since": now}
    world.step(lambda tx: tx.run(sql.END_INCIDENT, ends))
    assert seen.nothing()


def test_F276_a_claim_of_a_gateway_that_died_ends_by_itself(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    assert claim(world, incident)
    world.time.move(MINUTE)
    assert tell(world, owner=2) == [("began", "a")]
    world.step(lambda tx: doors.incident_sent(tx, incident.id, 1, world.time()))
    assert tell(world) == [], "a late note of the first one changes nothing"


def test_what_could_not_be_sent_is_tried_again_later(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    at = world.time().wall + MINUTE
    assert claim(world, incident)
    world.step(lambda tx: doors.incident_not_sent(tx, incident.id, 1, at))
    assert due(world) == []
    world.time.move(MINUTE)
    assert due(world)[0].tries == 1
    assert tell(world) == [("began", "a")]


def test_an_end_is_told_after_its_beginning_even_if_that_came_late(world: World) -> None:
    see(world, sight())
    world.time.move(CALM)
    see(world)
    assert tell(world) == [("began", "a")]
    assert tell(world) == [("ended", "a")]


def test_of_very_many_the_others_are_told_together(world: World) -> None:
    see(world, *(sight(f"lane {number:03}") for number in range(100)))
    told = tell(world)
    assert len(told) == upkeep.MANY + 1
    assert told.count(("began", "")) == 1
    see(world, *(sight(f"lane {number:03}") for number in reversed(range(100))))
    assert tell(world) == [], "those that were told stay"


def test_F721_the_child_lanes_of_a_session_are_one_subject(world: World) -> None:
    see(world, *[sight("session")] * upkeep.MANY, *[sight("other")] * 2)
    assert tell(world) == [("began", "session"), ("began", "other")]


def test_incidents_of_an_alert_that_is_no_longer_configured_here_are_left_to_others(world: World) -> None:
    see(world, sight())
    world.time.move(HOUR)
    for sights in ([sight("b")._replace(alert="another")], []):
        world.step(lambda tx, s=sights: doors.see_incidents(tx, s, ["another"], world.time(), calm_ms=CALM))  # type: ignore[misc]
        world.time.move(CALM)
    rows = world.step(lambda tx: tx.rows("SELECT alert, ended_at IS NULL FROM incidents ORDER BY id", {}))
    assert rows == [("ops", 1), ("another", 0)]
    assert tell(world) == [("began", "a")], "and so is what they tell"


def test_F278_what_an_alert_that_was_removed_could_not_tell_is_forgotten(world: World) -> None:
    see(world, sight())
    world.time.move(HOUR)
    assert world.step(lambda tx: doors.prune_incidents(tx, world.time().wall - HOUR - 1)) == 0
    assert world.step(lambda tx: doors.prune_incidents(tx, world.time().wall - HOUR)) == 1


def test_what_is_over_for_long_is_forgotten(world: World) -> None:
    see(world, sight())
    world.time.move(CALM)
    see(world)
    before = world.time().wall - CALM
    assert not world.store.read(reads.any_old_incident(before - 1))
    assert world.store.read(reads.any_old_incident(before))
    assert world.step(lambda tx: doors.prune_incidents(tx, before)) == 1
