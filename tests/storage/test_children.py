"""Child lanes, on which the requests of one session run at once, and requests that a program sends again."""

import json
from importlib import import_module
from typing import Any

import pytest

from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.interface import Transaction
from lanes_storage.law import LaneState, PauseKind, Prunable
from lanes_storage.records import OUTLINE, Admission, Claimed, LaneFilter, LaneOrder, LaneSort, NewMessage, Repeated
from lanes_storage.statements import children
from tests.kit.world import World
from tests.storage.test_counts import lanes_agree


def send(world: World, key: str = "s", digest: str = "d", *, width: int = 3, **more: Any) -> int:
    """Have a request that is passed on accepted; returns its id."""
    request = json.dumps({OUTLINE: {"digest": digest}})
    new = NewMessage(key, request=request, actor="t", source="bot", once=True, **more)
    accepted = world.step(lambda tx: doors.enter_beside(tx, new, Admission(20), width, world.time()))
    assert isinstance(accepted, Accepted)
    return accepted.message_id


def children_of(world: World, key: str) -> list[tuple[str, int]]:
    """The child lanes of a session, with what waits in each."""
    query = """
    SELECT c.key, (SELECT count(*) FROM messages m WHERE m.lane_id = c.id AND m.state = 'queued') FROM lanes c
    JOIN lanes p ON p.id = c.parent_id WHERE p.key = :key ORDER BY c.id
    """
    return [(str(child), int(waiting)) for child, waiting in world.step(lambda tx: tx.rows(query, {"key": key}))]


def lane_of(world: World, number: int) -> str:
    """The key of the child lane that a message waits on."""
    query = "SELECT l.key FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE m.id = :id"
    return str(world.step(lambda tx: tx.rows(query, {"id": number}))[0][0])


def begin(world: World, number: int) -> Claimed:
    """Claim the lane of a message."""
    return world.claim(lane_of(world, number))


# ---------------------------------------------------------------------------------------- which child


def test_F294_each_request_has_a_child_lane_and_more_than_may_run_wait_where_the_fewest_do(world: World) -> None:
    send(world, "other")
    sent = [send(world) for _ in range(8)]
    assert [lane_of(world, number) for number in sent[:3]] == ["s #1", "s #2", "s #3"]
    assert children_of(world, "s") == [("s #1", 3), ("s #2", 3), ("s #3", 2)]
    assert children_of(world, "other") == [("other #1", 1)]
    assert world.lane("s").state is LaneState.IDLE


def test_only_what_waits_counts(world: World) -> None:
    begin(world, send(world, width=2))
    for _ in range(3):
        world.complete(begin(world, send(world, width=2)).ticket)
    begin(world, send(world, width=2))
    assert [lane_of(world, send(world, width=2)) for _ in range(3)] == ["s #1", "s #2", "s #1"]


def test_a_free_child_is_used_again_one_that_ended_badly_first(world: World) -> None:
    numbers = [send(world) for _ in range(3)]
    claimed = [begin(world, number) for number in numbers]
    world.complete(claimed[0].ticket)
    world.fail(claimed[1].ticket)
    world.complete(claimed[2].ticket)
    assert lane_of(world, send(world)) == "s #2"
    assert len(children_of(world, "s")) == 3


def test_a_lane_that_has_the_name_of_a_child_already_is_left_alone(world: World) -> None:
    world.send("s #1")
    assert lane_of(world, send(world)) == "s #2"
    assert children_of(world, "s") == [("s #2", 1)]


def test_a_child_that_is_made_while_its_session_is_paused_is_paused(world: World) -> None:
    world.send("other")
    world.pause("other", reason="of another")
    send(world)
    world.pause("s", reason="to look")
    send(world)
    pauses = [world.lane(key).pause for key in ("s #1", "s #2")]
    assert [pause and pause.reason for pause in pauses] == ["to look", "to look"]


def test_a_session_is_paused_resumed_and_acknowledged_with_its_children_and_no_other(world: World) -> None:
    for key in ("s", "s", "other"):
        send(world, key)
    world.pause("s")
    assert [world.lane(key).pause is not None for key in ("s", "s #1", "s #2", "other", "other #1")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    world.pause("other")
    assert world.resume("s").applied
    assert [world.lane(key).pause is not None for key in ("s", "s #2", "other", "other #1")] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_lane_has_one_session(world: World) -> None:
    send(world)
    send(world, "other")
    before = children_of(world, "s")

    def adopt(tx: Transaction, key: str) -> int:
        ((other,),) = tx.rows("SELECT id FROM lanes WHERE key = 'other'", {})
        return tx.run(children.ADOPT, {"parent": other, "key": key})

    assert world.step(lambda tx: adopt(tx, "s #1")) == 0
    assert children_of(world, "s") == before
    world.send("alone")
    world.send("left alone")
    assert world.step(lambda tx: adopt(tx, "alone")) == 1
    assert [key for key, _ in children_of(world, "other")] == ["other #1", "alone"]


# ------------------------------------------------------------------------------------ requests that come again


def again(world: World, key: str = "s", digest: str = "d") -> Repeated | None:
    return world.step(lambda tx: doors.repeated(tx, key, digest, world.time()))


def refused(world: World, key: str) -> Repeated | None:
    return world.store.read(reads.repeated(world.lane(key).id, world.time().wall))


def aborted(world: World, key: str = "s", digest: str = "d") -> None:
    """A request that an operator ended."""
    number = send(world, key, digest)
    claimed = begin(world, number)
    world.request_abort(lane_of(world, number))
    world.abort(claimed.ticket)
    world.time.move(SECOND)


def test_F494_a_request_is_refused_for_no_longer_though_the_clock_was_set_back(world: World) -> None:
    world.step(lambda tx: doors.note_clock(tx, world.time()))
    aborted(world)
    assert again(world) is not None
    world.time.jump_wall(-3 * HOUR)
    assert again(world) is None
    world.step(lambda tx: doors.note_clock(tx, world.time()))
    assert refused(world, "s") is None
    aborted(world)
    assert again(world) is not None, "what is ended from then on counts"


def test_F295_what_was_ended_is_refused_for_a_minute_and_counted(world: World) -> None:
    aborted(world)
    until = world.time().wall + MINUTE - SECOND
    assert again(world) == Repeated("aborted", 2, until)
    assert again(world) == Repeated("aborted", 3, until)
    assert [refused(world, key) for key in ("s", "s #1")] == [Repeated("aborted", 3, until)] * 2
    world.time.move(MINUTE - SECOND - 1)
    assert refused(world, "s") is not None
    world.time.move(1)
    assert (refused(world, "s"), again(world)) == (None, None)


def test_sessions_do_not_concern_each_other(world: World) -> None:
    aborted(world, "other")
    assert again(world) is None, "there is no such session"
    send(world)
    assert again(world) is None
    assert again(world, "other") is not None
    aborted(world)
    assert again(world) == Repeated("aborted", 2, world.time().wall + MINUTE - SECOND)
    assert again(world, "other", "another request") is None
    world.resume("s")
    assert [refused(world, key) is not None for key in ("s", "other")] == [False, True]
    assert again(world) is None
    assert again(world, "other") == Repeated("aborted", 3, again(world, "other").until)  # type: ignore[union-attr]


def test_what_is_refused_outlives_another_lane_that_is_pruned(world: World) -> None:
    aborted(world)
    assert again(world) is not None
    now = world.time().wall
    world.step(lambda tx: tx.run(children.MAKE_PARENT, {"key": "idle", "now": now}))
    lane = world.lane("idle").id
    assert world.step(lambda tx: doors.prune(tx, Prunable.LANES, [(lane, now)])) == 1
    assert len(world.table("repeats")) == 1


@pytest.mark.parametrize("source", [None, "bot"])
def test_a_resume_is_noted_only_where_requests_were_passed_on(world: World, source: str | None) -> None:
    aborted(world, "passed on before, elsewhere")
    world.send("a", "hello", source=source)
    world.resume("a")
    assert len(world.table("repeats")) == (source is not None)


def test_a_resume_of_a_session_is_noted_for_requests_of_its_children(world: World) -> None:
    aborted(world)
    assert world.table("repeats") == []
    assert not world.resume("s").applied, "nothing was refused yet"
    assert len(world.table("repeats")) == 1
    assert again(world) is None
    assert refused(world, "s") is None


def test_F136_the_counts_of_sessions_with_child_lanes_are_those_of_the_lists(world: World) -> None:
    """One lane is counted for all lanes of a session: a held one, one that waits, else the worst."""
    for session in ("held", "waiting", "errored", "aborted", "idle"):
        claimed = [begin(world, send(world, session)) for _ in range(3)]
        world.fail(claimed[0].ticket)
        if session in ("held", "waiting"):
            world.complete(claimed[1].ticket)
            send(world, session)
        if session == "waiting":
            world.complete(claimed[2].ticket)
        elif session != "held":
            world.end_as(claimed[1], LaneState.ABORTED)
            world.complete(claimed[2].ticket)
        lanes_agree(world)
    for key in ("held", "errored #1", "errored #2", "idle"):
        world.pause(key)
        lanes_agree(world)


def test_F136_a_lane_that_is_paused_twice_is_counted_once(world: World) -> None:
    world.send("a")
    world.pause("a")
    lane, now = world.lane("a").id, world.time()
    world.step(lambda tx: pause_lane(tx, lane, PauseKind.BUDGET, now, actor="me", reason="spent"))
    assert world.store.read(reads.counts(world.time().wall)).paused == 1
    lanes_agree(world)


@pytest.mark.parametrize("far", [0, 2_000])
@pytest.mark.parametrize("reverse", [False, True])
def test_sessions_with_child_lanes_have_their_places_by_what_waits_in_them(
    world: World, far: int, reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane that is shown of a session may have no head: it runs while another one waits, or nothing waits."""
    monkeypatch.setattr(import_module("lanes_storage.reads.of_lanes"), "FAR", far)
    for key in ("one", "two", "two"):
        world.send(key)
    for session in ("idle", "free", "held", "busy"):
        claimed = begin(world, send(world, session))
        if session in ("idle", "free"):
            world.complete(claimed.ticket)
    send(world, "busy")
    order = LaneOrder(LaneSort.QUEUE, reverse)
    lengths = {lane.key: lane.queued for lane in world.store.read(reads.lanes(LaneFilter(), order=order))}
    waiting = sorted((length for length in lengths.values() if length), reverse=not reverse)
    assert list(lengths.values()) == [*waiting, 0, 0, 0], "in both directions what has none comes last"
    assert waiting == sorted([1, 1, 2], reverse=not reverse)
    pages = [world.store.read(reads.lanes(LaneFilter(), order=order, limit=1, offset=place)) for place in range(6)]
    assert [lane.key for page in pages for lane in page] == list(lengths)
    places = [world.store.read(reads.lane_place(LaneFilter(), key, order=order)) for key in lengths]
    assert places == list(range(6))
