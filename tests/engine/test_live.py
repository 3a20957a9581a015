"""Live runs: what the runner sees, what a heartbeat names, and which order to stop counts."""

import asyncio
import threading
from typing import Any

import pytest

from lanes.base.errors import Unfit
from lanes.engine.runs.live import REPLY_SO_FAR, ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.runs.streams import ReplyStream
from lanes.runners.base import Delta, Turn
from lanes.testing import SECOND, Hands
from lanes.text.chats import last_user_text
from lanes_storage import AsyncStore
from lanes_storage.law import Cause
from lanes_storage.records import AttemptPhase, Beat
from tests.kit.engine import active
from tests.kit.world import World


@pytest.fixture
async def run(world: World, astore: AsyncStore) -> ActiveRun:
    return active(world, astore, world.start("a", "hello"))


PARTS = [{"type": "text", "text": "in "}, {"type": "image"}, {"type": "text", "text": "parts"}]


def stop(kind: StopKind, message: str = "stop") -> Stop:
    return Stop(kind, Cause.ABORTED, message, 5 * SECOND, 0)


# ----------------------------------------------------------------------------------------- the runner


async def test_a_runner_sees_its_run(run: ActiveRun) -> None:
    assert (run.key, run.text, run.request) == ("a", "hello", None)
    assert run.id == run.epoch == run.ticket.run_id
    assert run.message.text == "hello"


async def test_the_text_of_a_request_is_its_last_user_message(world: World, astore: AsyncStore) -> None:
    world.send("a", None, request='{"messages": [{"role": "user", "content": "asked"}]}')
    run = active(world, astore, world.claim("a"))
    assert run.text == "asked"
    assert run.request == {"messages": [{"role": "user", "content": "asked"}]}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([{"role": "system", "content": "no"}], ""),
        ([{"role": "user", "content": "first"}, {"role": "assistant", "content": "no"}], "first"),
        ([{"role": "user", "content": "first"}, {"role": "user", "content": "last"}], "last"),
        ([{"role": "user", "content": PARTS}], "in parts"),
        ([{"role": "user", "content": None}], ""),
        (["no message"], ""),
        ([{"role": "user"}], ""),
        ([{"role": "user", "content": [3]}], ""),
        (None, ""),
    ],
)
def test_the_last_user_text(messages: object, text: str) -> None:
    assert last_user_text({"messages": messages}) == text


async def test_the_history_is_that_of_the_lane(world: World, astore: AsyncStore) -> None:
    world.complete(world.start("a", "1").ticket, "one")
    world.complete(world.start("a", "2").ticket, "two")
    run = active(world, astore, world.start("a", "3"))
    assert await run.history(1) == [Turn("2", "two")]
    assert await run.history(9) == [Turn("1", "one"), Turn("2", "two")]
    assert await run.history(0) == []


@pytest.mark.parametrize("number", [-1, 1.5, "1", 2**63])
async def test_F101_a_number_of_turns_that_is_none_is_refused(world: World, astore: AsyncStore, number: Any) -> None:
    run = active(world, astore, world.start("a", "1"))
    for asked in (run.history(number), run.conversation(number), run.recall(1, number), run.tell_from(number)):
        with pytest.raises(Unfit, match="must be a whole number"):
            await asked


# --------------------------------------------------------------------------------------- heartbeats


async def test_a_heartbeat_names_a_run_with_its_last_sign_of_life(run: ActiveRun, time: Hands) -> None:
    begun = time()
    assert run.beat() == Beat(run.ticket, "claimed", begun.boot, begun.wall, progress_slept_ms=begun.slept)
    now = time.move(SECOND)
    run.progress("tool:started")
    assert run.beat() == Beat(run.ticket, "tool:started", now.boot, now.wall, progress_slept_ms=now.slept)
    run.busy(2.5, "compiling")
    assert run.beat() == Beat(run.ticket, "compiling", now.boot, now.wall, now.boot + 2500, None, now.slept)
    run.progress("x" * 1000)
    assert len(run.beat().progress) == 200, "a row in the dashboard"


async def test_a_heartbeat_tells_the_end_of_what_was_said(run: ActiveRun) -> None:
    run.emit("Once")
    run.emit(Delta(" upon", {"content": " upon"}))
    assert run.beat().reply_so_far == "Once upon"
    run.discard()
    assert run.beat().reply_so_far is None, "another provider starts anew"
    run.emit("x" * 5000)
    run.emit("the end")
    said = run.beat().reply_so_far
    assert said is not None
    assert (len(said), said[-8:]) == (REPLY_SO_FAR, "xthe end")


async def test_what_a_caller_has_seen_is_not_taken_back(run: ActiveRun) -> None:
    run.stream = ReplyStream(lambda: None).begin()
    run.emit("Once")
    assert (await run.stream.listen().get()) == Delta("Once")
    run.discard()
    assert run.beat().reply_so_far == "Once"


async def test_the_live_set_knows_who_is_in_it(world: World, astore: AsyncStore) -> None:
    live = LiveSet()
    one, two = (active(world, astore, world.start(key)) for key in "ab")
    live.join(one)
    live.join(two)
    assert (len(live), live.of_runner("chat"), live.of_runner("coder")) == (2, 2, 0)
    assert live.get(one.id) is one
    assert [run.ticket for run in live.holding()] == [one.ticket, two.ticket]
    live.leave(one)
    live.leave(one)
    assert live.get(one.id) is None
    assert live.all() == [two]


async def test_a_run_that_was_tried_twice_leaves_once(world: World, astore: AsyncStore) -> None:
    """A claim that is rolled back and made again must not take the second one away."""
    live, claimed = LiveSet(), world.start("a")
    first, second = active(world, astore, claimed), active(world, astore, claimed)
    live.join(first)
    live.join(second)
    live.leave(first)
    assert live.all() == [second]


async def test_who_was_told_to_stop_is_known_until_it_leaves(world: World, astore: AsyncStore) -> None:
    live = LiveSet()
    early, late, other = (active(world, astore, world.start(key)) for key in "abc")
    early.order_stop(stop(StopKind.DRAIN))
    for run in (early, late, other):
        live.join(run)
    late.order_stop(stop(StopKind.ABORT))
    assert live.stopping() == [early, late]
    live.leave(early)
    live.stray(late)
    assert live.stopping() == []


async def test_a_run_that_was_tried_twice_is_not_told_to_stop_by_the_first(world: World, astore: AsyncStore) -> None:
    live, claimed = LiveSet(), world.start("a")
    first, second = active(world, astore, claimed), active(world, astore, claimed)
    live.join(first)
    first.order_stop(stop(StopKind.ABORT))
    live.join(second)
    assert live.stopping() == []


async def test_an_attempt_is_new_until_its_row_has_it(world: World, astore: AsyncStore) -> None:
    live, run = LiveSet(), active(world, astore, world.start("a"))
    live.join(run)
    first, second = (AttemptPhase(name, "idle_timeout", 30 * SECOND) for name in ("one", "two"))
    run.attempt(first)
    assert live.unseen(world.time()) == []  # it may be over at once
    assert live.unseen(world.time().later(SECOND)) == [run]
    run.beat()
    run.note_shown()
    assert live.unseen(world.time().later(SECOND)) == []
    run.attempt(second)
    assert live.unseen(world.time().later(SECOND)) == [run]
    live.leave(run)
    assert live.unseen(world.time().later(SECOND)) == []


# -------------------------------------------------------------------------------------------- orders


async def hang() -> None:
    await asyncio.Event().wait()


async def test_an_order_to_stop_cancels_the_body_from_any_thread(run: ActiveRun) -> None:
    body = asyncio.create_task(hang())
    run.attach(body)
    await asyncio.to_thread(run.order_stop, stop(StopKind.EXPIRE))
    with pytest.raises(asyncio.CancelledError):
        await body


@pytest.mark.parametrize("how", ["stop", "lose"])
async def test_an_order_that_came_before_the_body_is_passed_on(run: ActiveRun, how: str) -> None:
    if how == "stop":
        run.order_stop(stop(StopKind.ABORT))
    else:
        run.lose()
    body = asyncio.create_task(hang())
    run.attach(body)
    with pytest.raises(asyncio.CancelledError):
        await body


async def test_the_first_order_counts_and_an_abort_outranks(run: ActiveRun) -> None:
    assert run.order_stop(stop(StopKind.EXPIRE, "first"))
    assert not run.order_stop(stop(StopKind.DRAIN, "second"))
    assert run.stop is not None
    assert run.stop.message == "first"
    assert run.order_stop(stop(StopKind.ABORT, "abort"))
    assert not run.order_stop(stop(StopKind.ABORT, "again"))
    assert not run.order_stop(stop(StopKind.EXPIRE, "late"))
    assert run.stop.message == "abort"


async def test_a_lost_run_lets_go(run: ActiveRun) -> None:
    body = asyncio.create_task(hang())
    run.attach(body)
    await asyncio.to_thread(run.lose)
    await run.loss
    assert run.lost
    with pytest.raises(asyncio.CancelledError):
        await body


# -------------------------------------------------------------------------------------------- pieces


async def test_pieces_go_to_the_stream_from_any_thread(run: ActiveRun) -> None:
    run.stream = ReplyStream(lambda: None).begin()
    listener = run.stream.listen()
    run.emit("from the loop")
    thread = threading.Thread(target=run.emit, args=(Delta("from a thread"),))
    thread.start()
    thread.join()
    assert await listener.get() == Delta("from the loop")
    assert await listener.get() == Delta("from a thread")
    assert run.reached_caller


async def test_a_lost_run_reaches_nobody_any_more(run: ActiveRun) -> None:
    run.stream = ReplyStream(lambda: None).begin()
    run.lose()
    run.emit("too late")
    assert run.stream.piece(0) is None
    assert not run.reached_caller


async def test_pieces_that_nobody_saw_are_forgotten_before_another_attempt(run: ActiveRun) -> None:
    run.stream = ReplyStream(lambda: None).begin()
    run.emit("of the first provider")
    run.discard()
    run.emit("of the second")
    listener = run.stream.listen()
    assert await listener.get() == Delta("of the second")
    run.discard()
    assert run.stream.piece(0) == Delta("of the second"), "what reached the caller stays"
