"""One definition of what is counted, listed and pruned: a lane without a session is none of these once it has ended."""

from collections import Counter

import pytest

from lanes import filters
from lanes.testing import DAY, MINUTE
from lanes_storage import doors, reads
from lanes_storage.law import LaneState, MessageState, PauseKind, Prunable
from lanes_storage.records import LaneFilter, LaneOrder, LaneRow, LaneSort
from tests.kit.world import World

STATES = list(LaneState)


def lane_in(world: World, state: LaneState, key: str, *, anonymous: bool, waiting: int = 0) -> None:
    """A lane in some state, and what waits in it."""
    world.send(key, anonymous=anonymous)
    claimed = world.claim(key)
    world.end_as(claimed, state)
    for _ in range(waiting):
        world.send(key, anonymous=anonymous)


@pytest.fixture
def peopled(world: World) -> World:
    """Every state, with and without a session, with and without something waiting, twice each; some are paused."""
    for number in range(2):
        for state in STATES:
            for anonymous in (True, False):
                for waiting in (0, 1):
                    key = f"{state}:{'nobody' if anonymous else 'somebody'}:{waiting}:{number}"
                    lane_in(world, state, key, anonymous=anonymous, waiting=waiting)
                    if number:
                        world.pause(key)
    return world


def listed(world: World, typed: str = "") -> list[LaneRow]:
    return world.store.read(reads.lanes(filters.chosen(typed, world.time().wall)))


def lanes_agree(world: World) -> None:
    """Every count of lanes is that of a list."""
    counts, lanes = world.store.read(reads.counts(world.time().wall)), listed(world)
    by_state = Counter(str(lane.state) for lane in lanes)
    assert counts.lanes == {state: by_state[state] for state in STATES}
    assert min(counts.lanes.values()) >= 0
    assert counts.queued == sum(lane.queued for lane in lanes)
    by_length = world.store.read(reads.lanes(LaneFilter(), order=LaneOrder(LaneSort.QUEUE)))
    assert [lane.queued for lane in by_length] == sorted((lane.queued for lane in lanes), reverse=True)
    for least in range(3):
        longer = {lane.id for lane in lanes if lane.queued > least}
        assert {lane.id for lane in listed(world, f"queue:>{least}")} == longer
    assert counts.paused == len(listed(world, "paused:yes"))
    assert len(lanes) - counts.paused == len(listed(world, "paused:no"))
    assert world.store.read(reads.lanes_total(LaneFilter())) == len(lanes)


def agree(world: World) -> None:
    """Every count is that of a list."""
    lanes_agree(world)
    counts, lanes = world.store.read(reads.counts(world.time().wall)), listed(world)
    letters = world.store.read(reads.dead_letters())
    assert counts.dead_letters == sum(letter.retried_as is None for letter in letters)
    heads = [lane.head_accepted_at for lane in lanes if lane.head_accepted_at is not None]
    assert counts.oldest_head_at == min(heads, default=None)
    old = world.store.read(reads.old(Prunable.DEAD_LETTERS, 0, 1000))
    assert {row.id for row in old} == {letter.id for letter in letters}, "what is listed is what may be pruned"


def test_F136_counts_are_those_of_the_lists_in_every_state(peopled: World) -> None:
    agree(peopled)
    keys = {lane.key for lane in listed(peopled)}
    assert {key for key in keys if "nobody" in key} == {
        f"{state}:nobody:{waiting}:{number}"
        for number in range(2)
        for state in STATES
        for waiting in (0, 1)
        if state is LaneState.RUNNING or waiting
    }


def test_F136_also_where_a_glob_or_everything_is_paused(peopled: World) -> None:
    now = peopled.time()

    def pause(pattern: str, until: int | None = None) -> None:
        peopled.step(
            lambda tx: doors.pause_matching(tx, pattern, PauseKind.HAND, now, actor="me", reason="why", until=until)
        )

    pause("errored:*")
    agree(peopled)
    assert {lane.key for lane in listed(peopled, "paused:yes")} >= {"errored:somebody:0:0", "errored:nobody:1:0"}
    pause("*", until=now.wall + MINUTE)
    agree(peopled)
    assert listed(peopled, "paused:no") == []
    peopled.time.move(MINUTE)
    agree(peopled)
    assert "idle:somebody:0:0" in {lane.key for lane in listed(peopled, "paused:no")}


def test_F136_a_failure_without_a_session_is_no_dead_letter_and_goes_with_its_lane(peopled: World) -> None:
    before = peopled.time.move(DAY).wall
    failed = [row[0] for row in peopled.table("messages") if row[2] == MessageState.FAILED]
    letters = {letter.id for letter in peopled.store.read(reads.dead_letters())}
    nobodys = set(failed) - letters
    assert len(nobodys) == len(letters) == 4
    pairs = [(id_, before) for id_ in failed]
    assert peopled.step(lambda tx: doors.prune(tx, Prunable.DEAD_LETTERS, pairs)) == len(letters)
    left = {row[0] for row in peopled.table("messages")}
    assert nobodys <= left
    agree(peopled)
