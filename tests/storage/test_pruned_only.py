"""Each DELETE of retention is guarded by itself: it leaves the row that the walk would not have offered."""

from collections.abc import Callable
from typing import Any

import pytest

from lanes.testing import DAY, HOUR, broken
from lanes_storage import doors, reads
from lanes_storage.doors.shared import record
from lanes_storage.interface import Row, Transaction
from lanes_storage.law import BoundTo, EventType, Prunable
from lanes_storage.records import Idempotency, Waiter
from tests.kit.watch import Watch
from tests.kit.world import PROCESS, World

OF_A_LANE = ("messages", "runs", "events")


class _Undone(Exception):
    """What was tried is not to last."""


def offer(world: World, kind: Prunable, row: int, *, age_ms: int = 0) -> int:
    """Offer one row to go if it is so old, whatever the walk thinks of it; how many went."""
    before = world.time().wall - age_ms
    return world.step(lambda tx: doors.prune(tx, kind, [(row, before)]))


def done(world: World, key: str, **more: Any) -> int:
    """A message that is done; its id."""
    world.send(key, **more)
    claimed = world.claim(key)
    world.complete(claimed.ticket)
    return claimed.message.id


def failed(world: World, key: str, **more: Any) -> int:
    """A dead letter; its id."""
    world.send(key, **more)
    claimed = world.claim(key)
    world.fail(claimed.ticket)
    return claimed.message.id


def run_of(world: World, message: int) -> int:
    run = world.message(message).run_id
    assert run is not None
    return run


def orphan(world: World, key: str) -> int:
    """A run that is over and whose message is gone; its id."""
    message = done(world, key)
    run = run_of(world, message)
    assert offer(world, Prunable.MESSAGES, message) == 1
    return run


def event_of(world: World, key: str, type_: EventType) -> int:
    (event,) = world.events(key, type=type_)
    return event.id


def bare(world: World, key: str) -> int:
    """An idle lane of which nothing is left but its row; its id."""
    run = orphan(world, key)
    assert offer(world, Prunable.RUNS, run) == 1
    return forgotten(world, key)


def forgotten(world: World, key: str) -> int:
    """A lane whose messages and runs are gone already, without its turns and events; its id."""
    lane = world.lane(key).id
    for turn in world.store.read(reads.recalled(lane, 9, 10**9)):
        assert offer(world, Prunable.TURNS, turn.id) == 1
    for event in world.events(key):
        assert offer(world, Prunable.EVENTS, event.id) == 1
    return lane


def anonymous(world: World, key: str) -> int:
    """A lane that was made for one request, which waits; its id."""
    world.send(key, anonymous=True, bound_to=BoundTo.CLIENT, bound_owner=world.me)
    return world.lane(key).id


def rows_of(world: World, key: str) -> list[list[Row]]:
    """Everything that a lane has."""
    of_lane = [f"SELECT * FROM {table} WHERE lane_id = :lane ORDER BY id" for table in OF_A_LANE]
    of_lane.append("SELECT w.* FROM waits w JOIN runs r ON r.id = w.run_id WHERE r.lane_id = :lane")
    lane = {"lane": world.lane(key).id}
    return world.step(lambda tx: [tx.rows(sql, lane) for sql in of_lane])


def ended_owner(world: World, **who: Any) -> int:
    owner = world.owner(**who)
    world.end_owner(owner)
    return owner


# ------------------------------------------------------------------------------------------------ what stays


def _errored(world: World) -> tuple[Prunable, int]:
    message = failed(world, "a")
    run = run_of(world, message)
    assert offer(world, Prunable.DEAD_LETTERS, message) == 1
    assert offer(world, Prunable.RUNS, run) == 1
    return Prunable.LANES, forgotten(world, "a")


def _aborted(world: World) -> tuple[Prunable, int]:
    """Its last run was aborted, and nothing ran since."""
    claimed = world.start("a")
    world.request_abort("a")
    world.abort(claimed.ticket)
    for kind, row in ((Prunable.MESSAGES, claimed.message.id), (Prunable.RUNS, claimed.ticket.run_id)):
        assert offer(world, kind, row) == 1
    return Prunable.LANES, forgotten(world, "a")


def _paused(world: World) -> tuple[Prunable, int]:
    lane = bare(world, "a")
    world.pause("a")
    for event in world.events("a"):
        offer(world, Prunable.EVENTS, event.id)
    return Prunable.LANES, lane


def _newer_of_another_kind(world: World) -> tuple[Prunable, int]:
    owner = ended_owner(world, kind="desk", fingerprint="f")
    world.owner(kind="gateway", fingerprint="f")
    return Prunable.OWNERS, owner


def _newer_of_another_configuration(world: World) -> tuple[Prunable, int]:
    owner = ended_owner(world, kind="desk", fingerprint="f")
    world.owner(kind="desk", fingerprint="g")
    return Prunable.OWNERS, owner


def _message_left(world: World) -> tuple[Prunable, int]:
    failed(world, "a")
    return Prunable.EVENTS, event_of(world, "a", EventType.ACCEPTED)


def _run_left(world: World) -> tuple[Prunable, int]:
    orphan(world, "a")
    return Prunable.EVENTS, event_of(world, "a", EventType.CLAIM)


def _held_anonymous(world: World) -> tuple[Prunable, int]:
    lane = anonymous(world, "a")
    world.claim("a")
    return Prunable.ANONYMOUS, lane


def _paused_anonymous(world: World) -> tuple[Prunable, int]:
    lane = anonymous(world, "a")
    world.complete(world.claim("a").ticket)
    world.pause("a")
    return Prunable.ANONYMOUS, lane


def _named_anonymous(world: World) -> tuple[Prunable, int]:
    world.send("a", anonymous=True, idempotency=NAME)
    world.complete(world.claim("a").ticket)
    return Prunable.ANONYMOUS, world.lane("a").id


def _with_a_child(world: World, kind: Prunable, lane: int) -> tuple[Prunable, int]:
    child = bare(world, "child")
    world.step(lambda tx: tx.run("UPDATE lanes SET parent_id = :lane WHERE id = :id", {"lane": lane, "id": child}))
    return kind, lane


def _ended_anonymous(world: World) -> int:
    lane = anonymous(world, "a")
    world.complete(world.claim("a").ticket)
    return lane


NAME = Idempotency("name", "token", "digest")
STAYS: dict[str, Callable[[World], tuple[Prunable, int]]] = {
    "a dead letter that is offered as done": lambda w: (Prunable.MESSAGES, failed(w, "a")),
    "a message that waits": lambda w: (Prunable.MESSAGES, w.send("a")),
    "a message that runs": lambda w: (Prunable.MESSAGES, w.start("a").message.id),
    "what waits and is offered as a dead letter": lambda w: (Prunable.DEAD_LETTERS, w.send("a")),
    "what is done and offered as a dead letter": lambda w: (Prunable.DEAD_LETTERS, done(w, "a")),
    "a message that has a name": lambda w: (Prunable.MESSAGES, done(w, "a", idempotency=NAME)),
    "a dead letter that has a name": lambda w: (Prunable.DEAD_LETTERS, failed(w, "a", idempotency=NAME)),
    "a run whose message is left": lambda w: (Prunable.RUNS, run_of(w, done(w, "a"))),
    "a run that is not over": lambda w: (Prunable.RUNS, w.start("a").ticket.run_id),
    "an event whose message is left": _message_left,
    "an event whose run is left": _run_left,
    "a lane that is errored": _errored,
    "a lane that remembers an abort": _aborted,
    "a lane that is paused": _paused,
    "an owner that lives": lambda w: (Prunable.OWNERS, w.owner()),
    "the last owner of its kind": _newer_of_another_kind,
    "the last owner of its configuration": _newer_of_another_configuration,
    "a lane of a person": lambda w: (Prunable.ANONYMOUS, bare(w, "a")),
    "an anonymous lane with a message that waits": lambda w: (Prunable.ANONYMOUS, anonymous(w, "a")),
    "an anonymous lane that is held": _held_anonymous,
    "an anonymous lane that is paused": _paused_anonymous,
    "an anonymous lane with a message that has a name": _named_anonymous,
    "a lane with a child": lambda w: _with_a_child(w, Prunable.LANES, bare(w, "a")),
    "an anonymous lane with a child": lambda w: _with_a_child(w, Prunable.ANONYMOUS, _ended_anonymous(w)),
    "a failure without a session": lambda w: (Prunable.DEAD_LETTERS, failed(w, "a", anonymous=True)),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_somebody_needs_stays_although_it_is_offered(world: World, name: str) -> None:
    kind, row = STAYS[name](world)
    world.time.move(DAY)
    seen = Watch(world)
    assert offer(world, kind, row) == 0
    assert seen.nothing()
    assert broken(world.store) == []


@pytest.mark.parametrize("kind", [Prunable.LANES, Prunable.ANONYMOUS])
def test_a_pause_that_has_run_out_keeps_no_lane_and_goes_with_it(world: World, kind: Prunable) -> None:
    lane = bare(world, "a") if kind is Prunable.LANES else _ended_anonymous(world)
    world.send("other")
    world.pause("other")
    world.pause("a", until=world.time().wall + HOUR)
    for event in world.events("a"):
        offer(world, Prunable.EVENTS, event.id)
    world.time.move(HOUR - 1)
    assert offer(world, kind, lane) == 0, "it is paused for another millisecond"
    world.time.move(1)
    assert offer(world, kind, lane) == 1
    assert [row[1] for row in world.table("pauses")] == [world.lane("other").id]


def test_an_owner_stays_until_its_runs_were_taken_back(world: World) -> None:
    gone = world.owner()
    claimed = world.start("a", owner=gone)
    world.end_owner(gone)
    world.owner()
    world.time.move(DAY)
    assert offer(world, Prunable.OWNERS, gone) == 0
    assert world.reclaim(claimed.ticket).applied
    assert offer(world, Prunable.OWNERS, gone) == 1


def test_a_reply_stays_as_long_as_any_message_that_it_answers(world: World) -> None:
    named, last = world.send("a", "one", idempotency=NAME), world.send("a", "two")
    world.complete(world.collect("a").ticket, "to both")
    world.time.move(HOUR)
    assert [offer(world, Prunable.MESSAGES, message) for message in (named, last)] == [0, 0]
    assert world.message(named).reply == "to both"
    world.step(lambda tx: doors.prune_idempotency(tx, world.time().wall, 10))
    assert [offer(world, Prunable.MESSAGES, message) for message in (named, last)] == [1, 1]


# ----------------------------------------------------------------------------------------- what is too young


def _finished_anonymous(world: World, key: str) -> int:
    lane = anonymous(world, key)
    world.complete(world.claim(key).ticket)
    return lane


def _accepted(world: World, key: str) -> int:
    """The event that says that a message was accepted, which is gone; its id."""
    orphan(world, key)
    return event_of(world, key, EventType.ACCEPTED)


def _outlived(world: World, key: str) -> int:
    """An owner that has ended, with a later one of its configuration; its id."""
    owner = ended_owner(world, fingerprint=key)
    world.owner(fingerprint=key)
    return owner


GOES: dict[Prunable, Callable[[World, str], int]] = {
    Prunable.MESSAGES: done,
    Prunable.DEAD_LETTERS: failed,
    Prunable.RUNS: orphan,
    Prunable.EVENTS: _accepted,
    Prunable.LANES: bare,
    Prunable.OWNERS: _outlived,
    Prunable.ANONYMOUS: _finished_anonymous,
}


@pytest.mark.parametrize("kind", GOES)
def test_a_row_goes_when_it_is_old_enough_and_not_before(world: World, kind: Prunable) -> None:
    row = GOES[kind](world, "a")
    world.time.move(HOUR)
    seen = Watch(world)
    assert offer(world, kind, row, age_ms=HOUR + 1) == 0
    assert seen.nothing()
    assert offer(world, kind, row, age_ms=HOUR) == 1


@pytest.mark.parametrize("kind", GOES)
def test_one_row_goes_and_what_others_have_neither_keeps_it_nor_goes_with_it(world: World, kind: Prunable) -> None:
    """Another lane has all that would keep its row: a name, a message, a run, an event, a wait; and one is held."""
    world.start("held")
    waits = world.start("full").ticket
    awaited = done(world, "awaited")
    world.step(lambda tx: doors.begin_wait(tx, Waiter(waits.run_id, PROCESS), awaited, world.time()))
    world.complete(waits)
    done(world, "full", idempotency=NAME)
    failed(world, "full", idempotency=NAME._replace(key="another"))
    row, other = GOES[kind](world, "a"), GOES[kind](world, "b")
    before = rows_of(world, "full")
    assert all(before)
    assert offer(world, kind, row) == 1
    assert rows_of(world, "full") == before
    assert offer(world, kind, other) == 1, "it was left"


@pytest.mark.parametrize("left", ["messages", "events", "turns"])
def test_a_lane_stays_while_any_of_these_is_left(world: World, left: str) -> None:
    """They go in an order in which none is the last; half way through, each is enough by itself. A run keeps the event
    of its claim."""
    done(world, "a")
    lane = world.lane("a").id

    def step(tx: Transaction) -> None:
        for table in ("messages", "runs", "events", "turns"):
            if table != left:
                tx.run(f"DELETE FROM {table}", {})
        if left != "events":
            tx.run("DELETE FROM event_blocks", {})
        assert doors.prune(tx, Prunable.LANES, [(lane, world.time().wall)]) == 0
        raise _Undone

    with pytest.raises(_Undone):
        world.step(step)


def test_an_event_that_names_a_run_of_another_lane_takes_nothing_of_that_with_it(world: World) -> None:
    lane = _finished_anonymous(world, "a")
    waits = world.start("b").ticket
    awaited = done(world, "awaited")
    world.step(lambda tx: doors.begin_wait(tx, Waiter(waits.run_id, PROCESS), awaited, world.time()))
    world.complete(waits)
    world.step(lambda tx: record(tx, EventType.NOTICE, world.time(), lane=lane, run=waits.run_id))
    before = rows_of(world, "b")
    assert offer(world, Prunable.ANONYMOUS, lane) == 1
    assert rows_of(world, "b") == before


def test_a_name_that_is_young_is_not_forgotten(world: World) -> None:
    world.send("a", idempotency=NAME)
    world.time.move(HOUR)
    world.send("a", idempotency=NAME._replace(key="young"))
    assert world.step(lambda tx: doors.prune_idempotency(tx, world.time().wall - 1, 10)) == 1
    assert [row[2] for row in world.table("idempotency")] == ["young"]
