"""What runs use and cost is stored with them and their lanes; budgets count it over all gateways."""

import pytest

from lanes.testing import DAY, HOUR, MINUTE
from lanes_storage import doors, reads
from lanes_storage.doors.claims import Exhausted
from lanes_storage.law import Cause, MessageState, PauseKind
from lanes_storage.records import Admission, BudgetTerms, NewMessage, RunResult, RunUsage, Spent
from tests.kit.watch import Watch
from tests.kit.world import World

BY_ITSELF = BudgetTerms("", HOUR, 2, 1_000, 5_000_000)
TOGETHER = BY_ITSELF._replace(name='policy "a*"')


def lane_id(world: World, key: str) -> int:
    return world.lane(key).id


def over(world: World, key: str, *budgets: BudgetTerms) -> Exhausted | None:
    return world.step(lambda tx: doors.exhausted(tx, lane_id(world, key), budgets, world.time()))


def spend(world: World, key: str, budget: BudgetTerms, **what: int) -> None:
    lane = lane_id(world, key)
    world.step(lambda tx: doors.spend(tx, lane, [budget], world.time(), **what))


def test_what_a_run_used_is_stored_with_it_and_added_up_for_its_lane(world: World) -> None:
    world.complete(world.start("b").ticket)
    for usage in (RunUsage(100, 20), RunUsage(10, 2, 1_500), RunUsage(1, 1, 500)):
        world.complete(world.start("a").ticket, RunResult("reply", usage=usage))
    assert world.lane("a").used == RunUsage(111, 23, 2_000)
    assert world.lane("b").used is None
    stored = world.step(lambda tx: tx.rows("SELECT json_extract(usage, '$.input_tokens') FROM runs ORDER BY id", {}))
    assert [row[0] for row in stored] == [None, 100, 10, 1]


def test_what_a_superseded_run_used_is_spent_all_the_same(world: World) -> None:
    ticket = world.start("a").ticket
    world.reclaim(ticket)
    assert not world.complete(ticket, RunResult("late", usage=RunUsage(5, 6))).applied
    assert world.lane("a").used == RunUsage(5, 6)


@pytest.mark.parametrize("what", [{"runs": 2}, {"tokens": 1_000}, {"cost_micros": 5_000_000}])
def test_a_budget_is_used_up_by_whatever_reaches_its_limit_first(world: World, what: dict[str, int]) -> None:
    world.send("a")
    spend(world, "a", BY_ITSELF, **{name: amount - 1 for name, amount in what.items()})
    assert over(world, "a", BY_ITSELF) is None
    spend(world, "a", BY_ITSELF, **dict.fromkeys(what, 1))
    found = over(world, "a", BY_ITSELF)
    assert found is not None
    assert found.reason.startswith("the budget is used up: ")


def test_what_was_used_longer_ago_than_its_time_no_longer_counts(world: World) -> None:
    world.send("a")
    spend(world, "a", BY_ITSELF, runs=1)
    world.time.move(30 * MINUTE)
    spend(world, "a", BY_ITSELF, runs=1)
    found = over(world, "a", BY_ITSELF)
    assert found is not None
    assert found.spent.until is not None
    world.time.move(found.spent.until - world.time().wall - 1)
    assert over(world, "a", BY_ITSELF) is not None
    world.time.move(1)
    assert over(world, "a", BY_ITSELF) is None


def test_what_one_budget_no_longer_counts_another_may_count(world: World) -> None:
    world.send("a")
    daily = BudgetTerms("daily", DAY, 1, None, None)
    spend(world, "a", daily, runs=1)
    world.time.move(2 * HOUR)
    spend(world, "a", BY_ITSELF, runs=1)
    assert over(world, "a", daily) is not None


def test_a_lane_has_its_own_and_shares_that_of_its_policy(world: World) -> None:
    world.send("a1")
    world.send("a2")
    spend(world, "a1", BY_ITSELF, runs=2)
    assert over(world, "a2", BY_ITSELF) is None
    spend(world, "a1", TOGETHER, runs=2)
    found = over(world, "a2", BY_ITSELF, TOGETHER)
    assert found is not None
    assert found.budget == TOGETHER
    assert 'of all lanes of policy "a*"' in found.reason


def test_F624_the_lanes_of_a_session_have_its_budget_together(world: World) -> None:
    request = NewMessage("s", None, request='{"messages": []}', actor="sender")
    for _ in range(2):
        world.step(lambda tx: doors.enter_beside(tx, request, Admission(20, concurrency=3), world.time()))
    world.send("s", "a text, on the lane of the session itself")
    keys = ("s\x1f1", "s\x1f2")
    spend(world, keys[0], BY_ITSELF, runs=1)
    assert [over(world, key, BY_ITSELF) for key in keys] == [None, None]
    spend(world, keys[1], BY_ITSELF, runs=1)
    assert None not in [over(world, key, BY_ITSELF) for key in keys]
    (own,) = world.step(lambda tx: tx.rows("SELECT id FROM lanes WHERE key = 's'", {}))[0]
    assert world.step(lambda tx: doors.exhausted(tx, own, [BY_ITSELF], world.time())) is not None
    for lane in (own, *(lane_id(world, key) for key in keys)):
        assert world.store.read(reads.spent(BY_ITSELF, lane, world.time())).runs == 2
    world.send("other")
    assert over(world, "other", BY_ITSELF) is None


def test_F275_a_lane_over_its_budget_is_paused_until_a_part_of_it_is_free_again(world: World) -> None:
    message = world.send("a")
    found = Exhausted(BY_ITSELF, Spent(2, 10, 0, world.time().wall + MINUTE))
    head, seen = world.head("a"), Watch(world)
    world.step(lambda tx: doors.refuse_over(tx, head, found, world.time()))
    pause = world.lane("a").pause
    assert pause is not None
    assert (pause.kind, pause.until, pause.actor) == (PauseKind.BUDGET, world.time().wall + MINUTE, "lanes")
    assert [line.type for line in seen.lines()] == ["paused"]
    assert world.candidates() == []
    world.time.move(MINUTE)
    assert world.claim("a").message.id == message


def test_or_what_comes_ends_as_over_budget(world: World) -> None:
    message = world.send("a")
    found = Exhausted(BY_ITSELF._replace(reject=True), Spent(2, 10, 0, 1))
    head = world.head("a")
    world.step(lambda tx: doors.refuse_over(tx, head, found, world.time()))
    told = world.message(message)
    assert told.state is MessageState.FAILED
    assert told.error is not None
    assert told.error.cause is Cause.OVER_BUDGET
