"""A wall clock that was set: cooldowns and waits of messages last as long as they were to last."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.doors.claims import refuse_over
from lanes_storage.doors.upkeep import AHEAD_MS, DRIFT_MS
from lanes_storage.law import PASSING, Cause
from lanes_storage.records import (
    BudgetTerms,
    DueIncident,
    ProviderAttempt,
    ProviderRow,
    RetryTerms,
    RunFailure,
    SeenIncident,
)
from tests.kit.cooling import cool
from tests.kit.watch import Watch
from tests.kit.world import World

STALLED = RunFailure(Cause.STALL_TIMEOUT, "silent")
RETRY = RetryTerms(3, 10 * SECOND, frozenset(PASSING), 60 * MINUTE)


class Parked(NamedTuple):
    """How long a message waits from now, and since when."""

    left_ms: int
    since_ms: int


def note(world: World) -> int:
    now = world.time()
    return world.step(lambda tx: doors.note_clock(tx, now))


def set_wall(world: World, by: int) -> int:
    world.time.jump_wall(by)
    return note(world)


def reboot(world: World, by: int) -> int:
    """Another boot, in which the wall clock goes on from where it was but for ``by``."""
    now = world.time.move(MINUTE)
    world.time.now = Now(now.wall + by, 5_000, 5_000, "the next boot")
    return note(world)


def provider(world: World) -> ProviderRow:
    (found,) = world.store.read(reads.providers()).values()
    return found


def left(world: World) -> int:
    until = provider(world).until
    assert until is not None
    return until - world.time().wall


def parked(world: World, message: int) -> Parked:
    stored = world.message(message)
    assert stored.parked_until is not None
    assert stored.parked_since is not None
    now = world.time().wall
    return Parked(stored.parked_until - now, now - stored.parked_since)


@pytest.fixture
def noted(world: World) -> World:
    note(world)
    return world


@pytest.mark.parametrize("by", [0, DRIFT_MS, -DRIFT_MS])
def test_a_clock_that_was_not_set_changes_nothing(noted: World, by: int) -> None:
    noted.step(lambda tx: cool(tx, "codex", "quota", 5 * MINUTE, noted.time()))
    noted.time.move(HOUR)
    seen = Watch(noted)
    assert set_wall(noted, by) == 0
    assert seen.changed() == {}


@pytest.mark.parametrize("by", [-3 * HOUR, -10 * SECOND])
def test_F462_a_cooldown_ends_in_time_though_the_clock_was_set_back(noted: World, by: int) -> None:
    noted.step(lambda tx: cool(tx, "codex", "quota", 5 * MINUTE, noted.time()))
    noted.time.move(MINUTE)
    assert set_wall(noted, by) == by
    assert left(noted) == 4 * MINUTE
    assert note(noted) == 0, "whoever notices first does it for all"
    assert left(noted) == 4 * MINUTE


def test_F462_a_provider_that_answered_is_as_well_as_before(noted: World) -> None:
    noted.step(lambda tx: cool(tx, "codex", "quota", MINUTE, noted.time()))
    noted.time.move(MINUTE)
    noted.step(lambda tx: doors.answered(tx, "codex", noted.time()))
    until = noted.time().wall + 30 * SECOND
    noted.step(lambda tx: doors.try_last(tx, "codex", until, "failed"))
    set_wall(noted, -3 * HOUR)
    row, now = provider(noted), noted.time().wall
    assert (row.probed, row.recovers(now), row.tried_last_until) == (True, True, now + 30 * SECOND)
    noted.time.move(HOUR)
    assert not row.recovers(noted.time().wall)


@pytest.mark.parametrize("by", [-3 * HOUR, 3 * HOUR])
def test_F462_what_waits_for_a_provider_may_wait_as_long_as_before(noted: World, by: int) -> None:
    waits, repeated, running = noted.start("a"), noted.start("b"), noted.start("c")
    noted.park(waits.ticket, 5 * MINUTE, providers=["codex"])
    noted.park(running.ticket, MINUTE, providers=["codex"])
    noted.time.move(MINUTE)
    noted.claim("c")
    noted.fail(repeated.ticket, STALLED, retry=RETRY)
    before = parked(noted, repeated.message.id)
    set_wall(noted, by)
    assert parked(noted, waits.message.id).since_ms == MINUTE
    assert parked(noted, repeated.message.id) == before
    assert noted.message(running.message.id).parked_since == noted.time().wall - MINUTE
    assert parked(noted, waits.message.id).left_ms == 4 * MINUTE


@pytest.mark.parametrize("set_clock", [set_wall, reboot])
@pytest.mark.parametrize("by", [-3 * HOUR, 3 * HOUR])
def test_F505_how_long_ago_a_message_was_refused_does_not_change(
    noted: World, by: int, set_clock: Callable[[World, int], int]
) -> None:
    """After half a minute, a refusal is that message's own: a clock that is set must not let it seem so."""
    claimed, unreadable = noted.start("a"), noted.start("b")
    now = noted.time().wall
    chain = (ProviderAttempt("codex", "rate_limited", "wait", now, 429), ProviderAttempt("other", "reset", "gone", now))
    refusal = RunFailure(Cause.PROVIDER_COOLING, "all refuse", chain)
    for each in (claimed, unreadable):
        noted.park(each.ticket, MINUTE, refusal, providers=["codex"])
    ended = [noted.send("c"), noted.send("batch"), noted.send("batch")]
    for over in (noted.claim("c"), noted.collect("batch")):
        noted.fail(over.ticket, refusal)
    kept = [noted.message(number).attempts for number in ended]
    assert chain in kept
    broken = '[{"at": "now"}, 7]'
    noted.step(lambda tx: tx.run("UPDATE messages SET attempts = ? WHERE id = ?", (broken, unreadable.message.id)))
    noted.step(lambda tx: doors.refuse(tx, "codex", claimed.message.id, noted.time()))
    noted.time.move(SECOND)
    noted.step(lambda tx: doors.answered(tx, "codex", noted.time()))
    noted.time.move(SECOND)
    set_clock(noted, by)
    head = noted.message(claimed.message.id)
    expected = noted.time().wall - (2 * SECOND if set_clock is set_wall else 0)
    if set_clock is set_wall or by < 0:  # a clock that was set forward while nobody was there is not noticed
        assert head.attempts == tuple(each._replace(at=expected) for each in chain)
    assert noted.step(lambda tx: tx.rows("SELECT attempts FROM messages WHERE lane_id = 2", {})) == [(broken,)]
    assert [noted.message(number).attempts for number in ended] == kept
    if set_clock is set_wall:
        assert provider(noted).refused_at == expected


@pytest.mark.parametrize("by", [-3 * HOUR, 3 * HOUR])
def test_what_has_ended_keeps_its_times(noted: World, by: int) -> None:
    claimed, until = noted.start("a"), noted.time().wall + MINUTE
    noted.park(claimed.ticket, MINUTE, providers=["codex"])
    noted.time.move(MINUTE)
    noted.complete(noted.claim("a").ticket)
    set_wall(noted, by)
    assert noted.message(claimed.message.id).parked_since == until - MINUTE


def test_F462_what_was_parked_before_anybody_noticed_stays(noted: World) -> None:
    for by, key in ((3 * HOUR, "a"), (-HOUR, "b")):
        noted.time.jump_wall(by)
        claimed = noted.start(key)
        noted.park(claimed.ticket, MINUTE, providers=["codex"])
        note(noted)
        found = parked(noted, claimed.message.id)
        assert (found.since_ms, found.left_ms <= MINUTE) == (0, True)


def test_F462_after_a_restart_of_the_machine_nothing_cools_from_the_future(noted: World) -> None:
    noted.step(lambda tx: cool(tx, "codex", "quota", 5 * MINUTE, noted.time()))
    claimed, repeated = noted.start("a"), noted.start("b")
    noted.park(claimed.ticket, 5 * MINUTE, providers=["codex"])
    noted.fail(repeated.ticket, STALLED, retry=RETRY)
    assert reboot(noted, -3 * HOUR) == 0
    row = provider(noted)
    assert (row.until, row.probed, row.cools(noted.time().wall)) == (noted.time().wall, False, False)
    assert row.since == noted.time().wall - 5 * MINUTE
    assert parked(noted, claimed.message.id) == Parked(0, 0)
    assert parked(noted, repeated.message.id).left_ms > 0
    assert set_wall(noted, -HOUR) == -HOUR, "from here on it is known"


def alert(world: World, *, again_in: int) -> DueIncident:
    """An alert that could not be sent, and is tried again after a while."""
    seen, now = SeenIncident("ops", "held", "a", {}), world.time()
    world.step(lambda tx: doors.see_incidents(tx, [seen], ["ops"], now, calm_ms=MINUTE))
    (incident,) = due(world)
    world.step(lambda tx: doors.claim_incident(tx, incident.id, 1, now.wall + MINUTE, now))
    world.step(lambda tx: doors.incident_not_sent(tx, incident.id, 1, now.wall + again_in))
    return incident


def due(world: World) -> list[DueIncident]:
    return world.store.read(reads.due_incidents(world.time().wall, ["ops"]))


@pytest.mark.parametrize("set_clock", [set_wall, reboot])
def test_F492_an_alert_is_told_in_time_though_the_clock_was_set_back(
    noted: World, set_clock: Callable[[World, int], int]
) -> None:
    incident = alert(noted, again_in=2 * MINUTE)
    set_clock(noted, -3 * HOUR)
    noted.time.move(2 * MINUTE)
    assert [each.id for each in due(noted)] == [incident.id]
    assert noted.step(lambda tx: doors.claim_incident(tx, incident.id, 2, noted.time().wall + HOUR, noted.time()))
    set_clock(noted, -3 * HOUR)
    noted.time.move(HOUR + 5 * MINUTE)
    assert due(noted) != [], "whoever claimed it may be gone"
    noted.step(lambda tx: doors.see_incidents(tx, [], ["ops"], noted.time(), calm_ms=MINUTE))
    assert [each.ended_at for each in due(noted)] == [noted.time().wall], "it ends"


@pytest.mark.parametrize("set_clock", [set_wall, reboot])
def test_F493_a_budget_is_free_again_in_time_though_the_clock_was_set_back(
    noted: World, set_clock: Callable[[World, int], int]
) -> None:
    message = noted.send("a")
    lane, budget = noted.lane("a").id, BudgetTerms("", HOUR, 2, 1_000, 5_000_000)
    for _ in range(2):
        noted.step(lambda tx: doors.spend(tx, lane, [budget], noted.time(), runs=1))
        noted.time.move(5 * MINUTE)
    over = noted.step(lambda tx: doors.exhausted(tx, lane, [budget], noted.time()))
    (head,) = noted.step(lambda tx: doors.candidates_among(tx, noted.me, noted.time(), [lane]))
    assert over is not None
    noted.step(lambda tx: refuse_over(tx, head, over, noted.time()))
    set_clock(noted, -3 * HOUR)
    assert noted.step(lambda tx: doors.exhausted(tx, lane, [budget], noted.time())) is not None, "not before"
    noted.time.move(HOUR + 5 * MINUTE)
    assert noted.step(lambda tx: doors.exhausted(tx, lane, [budget], noted.time())) is None
    assert noted.claim("a").message.id == message


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR, MINUTE, -MINUTE])
def test_F493_a_clock_that_is_set_and_corrected_frees_no_budget(noted: World, by: int) -> None:
    noted.send("a")
    lane, budget = noted.lane("a").id, BudgetTerms("", HOUR, 100, 1_000, 5_000_000)

    def spend() -> None:
        noted.step(lambda tx: doors.spend(tx, lane, [budget], noted.time(), runs=1))

    def spent() -> int:
        return noted.store.read(reads.spent(budget, lane, noted.time())).runs

    for _ in range(5):
        spend()
        noted.time.move(MINUTE)
    noted.time.jump_wall(by)
    if by < HOUR:  # what is used before anybody noticed has what seems too old forgotten
        spend()
    note(noted)
    assert spent() >= 5, "what was written before anybody noticed may be lost where it is set back"
    before = spent()
    set_wall(noted, -by)
    assert spent() == before
    noted.time.move(HOUR + 5 * MINUTE)
    assert spent() == 0, "nothing counts for longer"


@pytest.mark.parametrize("by", [0, AHEAD_MS - MINUTE, -AHEAD_MS])
def test_a_restart_of_the_machine_ends_no_cooldown(noted: World, by: int) -> None:
    noted.step(lambda tx: cool(tx, "codex", "quota", 10 * MINUTE, noted.time()))
    claimed = noted.start("a")
    noted.park(claimed.ticket, 10 * MINUTE, providers=["codex"])
    before = provider(noted)
    reboot(noted, by)
    assert provider(noted) == before
    assert parked(noted, claimed.message.id).left_ms == 9 * MINUTE - by
