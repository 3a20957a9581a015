"""What alerts are about, as the database shows it."""

from typing import Any

from lanes.alerts.seeing import RECENT_MS, AlertKind, sightings
from lanes.config.declared.model import AlertConfig
from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors
from lanes_storage.reads.limits import MOST
from tests.kit.cooling import cool
from tests.kit.world import World

ALL = frozenset(map(str, AlertKind))


def alert(**changes: Any) -> AlertConfig:
    values: dict[str, Any] = {"name": "ops", "on": ALL, "url": None, "command": ("true",), "form": "json"}
    return AlertConfig(**(values | {"timeout_ms": 10 * SECOND, "after_ms": 5 * MINUTE, "glob": None} | changes))


def seen(world: World, **changes: Any) -> set[tuple[str, str]]:
    return {(found.kind, found.subject) for found in sightings(world.store.read, [alert(**changes)], world.time())}


def test_lanes_that_are_held_or_wait_for_long(world: World) -> None:
    ticket = world.start("held").ticket
    world.send("held", "waits")
    assert seen(world) == set()
    world.time.move(5 * MINUTE)
    world.beat(ticket)
    assert seen(world) == {("held", "held"), ("waiting", "held")}
    assert seen(world, glob="other*") == set()
    assert seen(world, on=frozenset({"held"})) == {("held", "held")}


def test_F509_nobody_is_called_because_the_wall_clock_was_set(world: World) -> None:
    """Another host is judged by its wall clock still: no other is there."""
    ticket = world.start("a").ticket
    world.time.move(MINUTE)
    world.beat(ticket)
    world.time.jump_wall(3 * HOUR)
    assert seen(world) == set()
    world.time.sleep(HOUR)
    assert seen(world) == set(), "nor because the machine slept"
    world.time.jump_wall(-6 * HOUR)
    world.time.move(4 * MINUTE)
    assert seen(world) == {("gateway_down", "here:4711"), ("held", "a"), ("silent", "a")}
    elsewhere = world.owner(host="elsewhere", boot_id="another boot", pid=7)
    assert elsewhere
    world.time.jump_wall(HOUR)
    assert ("gateway_down", "elsewhere:7") in seen(world)


def test_F673_an_alert_sees_its_silent_lane_among_many_others(world: World) -> None:
    """Those that are nearer to their limits come first in the query."""
    for number in range(150):
        world.start(f"other:{number}")
    world.time.move(SECOND)
    world.start("vip")
    world.time.move(90 * SECOND)
    world.store.write(doors.heartbeat(world.me, [], world.time()))
    assert ("silent", "vip") in seen(world, glob="vip")


def test_F674_an_alert_sees_its_lanes_behind_all_that_wait_and_fail(world: World) -> None:
    world.fail(world.start("vip").ticket)
    world.send("vip", "waits behind all others in a moment")
    world.time.move(MINUTE)
    for number in range(MOST):
        world.send(f"other:{number}")
    world.send("first", "waits for longest")
    world.time.move(10 * MINUTE)
    assert ("waiting", "first") not in seen(world)
    assert ("waiting", "first") in seen(world, glob="f[hi]rst")
    assert seen(world, glob="vip", on=ALL - {"gateway_down"}) == {("waiting", "vip"), ("dead_letter", "vip")}


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
