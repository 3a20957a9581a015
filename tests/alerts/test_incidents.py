"""Incidents: seen, told once, over, told once; by one gateway of several; kept over restarts."""

from functools import partial
from typing import Any

from lanes.alerts.seeing import RECENT_MS, AlertKind, sightings
from lanes.config.declared.model import AlertConfig
from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors.alerts import incidents
from lanes_storage.globs import as_pattern
from lanes_storage.interface import Store, Transaction
from lanes_storage.records import DueIncident, SeenIncident
from tests.kit.cooling import cool
from tests.kit.world import World

ALL = frozenset(map(str, AlertKind))
CALM = 30 * SECOND


def alert(**changes: Any) -> AlertConfig:
    values: dict[str, Any] = {"name": "ops", "on": ALL, "url": None, "command": ("true",), "form": "json"}
    return AlertConfig(**(values | {"timeout_ms": 10 * SECOND, "after_ms": 5 * MINUTE, "pattern": None} | changes))


def seen(world: World, **changes: Any) -> set[tuple[str, str]]:
    return {(found.kind, found.subject) for found in sightings(world.store.read, [alert(**changes)], world.time())}


def sight(subject: str = "a", kind: str = "held") -> SeenIncident:
    return SeenIncident("ops", kind, subject, {"run_id": "1"})


def see(world: World, *sights: SeenIncident) -> None:
    world.step(lambda tx: incidents.see(tx, sights, ["ops"], world.time(), calm_ms=CALM))


def due(world: World) -> list[DueIncident]:
    return world.store.read(reads.due_incidents(world.time().wall))


def tell(world: World, owner: int = 1) -> list[tuple[str, str]]:
    """What one gateway sends now."""
    now = world.time()

    def step(tx: Transaction, incident: DueIncident) -> bool:
        claimed = incidents.claim_incident(tx, incident.id, owner, now.wall + MINUTE, now)
        incidents.incident_sent(tx, incident.id, owner, now)
        return claimed

    sent = [incident for incident in due(world) if world.step(partial(step, incident=incident))]
    return [("began" if incident.begin_sent_at is None else "ended", incident.subject) for incident in sent]


# -------------------------------------------------------------------------------------- what is seen


def test_lanes_that_are_held_or_wait_for_long(world: World) -> None:
    ticket = world.start("held").ticket
    world.send("held", "waits")
    assert seen(world) == set()
    world.time.move(5 * MINUTE)
    world.beat(ticket)
    assert seen(world) == {("held", "held"), ("waiting", "held")}
    assert seen(world, pattern=as_pattern("other*")) == set()
    assert seen(world, on=frozenset({"held"})) == {("held", "held")}


def test_a_silent_run(world: World) -> None:
    ticket = world.start("a").ticket
    world.time.move(90 * SECOND)
    now = world.time()
    world.store.write(doors.heartbeat(world.me, [], now))
    assert ticket
    assert ("silent", "a") in seen(world)


def test_dead_letters_of_the_last_hour_that_nobody_retried(world: World) -> None:
    claimed = world.start("a")
    world.fail(claimed.ticket)
    assert seen(world) == {("dead_letter", "a")}
    world.retry(claimed.message.id)
    assert ("dead_letter", "a") not in seen(world)
    world.fail(world.claim("a").ticket)
    world.time.move(RECENT_MS)
    assert ("dead_letter", "a") not in seen(world)


def test_a_provider_that_is_refused_for_longer_or_again_and_again(world: World) -> None:
    def refuses(cause: str, for_ms: int | None) -> None:
        world.step(lambda tx: cool(tx, "codex", cause, for_ms, world.time(), by="t"))

    refuses("rate_limited", 10 * SECOND)
    assert seen(world) == set()
    refuses("rate_limited", MINUTE)
    assert seen(world) == {("provider_down", "codex")}
    world.time.move(HOUR)
    assert seen(world, on=frozenset({"provider_down"})) == set()
    refuses("quota", 10 * SECOND)
    assert ("provider_down", "codex") in seen(world)


def test_a_gateway_that_died_unless_another_one_has_started_there(world: World) -> None:
    other = world.owner(host="there", pid=7)
    world.end_owner(other)
    assert seen(world) == {("gateway_down", "there:7")}
    world.owner(host="there", pid=8)
    assert seen(world) == set()


def test_a_gateway_that_stopped_is_not_down(world: World) -> None:
    world.end_owner(world.owner(host="there"), cause="stopped")
    assert seen(world) == set()


def test_a_gateway_that_is_silent(world: World) -> None:
    world.time.move(31 * SECOND)
    assert seen(world) == {("gateway_down", "here:4711")}


# ---------------------------------------------------------------------------------------- what is told


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


def test_one_gateway_of_several_sends_it(world: World) -> None:
    see(world, sight())
    see(world, sight())
    (incident,) = due(world)
    until = world.time().wall + MINUTE
    claims = [
        world.step(lambda tx, o=owner: incidents.claim_incident(tx, incident.id, o, until, world.time()))  # type: ignore[misc]
        for owner in (1, 2)
    ]
    assert claims == [True, False]
    assert due(world) == []


def test_F276_a_claim_of_a_gateway_that_died_ends_by_itself(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    until = world.time().wall + MINUTE
    world.step(lambda tx: incidents.claim_incident(tx, incident.id, 1, until, world.time()))
    world.time.move(MINUTE)
    assert tell(world, owner=2) == [("began", "a")]
    world.step(lambda tx: incidents.incident_sent(tx, incident.id, 1, world.time()))
    assert tell(world) == [], "a late note of the first one changes nothing"


def test_what_could_not_be_sent_is_tried_again_later(world: World) -> None:
    see(world, sight())
    (incident,) = due(world)
    at = world.time().wall + MINUTE
    world.step(lambda tx: incidents.claim_incident(tx, incident.id, 1, at, world.time()))
    world.step(lambda tx: incidents.incident_not_sent(tx, incident.id, 1, at))
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
    assert len(told) == incidents.MANY + 1
    assert told.count(("began", "")) == 1
    see(world, *(sight(f"lane {number:03}") for number in reversed(range(100))))
    assert tell(world) == [], "those that were told stay"


def test_incidents_of_an_alert_that_is_no_longer_configured_here_are_left_to_others(world: World) -> None:
    see(world, sight())
    world.time.move(HOUR)
    world.step(lambda tx: incidents.see(tx, [], ["another"], world.time(), calm_ms=CALM))
    assert world.store.read(reads.any_open_incident())


def test_what_is_over_for_long_is_forgotten(world: World) -> None:
    see(world, sight())
    world.time.move(CALM)
    see(world)
    before = world.time().wall
    assert not world.store.read(reads.any_old_incident(before - 1))
    assert world.store.read(reads.any_old_incident(before))
    assert world.step(lambda tx: incidents.prune_incidents(tx, before)) == 1


def test_the_store_is_one(store: Store) -> None:
    assert store.read(reads.any_open_incident()) is False
