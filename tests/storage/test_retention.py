"""Retention: what is finished and old goes, in its order; what lives, waits, failed or is named stays."""

from collections.abc import Iterable

import pytest

from lanes.base.procedure import run
from lanes.context import Context
from lanes.testing import DAY, HOUR, MINUTE, SECOND, broken
from lanes.verbs import messages
from lanes.verbs.messages import PAGE
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted
from lanes_storage.doors.shared import end_waiting
from lanes_storage.fragments import EVENTS_OF_A_BLOCK
from lanes_storage.law import BUDGET_OF_LANE, BoundTo, Cause, EventType, MessageState, Prunable
from lanes_storage.records import BudgetTerms, Idempotency, LaneFilter, RunFailure, Waiter
from tests.kit.world import PROCESS, World

KEY = "agent:main:telegram:42"


def prune(world: World, kind: Prunable, older_than_ms: int = DAY) -> int:
    """One step over everything that its walk says may go by its age."""
    before = world.time().wall - older_than_ms
    rows = world.store.read(reads.old(kind, 0, 10_000))
    chosen = [(row.id, before) for row in rows if row.finished_at is not None and row.finished_at <= before]
    return world.step(lambda tx: doors.prune(tx, kind, chosen))


def prune_all(world: World, older_than_ms: int = DAY) -> dict[str, int]:
    kinds: Iterable[Prunable] = (kind for kind in Prunable if kind is not Prunable.DEAD_LETTERS)
    return {kind: prune(world, kind, older_than_ms) for kind in kinds}


def finish(world: World, key: str = KEY) -> int:
    claimed = world.start(key)
    world.complete(claimed.ticket)
    return claimed.message.id


def test_a_finished_message_goes_with_its_run_its_events_and_its_lane(world: World) -> None:
    finish(world)
    world.time.move(DAY)
    gone = prune_all(world)
    assert gone == {"anonymous": 0, "messages": 1, "runs": 1, "turns": 1, "events": 4, "lanes": 1, "owners": 0}
    emptied = ("messages", "runs", "turns", "lanes", "events", "event_blocks")
    assert [world.table(name) for name in emptied] == [[]] * 6


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_lane_goes_with_what_was_spent_of_a_budget_that_it_had_by_itself(world: World, anonymous: bool) -> None:
    own, shared = BudgetTerms("", HOUR, 2, None, None), BudgetTerms("shared", HOUR, 2, None, None)
    for key in (KEY, "another"):
        world.send(key, anonymous=anonymous)
        world.complete(world.claim(key).ticket)
        lane = world.lane(key).id
        world.step(lambda tx, lane=lane: doors.spend(tx, lane, [own, shared], world.time(), runs=1))  # type: ignore[misc]
    world.send("another")
    world.time.move(DAY)
    prune_all(world)
    assert [row[0] for row in world.table("spent")] == [f"{BUDGET_OF_LANE}{lane}", "shared"]


def test_what_is_young_stays(world: World) -> None:
    finish(world)
    world.time.move(DAY - 1)
    rows = world.table("events")
    assert set(prune_all(world).values()) == {0}
    assert world.table("events") == rows


def test_what_waits_or_runs_stays_however_old(world: World) -> None:
    world.send("waits")
    world.start("runs")
    world.time.move(100 * DAY)
    prune_all(world)
    assert sorted(world.keys()) == ["runs", "waits"]
    assert {row[2] for row in world.table("messages")} == {"queued", "running"}
    assert broken(world.store) == []


def test_F45_dead_letters_never_go_by_themselves_nor_does_what_tells_about_them(world: World) -> None:
    ticket = world.start(KEY).ticket
    world.fail(ticket)
    before = [event.type for event in world.events(KEY)]
    world.time.move(100 * DAY)
    prune_all(world)
    assert world.message(world.run(ticket).message_id).state is MessageState.FAILED
    assert [event.type for event in world.events(KEY)] == before
    assert broken(world.store) == []


def test_F45_dead_letters_are_pruned_by_hand_older_ones_first_and_the_journal_says_by_whom(world: World) -> None:
    world.fail(world.start("old").ticket)
    world.time.move(DAY)
    world.fail(world.start("new").ticket)
    finish(world, "fine")
    gone = run(world.store, messages.prune_dead_letters(Context("alice", world.time), older_than=HOUR), world.time)
    assert gone.pruned == 1
    assert [message.key for message in world.store.read(reads.dead_letters())] == ["new"]
    (event,) = world.events(type=EventType.PRUNED)
    assert event.actor == "alice"
    assert event.detail == {"what": "dead_letters", "count": 1, "older_than_ms": HOUR}
    again = run(world.store, messages.prune_dead_letters(Context("alice", world.time), older_than=HOUR), world.time)
    assert again.pruned == 0
    assert len(world.events(type=EventType.PRUNED)) == 1
    prune_all(world, HOUR)
    assert world.keys(LaneFilter(keys=("old",))), "its lane is errored until somebody has seen it"


def test_many_dead_letters_go_in_small_steps(world: World) -> None:
    for number in range(PAGE + 1):
        world.send(f"lane:{number}")
    why, now = RunFailure(Cause.PROVIDER_COOLING, "no provider"), world.time()
    heads = [head.message_id for head in world.candidates(limit=PAGE + 1)]
    world.step(lambda tx: [end_waiting(tx, head, MessageState.FAILED, why, now, actor="tester") for head in heads])
    gone = run(world.store, messages.prune_dead_letters(Context("alice", world.time), older_than=0), world.time)
    assert gone.pruned == PAGE + 1
    assert [(event.detail or {})["count"] for event in world.events(type=EventType.PRUNED)] == [PAGE, 1]


def test_a_message_stays_while_its_sender_may_come_again_with_its_name_for_it(world: World) -> None:
    named = Idempotency("name-1", "token", "digest")
    first = world.send(KEY, idempotency=named)
    world.complete(world.claim(KEY).ticket)
    world.time.move(HOUR)
    assert prune(world, Prunable.MESSAGES, MINUTE) == 0
    assert world.accept(KEY, idempotency=named) == Accepted(first, created=False)
    world.time.move(DAY)
    before = world.time().wall - DAY
    assert world.step(lambda tx: doors.prune_idempotency(tx, before, 100)) == 1
    assert world.step(lambda tx: doors.prune_idempotency(tx, before, 100)) == 0
    assert prune(world, Prunable.MESSAGES, MINUTE) == 1


def test_names_are_forgotten_in_small_steps_the_oldest_first(world: World) -> None:
    for number in range(3):
        world.send(KEY, idempotency=Idempotency(f"name-{number}", "token", "digest"))
        world.time.move(SECOND)
    assert world.step(lambda tx: doors.prune_idempotency(tx, world.time().wall, 2)) == 2
    assert [row[2] for row in world.table("idempotency")] == ["name-2"]


def test_a_lane_stays_while_anything_of_it_is_left(world: World) -> None:
    finish(world)
    world.time.move(DAY)
    assert prune(world, Prunable.LANES) == 0
    prune(world, Prunable.MESSAGES)
    assert prune(world, Prunable.LANES) == 0
    prune(world, Prunable.RUNS)
    assert prune(world, Prunable.LANES) == 0
    prune(world, Prunable.TURNS)
    assert prune(world, Prunable.LANES) == 0
    prune(world, Prunable.EVENTS)
    assert prune(world, Prunable.LANES) == 1


@pytest.mark.parametrize("how", ["paused", "errored", "aborted"])
def test_a_lane_that_somebody_still_has_to_see_to_stays(world: World, how: str) -> None:
    if how == "paused":
        finish(world)
        world.step(lambda tx: doors.pause(tx, KEY, world.time(), actor="alice", reason="x"))
    else:
        ticket = world.start(KEY).ticket
        if how == "aborted":
            world.request_abort(KEY)
            world.abort(ticket)
        else:
            world.park(ticket)
            head = world.lane(KEY).head_id
            assert head is not None
            world.drop(head)
    world.time.move(DAY)
    gone = prune_all(world)
    assert gone["messages"] == 1
    assert world.keys() == [KEY]


def test_a_lane_that_came_to_life_since_it_was_read_stays(world: World) -> None:
    finish(world)
    world.time.move(DAY)
    before = world.time().wall - DAY
    for kind in (Prunable.MESSAGES, Prunable.RUNS, Prunable.TURNS, Prunable.EVENTS):
        prune(world, kind)
    (row,) = world.store.read(reads.old(Prunable.LANES, 0, 10))
    assert row.finished_at is not None
    world.send(KEY)
    assert world.step(lambda tx: doors.prune(tx, Prunable.LANES, [(row.id, before)])) == 0
    assert broken(world.store) == []


def test_an_anonymous_lane_goes_with_everything_that_it_held_its_failure_too(world: World) -> None:
    for key, state in (("a", "done"), ("b", "failed")):
        world.send(key, anonymous=True, bound_to=BoundTo.CLIENT, bound_owner=world.me)
        ticket = world.claim(key).ticket
        if state == "done":
            world.complete(ticket)
        else:
            world.fail(ticket)
    world.send("c", anonymous=True)
    world.time.move(HOUR)
    world.claim("c")
    finish(world)
    world.time.move(MINUTE)
    assert prune(world, Prunable.ANONYMOUS, MINUTE) == 2
    assert sorted(world.keys()) == [KEY, "c"]
    assert len(world.table("messages")) == 2
    assert broken(world.store) == []


def test_an_owner_goes_once_a_later_one_of_its_configuration_is_there(world: World) -> None:
    def end(owner: int) -> None:
        world.end_owner(owner, cause="stopped")

    other = world.owner(fingerprint="config-2")
    end(world.me)
    end(other)
    world.time.move(DAY)
    assert prune(world, Prunable.OWNERS) == 0, "the last of each configuration says what ever ran here"
    again = world.owner()
    assert prune(world, Prunable.OWNERS) == 1
    assert [row[0] for row in world.table("owners")] == [other, again]
    assert world.store.read(reads.real_runner_ever_ran("simulated"))


def test_an_event_stays_while_the_message_or_the_run_that_it_is_about_does(world: World) -> None:
    finish(world)
    world.time.move(DAY)
    prune(world, Prunable.EVENTS)
    assert [event.type for event in world.events(KEY)] == ["accepted", "claim", "complete"]
    prune(world, Prunable.MESSAGES)
    prune(world, Prunable.EVENTS)
    assert [event.type for event in world.events(KEY)] == ["claim", "complete"]
    prune(world, Prunable.RUNS)
    prune(world, Prunable.EVENTS)
    assert world.events(KEY) == []


@pytest.mark.parametrize("anonymous", [False, True], ids=["a run", "an anonymous lane"])
def test_what_a_run_waited_for_when_it_was_cut_goes_with_it(world: World, anonymous: bool) -> None:
    world.send(KEY, anonymous=anonymous)
    ticket = world.claim(KEY).ticket
    awaited = world.send("other")
    world.step(lambda tx: doors.begin_wait(tx, Waiter(ticket.run_id, PROCESS), awaited, world.time()))
    assert len(world.table("waits")) == 1
    world.complete(ticket)
    world.time.move(DAY)
    prune_all(world)
    assert world.table("waits") == []
    assert [row[1] for row in world.table("messages")] == [world.lane("other").id]


def test_a_block_of_the_journal_stays_as_long_as_a_lane_has_an_event_in_it(world: World) -> None:
    world.fail(world.start(KEY).ticket)
    for _ in range(EVENTS_OF_A_BLOCK):
        finish(world)
    world.fail(world.start(KEY).ticket)
    world.time.move(DAY)
    prune_all(world)
    events = [(row[3], row[0]) for row in world.table("events")]
    lanes = {lane for lane, _ in events if lane is not None}
    assert len(lanes) == 1, "only the first and the last block have a dead letter"
    assert world.table("event_blocks") == sorted({(lane, id_ // EVENTS_OF_A_BLOCK) for lane, id_ in events if lane})
    (lane,) = lanes
    assert [event.id for event in world.store.read(reads.events(lane=lane))] == [id_ for of, id_ in events if of]


def test_an_anonymous_lane_goes_with_its_part_of_the_journal(world: World) -> None:
    for number in range(3 * EVENTS_OF_A_BLOCK // 4):
        world.send(f"request {number}", anonymous=True)
        world.complete(world.claim(f"request {number}").ticket)
    world.time.move(DAY)
    prune_all(world)
    assert (world.table("lanes"), world.table("event_blocks")) == ([], [])
    assert world.table("events") == []
