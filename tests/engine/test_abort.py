"""The abort procedure: every outcome, proven by the row, on a real file and on clocks that are moved by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from lanes.base.errors import NotAllowed, NotFound
from lanes.base.procedure import run
from lanes.context import Context
from lanes.host.identity import this_process
from lanes.records import AbortResult, Message, Outcome
from lanes.testing import HOUR, MINUTE, SECOND, Hands
from lanes.verbs import control, sending
from lanes.verbs.messages import messages
from lanes.verbs.queries import show
from lanes.verbs.system import events
from lanes.verbs.verb import Verb
from lanes_storage import Store, doors
from lanes_storage.law import Cause, Edge, LaneState, MessageState, Scope
from lanes_storage.records import Admission, Claimed, NewMessage, NewQuestion
from tests.kit.judged import NOBODY
from tests.kit.world import TERMS, World

GRACE = TERMS.abort_grace_ms


class Caller:
    """Runs the procedure; ``meanwhile`` is what others do when it naps first."""

    def __init__(self, store: Store, time: Hands) -> None:
        self._store = store
        self._time = time
        self.meanwhile: Callable[[], object] = lambda: None

    def abort(self, key: str = "a", **more: Any) -> AbortResult:
        def sleep(seconds: float) -> None:
            self._time.move(max(1, round(seconds * 1000)))
            act, self.meanwhile = self.meanwhile, lambda: None
            act()

        ctx = Context(more.pop("actor", "alice"), self._time)
        return run(self._store, control.abort(ctx, key, **more), self._time, sleep)


@pytest.fixture
def caller(store: Store, time: Hands) -> Caller:
    return Caller(store, time)


def of_a_dead_process(world: World) -> int:
    """An owner whose process is provably gone."""
    me = this_process()
    return world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=NOBODY, start_time=1)


def confirm(world: World, claimed: Claimed) -> Callable[[], object]:
    """The owner stops the run and says so."""
    return lambda: world.abort(claimed.ticket)


def test_an_owner_that_confirms_has_released_the_lane(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    caller.meanwhile = confirm(world, claimed)
    result = caller.abort(reason="stuck")
    epoch = claimed.ticket.epoch
    assert (result.outcome, result.run_id, result.dropped) == (Outcome.RELEASED, claimed.ticket.run_id, 0)
    assert (result.epoch_before, result.epoch_after) == (epoch, epoch)
    assert world.state("a") is LaneState.ABORTED


def test_an_owner_that_does_not_answer_is_superseded_after_the_grace(caller: Caller, world: World, time: Hands) -> None:
    claimed, begun = world.start("a"), time().mono
    result = caller.abort()
    assert result.outcome is Outcome.FORCED
    assert result.epoch_after > result.epoch_before
    assert GRACE <= time().mono - begun < GRACE + SECOND
    assert GRACE / 1000 <= result.waited_s < GRACE / 1000 + 1
    row = world.run(claimed.ticket)
    assert (row.edge, row.forced, row.ended_by) == (Edge.ABORT, True, "alice")
    assert not world.complete(claimed.ticket, "the ghost's").applied
    assert world.run(claimed.ticket).refused_writes == 1


@pytest.mark.parametrize(("more", "grace"), [({"force": True}, 0), ({"grace": 700}, 700)], ids=["force", "grace"])
def test_another_grace_can_be_asked_for(
    caller: Caller, world: World, time: Hands, more: dict[str, Any], grace: int
) -> None:
    world.start("a")
    begun = time().mono
    assert caller.abort(**more).outcome is Outcome.FORCED
    assert grace <= time().mono - begun <= grace + 250


def test_a_dead_owner_is_repaired_at_once(caller: Caller, world: World, time: Hands) -> None:
    claimed, begun = world.start("a", owner=of_a_dead_process(world)), time()
    result = caller.abort()
    assert result.outcome is Outcome.REPAIRED
    assert result.epoch_after > result.epoch_before
    assert time() == begun
    assert world.message(claimed.message.id).state is MessageState.ABORTED, "never a rerun"


def test_an_owner_that_has_ended_is_repaired_at_once(caller: Caller, world: World) -> None:
    other = world.owner(pid=4712)
    world.start("a", owner=other)
    world.end_owner(other)
    assert caller.abort().outcome is Outcome.REPAIRED


def test_a_run_that_its_owner_disowns_is_repaired_at_once(caller: Caller, world: World) -> None:
    world.start("a")
    world.beat()
    world.beat()
    assert caller.abort().outcome is Outcome.REPAIRED


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wall_clock_that_jumps_changes_no_grace(caller: Caller, world: World, time: Hands, jump: int) -> None:
    world.start("a")
    begun = time().mono
    caller.meanwhile = lambda: time.jump_wall(jump)
    assert caller.abort().outcome is Outcome.FORCED
    assert GRACE <= time().mono - begun < GRACE + SECOND


def test_an_idle_lane_is_not_held(caller: Caller, world: World) -> None:
    world.complete(world.start("a").ticket)
    result = caller.abort()
    assert (result.outcome, result.epoch_before, result.run_id) == (Outcome.NOT_HELD, 1, None)


def test_a_lane_that_moved_on_is_changed_and_untouched(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    result = caller.abort(epoch=claimed.ticket.epoch + 1)
    assert result.outcome is Outcome.CHANGED
    assert world.run(claimed.ticket).abort_at is None


def test_what_waits_is_cleared_where_nothing_runs(caller: Caller, world: World) -> None:
    world.send("a", "1")
    world.send("a", "2")
    assert caller.abort().outcome is Outcome.NOT_HELD, "what waits is kept unless the scope says so"
    result = caller.abort(scope=Scope.QUEUE)
    assert (result.outcome, result.dropped) == (Outcome.CLEARED, 2)


def test_a_head_that_ran_before_is_cleared(caller: Caller, world: World) -> None:
    message = world.interrupted("a", 1)
    result = caller.abort()
    assert (result.outcome, result.dropped) == (Outcome.CLEARED, 1)
    assert world.message(message).state is MessageState.ABORTED


def test_both_ends_the_run_and_what_waits(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    world.send("a", "waits")
    caller.meanwhile = confirm(world, claimed)
    result = caller.abort(scope=Scope.BOTH)
    assert (result.outcome, result.dropped) == (Outcome.RELEASED, 1)
    assert world.lane("a").queued == 0


def test_what_waits_runs_on_and_the_outcome_is_that_of_the_aborted_run(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    waits = world.send("a", "waits")

    def confirmed_and_gone_on() -> None:
        world.abort(claimed.ticket)
        world.claim("a")

    caller.meanwhile = confirmed_and_gone_on
    result = caller.abort()
    assert (result.outcome, result.epoch_after) == (Outcome.RELEASED, claimed.ticket.epoch)
    assert world.message(waits).state is MessageState.RUNNING


def test_a_run_that_had_ended_well_meanwhile_is_aborted_all_the_same(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    caller.meanwhile = lambda: world.complete(claimed.ticket, "a moment too late")
    assert caller.abort().outcome is Outcome.RELEASED
    assert world.message(claimed.message.id).state is MessageState.ABORTED
    assert world.run(claimed.ticket).late_reply == "a moment too late"


def test_a_caller_that_does_not_wait_leaves_a_request_that_stands(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    result = caller.abort(wait=False, cause=Cause.INTERRUPTED_BY_NEWER)
    assert (result.outcome, result.survivors) == (Outcome.PENDING, None)
    assert world.run(claimed.ticket).abort_cause is Cause.INTERRUPTED_BY_NEWER


def test_a_caller_whose_patience_runs_out_leaves_a_request_that_stands(caller: Caller, world: World) -> None:
    claimed = world.start("a")
    result = caller.abort(timeout=1_000)
    assert result.outcome is Outcome.PENDING
    assert result.waited_s == pytest.approx(1.0, abs=0.3)
    assert world.run(claimed.ticket).abort_at is not None
    assert caller.abort(force=True).outcome is Outcome.FORCED, "a second call hurries the first"


def test_a_lane_that_is_not_there_is_told(caller: Caller) -> None:
    with pytest.raises(NotFound):
        caller.abort("none")


# ------------------------------------------------------------------------------------------ sessions


def session_of_three(world: World) -> list[Claimed]:
    """Two requests of a session, which run on child lanes, and a text, which runs on the lane of the session itself."""
    request = NewMessage("a", None, request='{"messages": []}', actor="sender")
    for _ in range(2):
        world.step(lambda tx: doors.enter_beside(tx, request, Admission(20, concurrency=3), world.time()))
    world.send("a", "a text")
    return [world.claim(key) for key in ("a\x1f1", "a\x1f2", "a")]


def states_of(world: World, claimed: list[Claimed]) -> set[MessageState]:
    return {world.message(each.message.id).state for each in claimed}


def test_F621_an_abort_of_a_session_ends_what_runs_on_its_own_lane_too(caller: Caller, world: World) -> None:
    claimed = session_of_three(world)
    assert world.lane("a").open == 3
    result = caller.abort()
    assert (result.key, result.outcome) == ("a", Outcome.FORCED)
    assert states_of(world, claimed) == {MessageState.ABORTED}
    assert caller.abort().outcome is Outcome.NOT_HELD


def test_F621_an_epoch_names_one_run_of_a_session(caller: Caller, world: World) -> None:
    claimed = session_of_three(world)
    for number, each in enumerate(claimed, 1):
        assert caller.abort(epoch=each.ticket.epoch, force=True).outcome is Outcome.FORCED
        assert states_of(world, claimed[:number]) == {MessageState.ABORTED}
        assert states_of(world, claimed[number:]) <= {MessageState.RUNNING}
    assert caller.abort(epoch=4_711).outcome is Outcome.CHANGED


def test_F621_who_asks_again_waits_for_every_run_of_a_session(caller: Caller, world: World) -> None:
    claimed = session_of_three(world)
    first = caller.abort(wait=False)
    assert first.outcome is Outcome.PENDING
    assert caller.abort(run_id=first.run_id, timeout=0).outcome is Outcome.PENDING
    stopped = next(each for each in claimed if each.ticket.run_id == first.run_id)
    world.abort(stopped.ticket)
    assert caller.abort(run_id=first.run_id, timeout=0).outcome is Outcome.PENDING, "two of them still run"
    assert caller.abort(run_id=first.run_id, epoch=stopped.ticket.epoch).outcome is Outcome.RELEASED
    assert caller.abort(run_id=first.run_id).outcome is Outcome.FORCED
    assert states_of(world, claimed) == {MessageState.ABORTED}


def test_F625_whichever_lane_of_a_session_asks_the_session_is_answered(world: World, store: Store) -> None:
    claimed, ctx = session_of_three(world), Context("sender", world.time)

    def answer(text: str, question: str | None = None) -> Message:
        effect = sending.answer.of(ctx, {"key": "a", "text": text, "question": question})
        return run(store, effect, world.time, lambda _: None)

    with pytest.raises(NotAllowed, match="has no open question"):
        answer("to nothing")
    for number, each in enumerate(claimed):
        new = NewQuestion(f"q{number}", "Which?", MINUTE)
        assert world.step(lambda tx, each=each, new=new: doors.ask(tx, each.ticket, new, world.time(), by="run"))  # type: ignore[misc]
    assert answer("the second", "q1").key == "a"
    answer("the first")
    answer("the third")
    with pytest.raises(NotAllowed, match="of lane 'a' has its answer"):
        answer("one too many")
    taken = [
        world.step(lambda tx, n=n, each=each: doors.take_answer(tx, each.ticket, f"q{n}", world.time(), by="run"))  # type: ignore[misc]
        for n, each in enumerate(claimed)
    ]
    assert [each and each.text for each in taken] == ["the first", "the second", "the third"]


def test_F621_the_messages_and_the_journal_of_a_session_are_those_of_all_its_lanes(world: World, store: Store) -> None:
    claimed, ctx = session_of_three(world), Context("alice", world.time)
    other = world.start("other")
    numbers = sorted((each.message.id for each in claimed), reverse=True)

    def call(verb: Verb[..., Any], **given: Any) -> Any:
        return run(store, verb.of(ctx, given), world.time, lambda _: None)

    assert [each.id for each in call(messages, key="a")] == numbers
    told = call(events, key="a")
    assert {(each.key, each.message_id) for each in told} == {("a", number) for number in numbers}
    assert [each.id for each in told] == sorted(each.id for each in told)
    assert call(events, key="a", after=told[2].id, limit=2) == told[3:5]
    assert call(events, key="a", before=told[-1].id, limit=2) == told[-3:-1]
    shown = call(show, key="a")
    assert [each.id for each in shown.messages] == numbers
    assert shown.events == tuple(told)
    assert [each.id for each in call(messages, key="other")] == [other.message.id]
    assert {each.key for each in call(events)} == {"a", "other", None}
