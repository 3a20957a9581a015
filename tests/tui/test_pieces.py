"""Small pieces of the screens by themselves: groups of events, bars, trends, and how times are written."""

import json
from pathlib import Path

import pytest

from lanes.records import Event, Lane, Liveness, Message, RunProcess, Status
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import AttemptPhase, ProviderAttempt
from lanes_tui.display import words
from lanes_tui.display.coalescing import coalesced, single
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line, message_line, message_whole, process_lines
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.source import AsOf
from lanes_tui.widgets.bars import ClockBar, abreast, clocks, stacked
from lanes_tui.widgets.timeline import timeline
from lanes_tui.widgets.trends import QUEUE, Trends
from tests.golden.rows import LANES, ME, NOW, message
from tests.pictures.scene import NIGHT, stage


def event(
    number: int,
    type_: str = "fail",
    key: str | None = "a",
    cause: str | None = None,
    detail: dict[str, object] | None = None,
    actor: str = "owner:1",
) -> Event:
    return Event(number, number, type_, key, None, "errored", None, None, None, actor, cause, detail or {})


def test_the_line_of_an_event_that_comes_from_a_provider_names_that_once() -> None:
    detail: dict[str, object] = {"provider": "sim", "message": "too many"}
    for actor, said in (("provider", " → errored provider sim, too many"), ("bob", " bob provider sim, too many")):
        line = event_line(event(1, "cooldown", None, detail=detail, actor=actor), ViewedAt(NIGHT.wall, 0))
        assert line.plain.endswith(said)


def test_only_many_of_the_same_near_each_other_are_told_together() -> None:
    events = [event(1, "claim"), *(event(n, key=f"k{n % 3}") for n in range(2, 7)), event(7, cause="ghost"), event(8)]
    groups = coalesced(events)
    assert [len(group.events) for group in groups] == [1, 6, 1]
    assert groups[1].lanes == 4
    assert (groups[1].first.id, groups[1].last.id) == (2, 8)
    assert sorted((each for group in groups for each in group.events), key=lambda each: each.id) == events
    assert len(single(events)) == len(events)


@pytest.mark.parametrize(
    ("spent", "limit", "full", "tone"), [(0, 100, 0, "good"), (60, 100, 6, "warn"), (250, 100, 10, "bad")]
)
def test_a_bar_is_as_full_as_its_limit_is_used(spent: int, limit: int, full: int, tone: str) -> None:
    clock = ClockBar("run", spent * 1000, limit * 1000)
    assert clock.tone == tone
    line = stacked([clock], 6 + 2 + len(clock.label()) + 10)[0].plain
    assert (line.count("━"), line.count("─")) == (full, 10 - full)


def test_a_clock_without_a_limit_is_never_used_up() -> None:
    clock = ClockBar("run", 10**9, None)
    assert clock.tone == "good"
    assert "no limit" in clock.label()


def test_the_clock_of_an_attempt_stands_for_the_stall_clock_while_it_acts_first() -> None:
    lane, eye = LANES["held, run plain"], Liveness(NOW, ME)
    assert [clock.name for clock in clocks(Lane.of(lane, eye), None, ViewedAt(0, 0))] == ["run", "stall", "beat"]
    assert lane.run is not None
    phase = AttemptPhase("main", "first_byte_timeout", 45_000, 1, 2, "backup", 55_000, NOW.wall, NOW.boot, NOW.slept)
    asking = Lane.of(lane._replace(run=lane.run._replace(attempt=phase)), eye)
    clock = next(each for each in clocks(asking, None, ViewedAt(0, 13_000)) if each.name == "asks")
    assert clock.label() == "13 s of 45 s, first_byte_timeout of main (1 of 2), then backup"


def test_a_message_tells_what_was_asked_which_tools_are_called_and_who_answered_after_whom() -> None:
    detail = {"provider": "backup", "model": "gpt-x", "message": {"tool_calls": [{"function": {"name": "search"}}]}}
    row = message(
        text=None,
        request='{"messages": [{"role": "user", "content": "where is it?"}]}',
        state=MessageState.DONE,
        reply="",
        reply_detail=json.dumps(detail),
        attempts=(ProviderAttempt("main", "first_byte_timeout", "no content within 45s", NOW.wall),),
        position=None,
    )
    line = message_line(Message.of(row), ViewedAt(NOW.wall, 0)).plain
    assert "where is it?" in line
    assert "by backup, after main (first_byte_timeout): calls search" in line
    whole = "\n".join(each.plain for each in message_whole(Message.of(row), ViewedAt(NOW.wall, 0)))
    for part in ("(a chat request)", "where is it?", "by backup, after main", "model gpt-x", "no content within 45s"):
        assert part in whole


@pytest.mark.parametrize("width", [8, 40, 77, 150])
def test_clocks_abreast_never_take_more_than_their_line(width: int) -> None:
    shown = [
        ClockBar("run", 252_000, 300_000),
        ClockBar("stall", 1_000, 120_000, "content"),
        ClockBar("beat", 1_000, 30_000),
    ]
    line = abreast(shown, width)
    assert line.cell_length <= max(width, 44)
    assert "4m/5m" in line.plain


async def _status(path: Path) -> AsOf[Status]:
    clock = stage(path)
    source = FileSource(str(path), actor="a", clock=clock)
    try:
        return await source.status()
    finally:
        await source.close()


async def test_F605_trends_are_five_minutes_from_zero_and_failures_a_minute(tmp_path: Path) -> None:
    status = (await _status(tmp_path / "lanes.db")).record

    def then(running: int, letters: int = 0) -> Status:
        counts = status.counts.replace(lanes={"running": running, "errored": 0})
        messages = counts.messages.replace(queued=7, dead_letters=letters)
        return status.replace(counts=counts.replace(messages=messages))

    trends = Trends()
    assert trends.sparks() == {}
    for place, running in enumerate((90, 100, 90, 0)):
        at = NIGHT.later(place * 30_000)
        trends.add(AsOf(at, then(running)))
        trends.add(AsOf(at.later(10), then(running // 2)))
    sparks = trends.sparks()
    assert sparks[LaneState.RUNNING].plain == "▇█▇▁", "a tenth less is not drawn as nothing"
    assert sparks[QUEUE].plain == "████"
    assert LaneState.ERRORED not in sparks, "what was zero all along is not drawn"
    for place in range(40):
        trends.add(AsOf(NIGHT.later(place * 30_000), then(1)))
    assert len(trends.sparks()[QUEUE].plain) == 10
    later = NIGHT.later(3_600_000)
    for second, letters in ((0, 3), (10, 5), (20, 4), (30, 9)):
        trends.add(AsOf(later.later(second * 1000), then(1, letters)))
    assert trends.failures() == "7 failed in 30s", (
        "what failed before it was looked again may be long ago, and more may have since"
    )
    assert trends.sparks()[QUEUE].plain == "██", "those of an hour ago are none of the last five minutes"
    trends.add(AsOf(later.later(75_000), then(1, 9)))
    assert trends.failures() == "5 failed/min", "those of the last minute"
    trends.add(AsOf(later.later(200_000), then(1, 9)))
    assert trends.failures() == ""


def test_times_of_another_day_have_their_date() -> None:
    sight = ViewedAt(NIGHT.wall, 0)
    assert sight.moment(NIGHT.wall) == "14:02:07"
    assert sight.moment(NIGHT.wall - 86_400_000) == "Sep 20 14:02:07"
    assert words.zoned(NIGHT.wall) == "14:02:07Z"


def test_ages_grow_from_the_moment_of_reading() -> None:
    sight = ViewedAt.of(NIGHT, NIGHT.later(5_000))
    assert sight.age(1_000) == 6_000
    assert sight.left(1_000) == -4_000
    assert sight.left(None) is None


@pytest.mark.parametrize(("count", "said"), [(1, "once"), (2, "2 times"), (2_000, "2,000 times")])
def test_how_often_is_told_in_words(count: int, said: str) -> None:
    assert words.times(count) == said


def test_the_last_runs_of_a_lane_are_bars_on_one_scale() -> None:
    at = NOW.wall
    rows = [
        message(id=1, state=MessageState.DONE, reply="x", accepted_at=at - 100_000, started_at=at - 100_000,
                ended_at=at - 50_000, position=None),
        message(id=2, state=MessageState.RUNNING, accepted_at=at - 80_000, started_at=at - 50_000, ended_at=None,
                position=None),
        message(id=3, state=MessageState.QUEUED, accepted_at=at, started_at=None, ended_at=None, position=1),
    ]  # fmt: skip
    lines = [line.plain for line in timeline([Message.of(row) for row in rows], at, 8 + 34 + 20)]
    assert lines[0].startswith("#1      ━━━━━━━━━━━")
    assert lines[0].endswith("✔ 50 s")
    assert lines[1].startswith("#2          ┄┄┄┄┄┄━━━━━━━━━━")
    assert lines[1].endswith("▶ 50 s, waited 30 s")
    assert len(lines) == 2
    assert timeline([], at, 80) == []


def test_a_message_that_ran_before_and_waits_again_is_drawn_as_waiting() -> None:
    at = NOW.wall
    tried = (ProviderAttempt("codex", "rate_limited", "429", at - 25_000),)
    row = message(
        id=1, state=MessageState.QUEUED, accepted_at=at - 50_000, started_at=at - 49_000, ended_at=None, position=1,
        attempts=tried,
    )  # fmt: skip
    (line,) = timeline([Message.of(row)], at, 8 + 34 + 20)
    assert line.plain == f"#1      {'┄' * 10}×{'┄' * 9} ·, waited 50 s"


def test_the_processes_of_a_run_are_counted_where_there_is_no_room_for_all() -> None:
    tree = [
        RunProcess(100 + n, n, "sh", f"sh -c \x1b[2J{n}", 8_000, 20, 14_000_000, "a pipe" if n else None)
        for n in range(6)
    ]
    sight = ViewedAt(NOW.wall, 1_000)
    whole = [line.plain for line in process_lines(tree, sight, 8)]
    assert len(whole) == 7
    assert whole[1].split() == ["9", "s", "20", "ms", "14", "MB", "100", "sh", "-c", "\\x1b[2J0"]
    assert whole[2].endswith("    101 sh -c \\x1b[2J1  waits for a pipe".removeprefix("  "))
    few = [line.plain for line in process_lines(tree, sight, 5)]
    assert few[:4] == whole[:4]
    assert few[4].strip() == "and 3 more"
    assert process_lines([], sight, 5) == []
