"""Child lanes, on which the requests of one session run at once, and requests that a program sends again."""

import json
from importlib import import_module
from typing import Any

import pytest

from lanes import filters
from lanes.base.errors import InvalidKey
from lanes.base.terminal import check_key
from lanes.testing import HOUR, MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted, Refusal, WaitCircle
from lanes_storage.doors.claims import Exhausted
from lanes_storage.doors.pauses import end_pause, pause_lane
from lanes_storage.law import MAX_KEY, LaneState, MessageState, Mode, Overflow, PauseKind, Prunable, Scope
from lanes_storage.records import (
    OUTLINE,
    Admission,
    BudgetTerms,
    Claimed,
    LaneFilter,
    LaneOrder,
    LaneSort,
    NewMessage,
    Repeated,
    RunResult,
    RunUsage,
    Spent,
    Waiter,
)
from lanes_storage.statements import further
from tests.kit.world import PROCESS, World
from tests.storage.test_counts import lanes_agree


def send(world: World, key: str = "s", digest: str = "d", *, width: int = 3, **more: Any) -> int:
    """Have a request that is passed on accepted; returns its id."""
    request = json.dumps({OUTLINE: {"digest": digest}})
    new = NewMessage(key, request=request, actor="t", source="bot", once=True, **more)
    accepted = world.step(lambda tx: doors.enter_beside(tx, new, Admission(20, concurrency=width), world.time()))
    assert isinstance(accepted, Accepted)
    return accepted.message_id


def ask(world: World, admission: Admission) -> int:
    """Have a request accepted as its policies say; returns its id."""
    new = NewMessage("s", request="{}", actor="t")
    accepted = world.step(lambda tx: doors.enter_beside(tx, new, admission, world.time()))
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
    assert [lane_of(world, number) for number in sent[:3]] == ["s\x1f1", "s\x1f2", "s\x1f3"]
    assert children_of(world, "s") == [("s\x1f1", 3), ("s\x1f2", 3), ("s\x1f3", 2)]
    assert children_of(world, "other") == [("other\x1f1", 1)]
    assert world.lane("s").state is LaneState.IDLE


def test_F900_of_full_queues_the_one_with_the_oldest_head_takes_the_next(world: World) -> None:
    """It is the oldest that a queue drops that is full."""
    admission = Admission(1, overflow=Overflow.DROP_OLDEST, concurrency=2)
    for number in [ask(world, admission), ask(world, admission)]:
        begin(world, number)
    waiting = [ask(world, admission) for _ in range(5)]
    states = [world.message(number).state for number in waiting]
    assert states == [MessageState.DROPPED] * 3 + [MessageState.QUEUED] * 2


def test_F905_the_newest_request_of_a_session_takes_the_place_of_the_oldest_run(world: World) -> None:
    admission = Admission(20, mode=Mode.INTERRUPT, concurrency=2)
    aborted = []
    for _ in range(5):
        number = ask(world, admission)
        for run in world.store.read(reads.open_runs()):
            if run.abort_at is not None:
                world.abort(run.ticket)
                aborted.append(run.message_id)
        begin(world, number)
    assert aborted == [1, 2, 3]


def test_only_what_waits_counts(world: World) -> None:
    begin(world, send(world, width=2))
    for _ in range(3):
        world.complete(begin(world, send(world, width=2)).ticket)
    begin(world, send(world, width=2))
    assert [lane_of(world, send(world, width=2)) for _ in range(3)] == ["s\x1f1", "s\x1f2", "s\x1f1"]


def test_a_free_child_is_used_again_one_that_ended_badly_first(world: World) -> None:
    numbers = [send(world) for _ in range(3)]
    claimed = [begin(world, number) for number in numbers]
    world.complete(claimed[0].ticket)
    world.fail(claimed[1].ticket)
    world.complete(claimed[2].ticket)
    assert lane_of(world, send(world)) == "s\x1f2"
    assert len(children_of(world, "s")) == 3


def test_F645_no_key_that_a_person_may_choose_is_that_of_a_child(world: World) -> None:
    for key in ("s", "x" * MAX_KEY, "x" * (MAX_KEY - 1) + "y"):
        sent = [send(world, key), send(world, key)]
        assert len({lane_of(world, number) for number in sent}) == len(children_of(world, key)) == 2
        for child, _ in children_of(world, key):
            with pytest.raises(InvalidKey):
                check_key(child)
    assert len({lane.key for lane in world.store.read(reads.lanes(LaneFilter()))}) == 3


def test_F646_a_retry_finds_its_place_in_its_session_like_a_new_request(world: World) -> None:
    admission = Admission(1, concurrency=2)

    def ask() -> int:
        new = NewMessage("s", request='{"messages": []}', actor="t")
        accepted = world.step(lambda tx: doors.enter_beside(tx, new, admission, world.time()))
        assert isinstance(accepted, Accepted)
        return accepted.message_id

    failed = ask()
    world.fail(begin(world, failed).ticket)
    begin(world, ask())
    again = world.step(lambda tx: doors.retry(tx, failed, admission, world.time(), actor="t"))
    assert isinstance(again, Accepted)
    assert [lane_of(world, again.message_id), world.message(again.message_id).key] == ["s\x1f2", "s"]
    world.fail(begin(world, again.message_id).ticket)
    alone = world.step(lambda tx: doors.retry(tx, again.message_id, Admission(1), world.time(), actor="t"))
    assert isinstance(alone, Accepted)
    assert lane_of(world, alone.message_id) == "s", "one at a time, in their order, from now on"


def test_a_child_that_is_made_while_its_session_is_paused_is_paused(world: World) -> None:
    world.send("other")
    world.pause("other", reason="of another")
    send(world)
    world.pause("s", reason="to look")
    send(world)
    pauses = [world.lane(key).pause for key in ("s\x1f1", "s\x1f2")]
    assert [pause and pause.reason for pause in pauses] == ["to look", "to look"]


def test_a_session_is_paused_resumed_and_acknowledged_with_its_children_and_no_other(world: World) -> None:
    for key in ("s", "s", "other"):
        send(world, key)
    world.pause("s")
    assert [world.lane(key).pause is not None for key in ("s", "s\x1f1", "s\x1f2", "other", "other\x1f1")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    world.pause("other")
    assert world.resume("s").applied
    assert [world.lane(key).pause is not None for key in ("s", "s\x1f2", "other", "other\x1f1")] == [
        False, False, True, True,
    ]  # fmt: skip


def test_F642_a_session_is_paused_as_a_whole_for_whatever_reason(world: World) -> None:
    begin(world, send(world))
    waiting = [send(world), world.send("s")]
    others = [send(world, "other"), world.send("other")]
    head = world.head(lane_of(world, waiting[0]))
    over = Exhausted(BudgetTerms("", HOUR, 1, None, None), Spent(1, 0, 0, world.time().wall + MINUTE))
    world.step(lambda tx: doors.refuse_over(tx, head, over, world.time()))
    waiting.append(send(world, width=9))
    assert [head.message_id for head in world.candidates()] == others
    lane = world.lane("s")
    assert (lane.run is not None, lane.pause and lane.pause.kind) == (True, PauseKind.BUDGET)
    lanes_agree(world)
    world.time.move(MINUTE)
    assert [head.message_id for head in world.candidates()] == sorted((*waiting, *others))
    begin(world, waiting[0])
    assert world.table("pauses") == [], "it is over"


def test_F642_a_dispatcher_is_told_of_every_head_of_a_session_that_is_resumed(world: World) -> None:
    waiting = {send(world), send(world), world.send("s")}
    send(world, "other")
    world.pause("s")
    (after,) = world.step(lambda tx: tx.rows("SELECT max(id) FROM events", {}))[0]
    assert world.resume("s").applied
    assert {each.message_id for each in world.store.read(reads.touched(after, after + 100))} == waiting
    assert len(world.store.read(reads.events(lane=world.lane("s").id, session=True, after=after))) == 1


def test_F642_a_dispatcher_is_told_of_every_head_of_a_session_that_one_of_its_runs_pauses(world: World) -> None:
    waiting = {send(world), send(world), world.send("s")}
    lanes = [lane for (lane,) in world.step(lambda tx: tx.rows("SELECT lane_id FROM messages", {}))]
    until = world.time().wall + MINUTE
    for lane in lanes:
        for free_at, change in (
            (
                until,
                lambda tx, lane: pause_lane(tx, lane, PauseKind.LOOP, world.time(), actor="t", reason="", until=until),
            ),
            (0, lambda tx, lane: end_pause(tx, lane, PauseKind.LOOP, world.time(), actor="t")),
        ):
            (after,) = world.step(lambda tx: tx.rows("SELECT max(id) FROM events", {}))[0]
            world.step(lambda tx, change=change, lane=lane: change(tx, lane))  # type: ignore[misc]
            told = world.store.read(reads.touched(after, after + 100))
            assert {(each.message_id, each.free_at) for each in told} == {(number, free_at) for number in waiting}


def test_F642_the_loop_guard_counts_and_pauses_a_session(world: World) -> None:
    def ask(key: str) -> None:
        new = NewMessage(key, request="{}", actor="t")
        admission = Admission(20, max_per_minute=3, concurrency=9)
        world.step(lambda tx: doors.enter_beside(tx, new, admission, world.time()))

    for key in ("s", "s", "other", "s"):
        ask(key)
    assert world.table("pauses") == []
    world.time.move(SECOND)
    ask("s")
    pause = world.lane("s").pause
    assert (pause and pause.kind, world.lane("other").pause) == (PauseKind.LOOP, None)
    assert {head.key for head in world.candidates()} == {"other"}


def test_F642_a_restored_session_waits_as_a_whole_under_its_key(world: World) -> None:
    for _ in range(2):
        begin(world, send(world))
    assert world.step(lambda tx: doors.restored(tx, world.time(), actor="t", epoch=9)) == ["s"]
    send(world, width=9)
    assert world.candidates() == []


def test_F643_what_a_session_used_is_what_all_its_runs_used(world: World) -> None:
    for claimed in [begin(world, send(world)) for _ in range(2)]:
        result = RunResult("", usage=RunUsage(10, 1, 100))
        assert world.step(doors.complete(claimed.ticket, result, world.time(), by="t")).applied
    send(world, "other")
    assert (world.lane("s").used, world.lane("other").used) == (RunUsage(20, 2, 200), None)
    by_cost = reads.lanes(LaneFilter(), order=LaneOrder(LaneSort.COST))
    assert [lane.key for lane in world.store.read(by_cost)] == ["s", "other"]


def test_F644_a_session_that_may_run_fewer_at_once_than_before_runs_no_more(world: World) -> None:
    claimed = [begin(world, send(world)) for _ in range(3)]
    world.complete(claimed[0].ticket)
    assert [lane_of(world, send(world, width=2)) for _ in range(3)] == ["s\x1f2", "s\x1f3", "s\x1f2"]
    world.complete(claimed[1].ticket)
    assert lane_of(world, send(world, width=3)) == "s\x1f1"


def test_F647_what_waits_anywhere_in_a_session_is_seen_of_the_session(world: World) -> None:
    """Also where the lane that is shown for it has nothing that waits, or another message than the one that counts."""
    world.send("runs")
    world.claim("runs")
    first = send(world, "runs")
    world.time.move(MINUTE)
    send(world, "runs")
    waits = send(world, "ran before")
    ran = begin(world, send(world, "ran before"))
    world.park(ran.ticket, MINUTE)
    for key, head, queued in (("runs", first, 2), ("ran before", waits, 2)):
        lane = world.lane(key)
        assert (lane.head_id, lane.queued, lane.open) == (head, queued, 3 if key == "runs" else 2)

    def chosen(typed: str = "", scope: Scope | None = None) -> set[str]:
        found = filters.chosen(typed, world.time().wall)._replace(abortable=scope)
        return {lane.key for lane in world.store.read(reads.lanes(found))}

    assert chosen("wait:>30s") == {"runs"}
    assert chosen("queue:>1") == {"runs", "ran before"}
    for scope in Scope:
        assert chosen(scope=scope) == {"runs", "ran before"}
    lanes_agree(world)
    met = world.store.read(reads.tally(LaneFilter(at=world.time().wall)))
    assert (met.runs, met.reruns, met.waiting) == (1, 1, 4)
    begin(world, first)
    met = world.store.read(reads.tally(LaneFilter(at=world.time().wall)))
    assert (met.runs, met.reruns, met.waiting) == (2, 1, 3), "as many as an abort ends"
    (runs, _) = sorted(world.store.read(reads.lane_groups(LaneFilter(), 1, {}, 9)), key=lambda group: -group.running)
    assert (runs.prefix, runs.running, runs.waiting) == ("runs", 1, 1)


def test_F648_what_is_only_for_an_idle_session_is_refused_while_anything_of_it_runs_or_waits(world: World) -> None:
    def ask(key: str = "s", **what: Any) -> object:
        new, admission = NewMessage(key, actor="t", **what), Admission(20, concurrency=3, if_idle=True)
        return world.step(doors.accept(new, admission, world.time()))

    claimed = begin(world, send(world))
    text, request = {"text": "hi"}, {"request": "{}"}
    assert [ask(**text), ask(**request)] == [Refusal.LANE_BUSY] * 2
    assert children_of(world, "s") == [("s\x1f1", 0)], "nothing was stored"
    assert isinstance(ask("other", **text), Accepted)
    world.complete(claimed.ticket)
    assert isinstance(ask(**text), Accepted)
    assert [ask(**text), ask(**request)] == [Refusal.LANE_BUSY] * 2


def test_F649_of_the_runs_of_a_session_the_one_that_is_silent_for_longest_is_shown(world: World) -> None:
    claimed = [begin(world, send(world)) for _ in range(3)]
    world.send("s")
    claimed.append(world.claim("s"))
    for silent in claimed:
        world.time.move(2 * MINUTE)
        world.beat(*(each.ticket for each in claimed if each is not silent))
        run = world.lane("s").run
        assert run is not None
        assert run.id == silent.ticket.run_id
        chosen = filters.chosen("silent:>1m", world.time().wall)
        assert [lane.key for lane in world.store.read(reads.lanes(chosen))] == ["s"]
        world.beat(*(each.ticket for each in claimed))
    run = world.lane("s").run
    assert run is not None
    assert run.id == claimed[0].ticket.run_id, "of those that are as good, the first one"


def test_F645_a_circle_of_waits_names_the_session_of_a_child(world: World) -> None:
    claimed, other = begin(world, send(world)), world.start("other")
    waiter = Waiter(other.ticket.run_id, PROCESS)
    assert isinstance(world.accept("other", waiting_run=claimed.ticket.run_id), Accepted)
    message = int(claimed.message.id)
    met = world.step(lambda tx: doors.begin_wait(tx, waiter, message, world.time()))
    assert met == WaitCircle(("other", "s", "other"))
    again = Waiter(claimed.ticket.run_id, PROCESS)
    mine = world.step(lambda tx: doors.begin_wait(tx, again, message, world.time()))
    assert mine == WaitCircle(("s", "s"))


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
    assert [refused(world, key) for key in ("s", "s\x1f1")] == [Repeated("aborted", 3, until)] * 2
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
    world.step(lambda tx: tx.run(further.MAKE_SESSION_LANE, {"key": "idle", "parent": None, "now": now}))
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
    for key in ("held", "errored\x1f1", "errored\x1f2", "idle"):
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
