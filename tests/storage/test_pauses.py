"""Pauses: of a lane, of every key that fits a glob, of all; one of each kind at a time, and none ends another."""

import pytest

from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage import doors, reads
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType, LaneState, PauseKind
from lanes_storage.records import How, LaneFilter, PauseRow
from tests.kit.watch import Watch
from tests.kit.world import World


def pause_matching(world: World, pattern: str, *, kind: PauseKind = PauseKind.HAND, until: int | None = None) -> None:
    now = world.time()
    world.step(lambda tx: doors.pause_matching(tx, pattern, kind, now, actor="bob", reason="all of it", until=until))


def resume_matching(world: World, pattern: str, kind: PauseKind | None = PauseKind.HAND) -> bool:
    return world.step(lambda tx: doors.resume_matching(tx, pattern, kind, world.time(), actor="bob"))


def pause_lane(world: World, key: str, kind: PauseKind, *, until: int | None = None) -> None:
    lane, now = world.lane(key).id, world.time()
    world.step(lambda tx: doors.pauses.pause_lane(tx, lane, kind, now, actor="lanes", reason=kind, until=until))


def keys(world: World) -> list[str]:
    return [head.key for head in world.candidates()]


# ------------------------------------------------------------------------------------------------ of many


@pytest.mark.parametrize(("pattern", "left"), [("a:*", ["b:1"]), ("?:1", ["a:2"]), ("a:[!2]", ["a:2", "b:1"])])
def test_a_glob_pauses_every_lane_that_fits_and_no_other(world: World, pattern: str, left: list[str]) -> None:
    for key in ("a:1", "a:2", "b:1"):
        world.send(key)
    heads = {head.key: head for head in world.candidates()}
    pause_matching(world, pattern)
    assert keys(world) == left
    for key, head in heads.items():
        claimed = world.try_claim(head)
        assert (claimed is not None) is (key in left), "the guard of the claim asks the same"


def test_everything_is_paused_lanes_to_come_included_until_its_time(world: World, time: Hands) -> None:
    world.send("there")
    pause_matching(world, "*", until=time().wall + MINUTE)
    world.send("to come")
    assert keys(world) == []
    assert not world.store.read(reads.claimable(world.me, time().wall))
    time.move(MINUTE)
    assert keys(world) == ["there", "to come"]
    assert world.store.read(reads.claimable(world.me, time().wall))


def test_a_glob_that_leaves_out_pauses_the_others_and_shows_as_it_was_given(world: World) -> None:
    for key in ("agent:main:1", "agent:other:1"):
        world.send(key)
    pause_matching(world, "agent:[!m]*")
    assert keys(world) == ["agent:main:1"]
    pause = world.lane("agent:other:1").pause
    assert pause is not None
    assert pause.pattern == "agent:[!m]*"
    assert resume_matching(world, "agent:[!m]*")


def test_a_glob_is_resumed_by_itself_and_lanes_with_a_pause_of_their_own_stay(world: World) -> None:
    for key in ("a:1", "a:2"):
        world.send(key)
    world.pause("a:1")
    pause_matching(world, "a:*")
    pause_matching(world, "b:*")
    assert not world.resume("a:2").applied, "it has none of its own"
    assert not resume_matching(world, "a:*", PauseKind.BUDGET)
    assert resume_matching(world, "a:*")
    assert not resume_matching(world, "a:*")
    assert keys(world) == ["a:2"]
    assert [row[2] for row in world.table("pauses")] == [None, "b:*"]


def test_a_glob_shows_on_each_of_its_lanes_and_in_the_journal(world: World) -> None:
    now = world.time().wall
    world.send("a:1")
    world.send("b:1")
    pause_matching(world, "a:*")
    assert world.lane("a:1").pause == PauseRow("all of it", "bob", now, None, PauseKind.HAND, "a:*")
    assert world.lane("b:1").pause is None
    assert world.keys(LaneFilter(at=now).where("paused", How.IS, 1)) == ["a:1"]
    resume_matching(world, "a:*")
    told = [(e.type, e.key, e.actor, e.detail) for e in world.events() if e.type in ("paused", "resumed")]
    assert told == [
        (EventType.PAUSED, None, "bob", {"match": "a:*", "reason": "all of it", "until": None}),
        (EventType.RESUMED, None, "bob", {"match": "a:*"}),
    ]


def test_of_a_glob_too_a_second_pause_of_a_kind_takes_the_place_of_the_first(world: World, time: Hands) -> None:
    pause_matching(world, "*")
    pause_matching(world, "*", kind=PauseKind.BUDGET)
    pause_matching(world, "*", until=time().wall + SECOND)
    assert [(row[2], row[3], row[7]) for row in world.table("pauses")] == [
        ("*", PauseKind.HAND, time().wall + SECOND),
        ("*", PauseKind.BUDGET, None),
    ]


def test_a_person_ends_the_pauses_of_a_glob_of_every_kind_and_those_of_no_other(world: World) -> None:
    for pattern in ("*", "a:*"):
        pause_matching(world, pattern)
        pause_matching(world, pattern, kind=PauseKind.BUDGET)
    assert resume_matching(world, "a:*", None)
    assert not resume_matching(world, "a:*", None)
    found = world.store.read(reads.glob_pauses(world.time().wall))
    assert [(pause.pattern, pause.kind) for pause in found] == [("*", PauseKind.HAND), ("*", PauseKind.BUDGET)]


def test_the_pause_of_a_glob_is_ended_only_if_it_is_the_one_that_was_seen(world: World, time: Hands) -> None:
    """Somebody else may have paused the same again since."""
    pause_matching(world, "a:*")
    seen = time().wall

    def resume() -> bool:
        return world.step(lambda tx: doors.resume_matching(tx, "a:*", None, time(), actor="bob", set_at=seen))

    time.move(MINUTE)
    pause_matching(world, "a:*")
    assert not resume()
    seen = time().wall
    assert resume()


def test_expired_pauses_of_globs_are_not_listed_and_go_with_the_next_pause_of_a_glob(world: World, time: Hands) -> None:
    world.send("a:1")
    pause_lane(world, "a:1", PauseKind.HAND, until=time().wall + SECOND)
    pause_matching(world, "a:*", until=time().wall + SECOND)
    pause_matching(world, "b:*", until=time().wall + MINUTE)
    pause_matching(world, "c:*")

    def listed() -> list[str | None]:
        return [pause.pattern for pause in world.store.read(reads.glob_pauses(time().wall))]

    assert listed() == ["a:*", "b:*", "c:*"]
    time.move(SECOND)
    assert listed() == ["b:*", "c:*"]
    pause_matching(world, "d:*")
    assert [row[2] for row in world.table("pauses")] == [None, "b:*", "c:*", "d:*"], (
        "that of a lane goes with its claim"
    )


def test_a_claim_meets_the_pause_of_a_glob_only_until_its_time(world: World, time: Hands) -> None:
    world.send("a")
    head = world.head("a")
    pause_matching(world, "a*", until=time().wall + SECOND)
    pause_matching(world, "b*")
    assert world.try_claim(head) is None
    time.move(SECOND)
    assert world.try_claim(head) is not None


# ---------------------------------------------------------------------------------------------- of one lane


@pytest.mark.parametrize("kind", PauseKind)
def test_each_kind_keeps_a_lane_from_being_claimed(world: World, kind: PauseKind) -> None:
    world.send("a")
    pause_lane(world, "a", kind)
    assert keys(world) == []
    assert world.resume("a").applied, "a person ends every kind"
    assert keys(world) == ["a"]


def test_F135_no_pause_replaces_one_of_another_kind_and_each_ends_as_it_does(world: World, time: Hands) -> None:
    world.send("a")
    world.send("b")
    pause_lane(world, "b", PauseKind.SURVIVORS)
    world.pause("a", reason="mine", until=time().wall + MINUTE)
    pause_lane(world, "a", PauseKind.SURVIVORS)
    world.pause("a", reason="mine", until=time().wall + 2 * MINUTE)
    a = world.lane("a").id

    def gone(tx: Transaction) -> bool:
        return doors.end_pause(tx, a, PauseKind.SURVIVORS, time(), actor="owner:1")

    assert world.step(gone)
    assert world.lane("a").pause == PauseRow("mine", "alice", time().wall, time().wall + 2 * MINUTE)
    assert world.lane("b").pause is not None
    time.move(MINUTE)
    assert keys(world) == []
    time.move(MINUTE)
    assert keys(world) == ["a"]


def test_the_last_of_several_to_end_is_shown_and_waited_for(world: World, time: Hands) -> None:
    world.send("a")
    now = time().wall
    pause_lane(world, "a", PauseKind.HAND, until=now + SECOND)
    pause_lane(world, "a", PauseKind.BUDGET, until=now + MINUTE)
    pause_matching(world, "*", until=now + 2 * SECOND)
    assert world.lane("a").pause == PauseRow("budget", "lanes", now, now + MINUTE, PauseKind.BUDGET)
    for ms, left in ((SECOND, []), (SECOND, []), (MINUTE - 2 * SECOND, ["a"])):
        time.move(ms)
        assert keys(world) == left


def test_what_has_run_out_goes_with_the_claim_and_no_other_pause_does(world: World, time: Hands) -> None:
    for key in "ab":
        world.send(key)
        world.pause(key, until=time().wall + SECOND)
    pause_matching(world, "c*")
    time.move(SECOND)
    world.claim("a")
    assert [(row[1], row[2]) for row in world.table("pauses")] == [(world.lane("b").id, None), (None, "c*")]


def test_a_pause_that_comes_before_the_claim_is_met_by_its_guard(world: World) -> None:
    world.send("a")
    head = world.head("a")
    pause_lane(world, "a", PauseKind.BUDGET)
    seen = Watch(world)
    assert world.try_claim(head) is None
    assert world.state("a") is LaneState.IDLE
    assert seen.changed().keys() <= {"counters"}
