"""Sessions with child lanes do not concern each other, whichever of them is the first in the database."""

from typing import Any

import pytest

from lanes.testing import HOUR
from lanes_storage import doors
from lanes_storage.doors import Accepted, Refusal, WaitCircle
from lanes_storage.law import BoundTo, OnSurvivors, PauseKind, RunnerKind
from lanes_storage.records import Admission, BudgetTerms, Claimed, NewMessage, Waiter
from tests.kit.world import PROCESS, TERMS, World
from tests.storage.test_children import begin, lane_of, send
from tests.storage.test_pauses import pause_matching


@pytest.mark.parametrize(("pattern", "left"), [("first", "second"), ("second", "first")])
def test_a_glob_pauses_the_child_lanes_of_what_fits_and_no_other(world: World, pattern: str, left: str) -> None:
    sent = {key: send(world, key, bound_to=BoundTo.CLIENT, bound_owner=world.me) for key in ("first", "second")}
    heads, now = {head.key: head for head in world.candidates()}, world.time()
    assert {key: head.message_id for key, head in heads.items()} == sent
    pause_matching(world, pattern)
    assert [head.key for head in world.candidates()] == [left]
    bound = world.step(lambda tx: doors.candidates(tx, world.me, now, bound_only=True))
    assert [(head.key, head.message_id) for head in bound] == [(left, sent[left])]
    claimed = {key: world.try_claim(head) for key, head in heads.items()}
    assert {key: each and each.message.key for key, each in claimed.items()} == {pattern: None, left: left}


def test_only_what_runs_or_waits_in_the_session_makes_it_busy(world: World) -> None:
    def ask(key: str) -> object:
        return world.step(
            doors.accept(NewMessage(key, actor="t", text="hi"), Admission(20, if_idle=True), world.time())
        )

    world.complete(world.start("first").ticket)
    begin(world, send(world, "second"))
    assert ask("second") is Refusal.LANE_BUSY
    assert isinstance(ask("first"), Accepted)
    world.complete(world.start("third").ticket)
    assert isinstance(ask("third"), Accepted), "the first one has something that waits by now"


def test_each_session_has_its_own_guard_against_loops(world: World) -> None:
    def ask(key: str) -> None:
        admission = Admission(20, max_per_minute=2, concurrency=9)
        world.step(lambda tx: doors.enter_beside(tx, NewMessage(key, request="{}", actor="t"), admission, world.time()))

    world.send("second")  # on its own lane
    for key, more in (("first", 2), ("second", 1), ("third", 2)):
        for _ in range(more):
            ask(key)
        assert world.lane(key).pause is None
        ask(key)
        pause = world.lane(key).pause
        assert pause is not None
        assert pause.kind is PauseKind.LOOP
    ask("fourth")
    assert world.lane("fourth").pause is None


def test_a_session_is_resumed_once_nothing_of_it_survives_whatever_survives_elsewhere(world: World) -> None:
    def prove(claimed: Claimed) -> None:
        run = claimed.ticket.run_id
        world.step(lambda tx: doors.note_survivors(tx, run, (), world.time(), by="tester"))

    def paused() -> list[str]:
        return [key for key in ("first", "second") if world.lane(key).pause is not None]

    terms = TERMS._replace(on_survivors=OnSurvivors.PAUSE)
    sent = [send(world, "first"), send(world, "second"), world.send("second")]
    first, second, own = (
        world.claim(lane_of(world, message), kind=RunnerKind.COMMAND, runner="coder", terms=terms) for message in sent
    )
    for claimed in (first, second, own):
        world.reclaim(claimed.ticket)
    assert paused() == ["first", "second"]
    prove(second)
    assert paused() == ["first", "second"]
    prove(own)
    assert paused() == ["first"]
    prove(first)
    assert paused() == []


def test_what_the_own_budget_of_a_session_counts_no_more_is_forgotten(world: World) -> None:
    world.send("first")
    world.send("second")
    own = BudgetTerms("", HOUR, 2, 1_000, 5_000_000)
    lanes = [world.lane(key).id for key in ("first", "second")]
    for _ in range(2):
        for lane in lanes:
            world.step(lambda tx, lane=lane: doors.spend(tx, lane, [own], world.time(), runs=1))  # type: ignore[misc]
        assert len(world.table("spent")) == 2
        world.time.move(3 * HOUR)


def test_a_message_of_a_child_lane_is_retried_in_its_session(world: World) -> None:
    send(world, "first")
    new, admission = NewMessage("second", request='{"messages": []}', actor="t"), Admission(1, concurrency=2)
    failed: Any = world.step(lambda tx: doors.enter_beside(tx, new, admission, world.time()))
    world.fail(begin(world, failed.message_id).ticket)
    again: Any = world.step(lambda tx: doors.retry(tx, failed.message_id, admission, world.time(), actor="t"))
    assert world.message(again.message_id).key == "second"


def test_a_circle_of_waits_over_several_lanes_names_the_session_of_each_child(world: World) -> None:
    send(world, "first")
    home, between, child = world.start("home"), world.start("between"), begin(world, send(world, "second"))
    waits = {between: child, child: home}
    for waiting, wanted in waits.items():
        waiter, message = Waiter(waiting.ticket.run_id, PROCESS), wanted.message.id
        assert not isinstance(
            world.step(lambda tx, waiter=waiter, message=message: doors.begin_wait(tx, waiter, message, world.time())),  # type: ignore[misc]
            WaitCircle,
        )
    waiter = Waiter(home.ticket.run_id, PROCESS)
    met = world.step(lambda tx: doors.begin_wait(tx, waiter, between.message.id, world.time()))
    assert met == WaitCircle(("home", "between", "second", "home"))
