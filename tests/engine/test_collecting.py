"""Mode ``collect``: when a batch is closed, and what a gateway makes of it. Mode ``interrupt`` beside it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import lanes
from lanes.config import Config, from_data
from lanes.engine.dispatch.collecting import FORGOTTEN_MS, LONGEST_MS, Debounce
from lanes.testing.moments import HOUR, START, Hands
from lanes_storage.clock import Now
from lanes_storage.law import MAX_BATCH, Cause, MessageState
from lanes_storage.records import WaitingMessage
from tests.kit.until import until

QUIET_MS = 500
LANE = 1


def texts(*accepted_at: int) -> list[WaitingMessage]:
    return [WaitingMessage(n, "text", None, None, None, at) for n, at in enumerate(accepted_at, 1)]


def over(debounce: Debounce, members: Sequence[WaitingMessage], now: Now) -> bool:
    return debounce.over(LANE, list(members), QUIET_MS, now)


def test_a_batch_is_closed_when_it_was_quiet_for_long_enough() -> None:
    time, debounce = Hands(), Debounce()
    members = texts(START.wall)
    assert not over(debounce, members, time())
    assert not over(debounce, members, time.move(QUIET_MS - 1))
    assert over(debounce, members, time.move(1))


def test_each_further_text_begins_the_quiet_anew() -> None:
    time, debounce = Hands(), Debounce()
    assert not over(debounce, texts(START.wall), time())
    time.move(QUIET_MS - 1)
    grown = texts(START.wall, time().wall)
    assert not over(debounce, grown, time())
    assert not over(debounce, grown, time.move(QUIET_MS - 1))
    assert over(debounce, grown, time.move(1))


def test_however_much_keeps_coming_the_first_does_not_wait_for_ever() -> None:
    time, debounce = Hands(), Debounce()
    accepted = [START.wall]
    while not over(debounce, texts(*accepted), time()):
        accepted.append(time.move(QUIET_MS - 1).wall)
    assert time().mono - START.mono >= LONGEST_MS
    assert time().mono - START.mono < LONGEST_MS + QUIET_MS


def test_a_full_batch_is_closed_at_once() -> None:
    assert over(Debounce(), texts(*[START.wall] * MAX_BATCH), START)


def test_what_waited_behind_a_run_is_not_kept_waiting_again() -> None:
    time = Hands()
    accepted = time().wall
    time.move(10_000)
    assert over(Debounce(), texts(accepted), time())


def test_a_wall_clock_that_goes_back_an_hour_keeps_nothing_waiting() -> None:
    time, debounce = Hands(), Debounce()
    members = texts(START.wall)
    time.jump_wall(-HOUR)
    assert not over(debounce, members, time())
    assert over(debounce, members, time.move(QUIET_MS))


def test_a_lane_that_was_claimed_begins_anew_and_many_are_forgotten() -> None:
    time, debounce = Hands(), Debounce()
    ahead = time.jump_wall(-HOUR)  # so that only what was seen counts
    members = texts(START.wall)
    over(debounce, members, ahead)
    debounce.forget(LANE, ahead)
    assert not over(debounce, members, time.move(QUIET_MS - 1))
    for lane in range(2_000):
        debounce.over(lane, members, QUIET_MS, time())
    debounce.forget(LANE, time.move(FORGOTTEN_MS))
    assert not over(debounce, members, time()), "what was seen long ago is not held to be quiet since"


def configured(mode: str) -> Config:
    return from_data({"queue": {"mode": mode, "debounce": "20ms", "on_interrupt": "requeue"}})


async def test_a_gateway_answers_what_waits_in_one_run(tmp_path: Path) -> None:
    asked: list[str] = []
    release = asyncio.Event()

    async def runner(run: lanes.RunContext) -> str:
        asked.append(run.text)
        await release.wait()
        return f"answer {len(asked)}"

    async with (
        lanes.connect(str(tmp_path / "lanes.db"), config=configured("collect")) as desk,
        lanes.Gateway(desk, runner),
    ):
        first = await desk.send("a", "one")
        await until(lambda: asked, "the first run")
        others = [await desk.send("a", text) for text in ("two", "three")]
        release.set()
        ended = [await desk.wait(message.id) for message in (first, *others)]
    assert asked == ["one", "two\n\nthree"]
    assert [m.reply for m in ended] == ["answer 1", "answer 2", "answer 2"]
    assert [m.answered_by for m in ended] == [None, others[-1].id, None]


async def test_a_gateway_makes_way_for_the_newest(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def runner(run: lanes.RunContext) -> str:
        if run.text == "newest":
            return "answered"
        started.set()
        await asyncio.Event().wait()
        return "never"

    async with (
        lanes.connect(str(tmp_path / "lanes.db"), config=configured("interrupt")) as desk,
        lanes.Gateway(desk, runner),
    ):
        first = await desk.send("a", "first")
        await started.wait()
        newest = await desk.send("a", "newest")
        assert (await desk.wait(newest.id)).reply == "answered"
        cut = await desk.message(first.id)
    assert cut.error is not None
    assert (cut.state, cut.error.cause) == (MessageState.ABORTED, Cause.INTERRUPTED_BY_NEWER)
