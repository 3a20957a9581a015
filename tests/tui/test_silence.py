"""Silence is the headline: what shows no progress stands above what streams, is counted, filtered and rung for."""

from pathlib import Path

import pytest

from lanes.records import Silence, Silences
from lanes.testing import HOUR, MINUTE, SECOND, START, Hands
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import AttemptPhase, Beat, Claimed, LaneOrder, LaneSort, Terms
from lanes_tui.display.settings import Settings, load
from lanes_tui.lanes.alarm import APART_MS, SilenceAlarm
from lanes_tui.screens.owners import OwnersScreen
from tests.kit import crowd
from tests.kit.stage import TERMS, Stage
from tests.tui.driving import Drive, Driver, dashboard

#: So long that no machine is too slow: what streams when the test begins is not silent when it ends.
LONG = TERMS._replace(run_timeout_ms=10 * HOUR, stall_timeout_ms=HOUR)


def hold(stage: Stage, keys: list[str], owner: int, ago_ms: int, terms: Terms = TERMS) -> list[Claimed]:
    """Lanes that are held since so long, with nobody waiting behind them."""
    began = system_clock().later(-ago_ms)
    return stage.store.write(lambda tx: [crowd.hold(tx, key, owner, began, terms) for key in keys])


def stream(stage: Stage, owner: int, claimed: list[Claimed]) -> None:
    """Let the owner's heartbeat tell of content that came just now."""
    now = system_clock()
    stage.store.write(doors.heartbeat(owner, [Beat(one.ticket, "content", now.boot, now.wall) for one in claimed], now))


def asks(claimed: Claimed, since_ms: int, limit_ms: int) -> Beat:
    """What a heartbeat tells of a run that has asked a provider since so long."""
    at = system_clock().later(-since_ms)
    phase = AttemptPhase("main", "first_byte_timeout", limit_ms, 1, 2, "backup", 0, at.wall, at.boot, at.slept)
    return Beat(claimed.ticket, "model_call:started", at.boot, at.wall, attempt=phase)


def ask(stage: Stage, owner: int, claimed: Claimed, since_ms: int, limit_ms: int) -> None:
    """Let a run have asked a provider since so long."""
    stage.store.write(doors.heartbeat(owner, [asks(claimed, since_ms, limit_ms)], system_clock()))


async def test_twenty_hung_runs_stand_above_two_hundred_that_stream_with_nobody_waiting(
    stage: Stage, drive: Drive
) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    streams = hold(stage, [f"streams:{n:03}" for n in range(200)], owner, 50 * MINUTE, LONG)
    hold(stage, [f"hung:{n:02}" for n in range(20)], owner, 40 * MINUTE, LONG)
    stream(stage, owner, streams)
    stage.send("waits:1", "hello")
    async with drive(stage.path) as driver:
        assert "sort silent" in driver.bar
        await driver.until(lambda: driver.keys[:20] == [f"hung:{n:02}" for n in range(20)], "the silent ones first")
        assert driver.keys[20] == "waits:1", "then by attention"
        await driver.shows("⚠ silent 20", "40m/1h")
        await driver.press("G")
        await driver.until(lambda: driver.key == "streams:199", "the last one")
        assert "hung" not in "".join(driver.rows)


async def test_the_column_counts_against_the_limit_that_acts_first(stage: Stage) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    asks, stalls, streams = hold(stage, ["asks:1", "stalls:1", "streams:1"], owner, 80 * SECOND)
    ask(stage, owner, asks, 32 * SECOND, 45 * SECOND)
    stream(stage, owner, [streams])
    del stalls
    async with dashboard(stage.path) as driver:
        await driver.shows("asks:1", "stalls:1")
        rows = [" ".join(row.split()) for row in driver.rows[:3]]
        assert any("asks:1 30s/45s" in row or "asks:1 35s/45s" in row for row in rows)
        assert any("stalls:1 1m/2m" in row for row in rows)
        assert any("streams:1 <5s" in row or "streams:1 5s" in row or "streams:1 10s" in row for row in rows)
        await driver.filter("silent:>1m")
        assert driver.keys == ["stalls:1"]


async def test_a_run_that_falls_silent_rings_and_can_be_muted(stage: Stage, tmp_path: Path) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    first, *others = hold(stage, ["a:1", "b:1", "c:1"], owner, 100 * SECOND)
    stream(stage, owner, others)
    hands = Hands(system_clock())
    settings = Settings(tmp_path / "kept" / "dashboard.toml")
    del first
    async with dashboard(stage.path, clock=hands, settings=settings) as driver:
        await driver.shows("⚠ silent 1")
        assert driver.said == [], "what was silent before is counted, and no news"
        await driver.press("O")
        await driver.dialog(OwnersScreen)
        hands.move(70 * SECOND)
        await driver.until(lambda: driver.said, "the alarm, on another screen too")
        assert "b:1 has been silent for 1m 10s, of 2m 0s (stall_timeout); 1 more" in driver.said[0]
        await driver.press("escape")
        await driver.closed()
        await driver.press("B")
        await driver.shows("⚠ silent 3 muted")
        assert load(tmp_path / "kept" / "dashboard.toml").muted
        hold(stage, ["d:1"], owner, 100 * SECOND)
        await driver.shows("⚠ silent 4 muted")
        assert len(driver.said) == 2, "the alarm, and that it is muted"


def silences(*runs: int) -> Silences:
    found = tuple(Silence(f"lane:{run}", run, 61_000, 120_000, "stall_timeout", None) for run in runs)
    return Silences(found, len(found))


def test_the_alarm_tells_of_each_run_once_and_of_many_together() -> None:
    alarm = SilenceAlarm()
    assert alarm.rings(silences(1), START) is None
    said = alarm.rings(silences(1, 2), START)
    assert said == "lane:2 has been silent for 1m 1s, of 2m 0s (stall_timeout)"
    assert alarm.rings(silences(1, 2, 3), START.later(SECOND)) is None, "it has just rung"
    assert alarm.rings(silences(1, 2, 3, 4), START.later(2 * SECOND)) is None
    said = alarm.rings(silences(1, 2, 3, 4), START.later(APART_MS))
    assert said is not None
    assert said.startswith("lane:3 has")
    assert said.endswith("; 1 more")
    assert alarm.rings(silences(1, 3, 4), START.later(3 * APART_MS)) is None
    assert alarm.rings(silences(1, 2, 3, 4), START.later(3 * APART_MS)) is not None, "it fell silent again"


def test_F968_the_alarm_shows_the_spaces_at_the_ends_of_a_key() -> None:
    alarm = SilenceAlarm()
    alarm.rings(Silences((), 0), START)
    said = alarm.rings(Silences((Silence(" x", 1, 61_000, 120_000, "stall_timeout", None),), 1), START)
    assert said == "␣x has been silent for 1m 1s, of 2m 0s (stall_timeout)"


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ('sort = "attention"\nreverse = false\n', LaneOrder(LaneSort.SILENT)),
        ('sort = "held"\n', LaneOrder(LaneSort.HELD)),
        ('edition = 2\nsort = "attention"\n', LaneOrder(LaneSort.ATTENTION)),
    ],
)
def test_what_the_first_edition_wrote_unchosen_gives_way_to_silence(
    tmp_path: Path, written: str, order: LaneOrder
) -> None:
    path = tmp_path / "dashboard.toml"
    usual = 'columns = ["STATE", "LANE", "HELD", "BEAT", "QUEUE", "WAIT", "OWNER", "LAST ERROR"]\n'
    path.write_text(written + usual, encoding="utf-8")
    found = load(path)
    assert found.order == order
    assert ("SILENT" in found.columns) is ("edition" not in written)


async def test_on_a_narrow_screen_the_column_is_the_last_to_go(stage: Stage) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    hold(stage, ["hung:1"], owner, 90 * SECOND)
    async with dashboard(stage.path, (60, 20)) as driver:
        titles = _titles(driver)
        assert "SILENT" in titles
        assert "OWNER" not in titles


async def test_F753_on_a_narrow_screen_what_is_wrong_comes_before_bars_and_words(stage: Stage) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    stage.fail(stage.hold("failed:1", owner))
    stage.send("waits:1", "text")
    async with dashboard(stage.path, (80, 24)) as driver:
        await driver.shows("✖ errored 1", "queue 1")
        for number in range(2):
            stage.refuse(f"provider-{number}")
        await driver.shows("provider-0 cools", "provider-1 cools", "queue 1", "✖ 1")
        stage.refuse("provider-2")
        await driver.shows("3 providers cool", "queue 1", "✖ 1")  # one that is not named would be taken for well


def _titles(driver: Driver) -> list[str]:
    return [column.title for column in driver.main.table.columns]
