"""Each statement of retention repeats what made its row prunable: handed any other row, it deletes nothing."""

from collections.abc import Callable

import pytest

from lanes.testing import DAY, HOUR, broken
from lanes_storage import doors
from lanes_storage.law import Prunable
from lanes_storage.records import Idempotency
from tests.kit.world import World

KEY = "agent:main:telegram:42"


def finished(world: World, key: str = KEY) -> None:
    world.complete(world.start(key).ticket)


def waits(world: World) -> None:
    world.send(KEY)


def runs(world: World) -> None:
    world.start(KEY)


def failed(world: World) -> None:
    world.fail(world.start(KEY).ticket)


def named(world: World) -> None:
    world.send(KEY, idempotency=Idempotency("name", "token", "digest"))
    world.complete(world.claim(KEY).ticket)


def named_and_failed(world: World) -> None:
    world.send(KEY, idempotency=Idempotency("name", "token", "digest"))
    world.fail(world.claim(KEY).ticket)


def empty(world: World) -> None:
    """A lane with nothing left but itself."""
    finished(world)
    for kind in (Prunable.MESSAGES, Prunable.RUNS, Prunable.EVENTS):
        hand(world, kind)
    assert world.table("messages") == world.table("runs") == []


def empty_and_paused(world: World) -> None:
    empty(world)
    world.step(lambda tx: doors.pause(tx, KEY, world.time(), actor="alice", reason="x"))
    for event in world.table("events"):
        world.step(lambda tx, event=event: tx.run("DELETE FROM events WHERE id = :id", {"id": event[0]}))  # type: ignore[misc]


def empty_and_not_seen(world: World) -> None:
    """A lane that remembers how its last run ended, and holds nothing else."""
    ticket = world.start(KEY).ticket
    world.request_abort(KEY)
    world.abort(ticket)
    for kind in (Prunable.MESSAGES, Prunable.RUNS, Prunable.EVENTS):
        hand(world, kind)
    assert world.table("messages") == world.table("runs") == world.table("events") == []


def empty_but_for_an_event(world: World) -> None:
    empty(world)
    world.step(lambda tx: doors.resume(tx, KEY, world.time(), actor="alice"))
    world.step(lambda tx: doors.pause(tx, KEY, world.time(), actor="alice", reason="x"))
    world.step(lambda tx: doors.resume(tx, KEY, world.time(), actor="alice"))


def anonymous_and_waiting(world: World) -> None:
    world.send(KEY, anonymous=True)


def anonymous_and_running(world: World) -> None:
    world.send(KEY, anonymous=True)
    world.claim(KEY)


def anonymous_and_paused(world: World) -> None:
    world.send(KEY, anonymous=True)
    world.complete(world.claim(KEY).ticket)
    world.step(lambda tx: doors.pause(tx, KEY, world.time(), actor="alice", reason="survivors"))


def anonymous(world: World) -> None:
    world.send(KEY, anonymous=True)
    world.complete(world.claim(KEY).ticket)


def ended_owner(world: World) -> None:
    owner = world.owner()
    world.step(lambda tx: doors.end_owner(tx, owner, world.time(), cause="stopped", by="tester"))


def ended_owner_with_a_later_one(world: World) -> None:
    ended_owner(world)
    world.owner()


def hand(world: World, kind: Prunable, age_ms: int = 0) -> int:
    """Hand every row of the table to the statement of a kind."""
    tables = {Prunable.ANONYMOUS: "lanes", Prunable.DEAD_LETTERS: "messages"}
    before = world.time().wall - age_ms
    chosen = [(row[0], before) for row in world.table(tables.get(kind, kind))]
    return world.step(lambda tx: doors.prune(tx, kind, chosen))


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (Prunable.MESSAGES, waits),
        (Prunable.MESSAGES, runs),
        (Prunable.MESSAGES, failed),
        (Prunable.MESSAGES, named),
        (Prunable.DEAD_LETTERS, finished),
        (Prunable.DEAD_LETTERS, waits),
        (Prunable.DEAD_LETTERS, named_and_failed),
        (Prunable.RUNS, runs),
        (Prunable.RUNS, finished),
        (Prunable.LANES, waits),
        (Prunable.LANES, runs),
        (Prunable.LANES, failed),
        (Prunable.LANES, finished),
        (Prunable.LANES, empty_and_paused),
        (Prunable.LANES, empty_and_not_seen),
        (Prunable.LANES, empty_but_for_an_event),
        (Prunable.ANONYMOUS, finished),
        (Prunable.ANONYMOUS, anonymous_and_waiting),
        (Prunable.ANONYMOUS, anonymous_and_running),
        (Prunable.ANONYMOUS, anonymous_and_paused),
        (Prunable.OWNERS, ended_owner),
    ],
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_a_row_that_has_to_stay_stays(world: World, kind: Prunable, stage: Callable[[World], None]) -> None:
    stage(world)
    world.time.move(DAY)
    assert hand(world, kind) == 0
    assert broken(world.store) == []


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (Prunable.MESSAGES, finished),
        (Prunable.DEAD_LETTERS, failed),
        (Prunable.LANES, empty),
        (Prunable.ANONYMOUS, anonymous),
        (Prunable.OWNERS, ended_owner_with_a_later_one),
    ],
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_a_row_goes_when_it_is_old_enough_and_not_before(
    world: World, kind: Prunable, stage: Callable[[World], None]
) -> None:
    stage(world)
    world.time.move(HOUR)
    assert hand(world, kind, HOUR + 1) == 0
    assert hand(world, kind, HOUR) == 1


def test_a_run_and_an_event_go_when_they_are_old_enough_and_not_before(world: World) -> None:
    finished(world)
    world.time.move(HOUR)
    hand(world, Prunable.MESSAGES, HOUR)
    assert hand(world, Prunable.EVENTS, HOUR) == 2, "the start of the owner, and the acceptance"
    assert hand(world, Prunable.RUNS, HOUR + 1) == 0
    assert hand(world, Prunable.RUNS, HOUR) == 1
    assert hand(world, Prunable.EVENTS, HOUR + 1) == 0
    assert hand(world, Prunable.EVENTS, HOUR) == 2


def test_an_owner_stays_until_its_runs_were_taken_back(world: World) -> None:
    gone = world.owner()
    claimed = world.start(KEY, owner=gone)
    world.end_owner(gone)
    world.owner()
    world.time.move(DAY)
    due = [(gone, world.time().wall)]
    assert world.step(lambda tx: doors.prune(tx, Prunable.OWNERS, due)) == 0
    assert world.reclaim(claimed.ticket).landed
    assert world.step(lambda tx: doors.prune(tx, Prunable.OWNERS, due)) == 1


def test_a_reply_stays_as_long_as_any_message_that_it_answers(world: World) -> None:
    named = world.send(KEY, "one", idempotency=Idempotency("name", "token", "digest"))
    last = world.send(KEY, "two")
    world.complete(world.collect(KEY).ticket, "to both")
    world.time.move(HOUR)
    due = [(named, world.time().wall), (last, world.time().wall)]
    assert world.step(lambda tx: doors.prune(tx, Prunable.MESSAGES, due)) == 0
    assert world.message(named).reply == "to both"
    world.step(lambda tx: doors.prune_idempotency(tx, world.time().wall, 10))
    assert world.step(lambda tx: doors.prune(tx, Prunable.MESSAGES, due)) == 2
