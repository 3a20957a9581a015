"""An operator's jobs among 100,000 lanes, counted in keys; what is typed into a field counts as one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.testing import MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import Beat, How, LaneFilter, Subject
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.display.views import load_views
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.journal import JournalScreen
from lanes_tui.screens.owners import OwnersScreen
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard
from tests.tui.test_silence import asks, hold

LANES = 100_000
AGENT = "agent:07:"
OF_AGENT = LANES // 40


class Hand:
    """Presses keys and counts them."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.keys = 0

    async def press(self, *keys: str) -> None:
        """Press keys, each of which counts."""
        self.keys += len(keys)
        await self.driver.press(*keys)

    async def write(self, text: str) -> None:
        """Type a text, which counts as one key."""
        self.keys += 1
        await self.driver.write(text)

    async def ended(self) -> Results:
        """The results, once all are there."""
        results = await self.driver.dialog(Results)
        await self.driver.until(lambda: results.run.ended, "the end")
        return results


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 100,000 lanes, to be copied."""
    path = tmp_path_factory.mktemp("city") / "lanes.db"
    crowd(path, LANES)
    return path


@pytest.fixture
def stage(city: Path, tmp_path: Path) -> Iterator[Stage]:
    """A copy of it, which does not stay."""
    path = tmp_path / "lanes.db"
    shutil.copyfile(city, path)
    made = Stage(path)
    yield made
    made.close()
    path.unlink()


def a_bad_gateway(stage: Stage) -> int:
    """One whose runs hang at their provider: twenty of a group, and as many of another one; thirty others stream."""
    bad = stage.owner(stale_after_ms=86_400_000)
    keys = [f"agent:fleet:chat:{number:02}" for number in range(50)] + [f"agent:other:{n:02}" for n in range(20)]
    claimed = hold(stage, keys, bad, 2 * MINUTE)
    now = system_clock()
    beats = [Beat(each.ticket, "content", now.boot, now.wall) for each in claimed[20:50]]
    beats += [asks(each, 40 * SECOND, 45 * SECOND) for each in claimed[:20] + claimed[50:]]
    stage.store.write(doors.heartbeat(bad, beats, now))
    return bad


async def test_the_wedged_lane_is_freed(stage: Stage) -> None:
    """It is the first row, before all others."""
    hold(stage, ["agent:main:wedged"], stage.dead_owner(), 3 * MINUTE)
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await driver.until(lambda: driver.key == "agent:main:wedged", "the cursor on it")
        await hand.press("a")
        await driver.dialog(ActionDialog)
        await hand.press("y")
        await driver.until(lambda: driver.said, "a word on it")
    assert hand.keys <= 2
    lane = stage.store.read(reads.lane("agent:main:wedged"))
    assert lane is not None
    assert lane.state is LaneState.ABORTED


async def test_the_hung_ones_of_a_group_are_aborted_and_not_the_others(stage: Stage) -> None:
    a_bad_gateway(stage)
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("slash")
        await driver.write("agent:fleet: silent:>30s provider:main")  # the filter itself is not counted
        await hand.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 20, "their marks")
        await hand.press("a")
        await driver.dialog(ActionDialog)
        await hand.press("y")
        await driver.dialog(Results)
        asked = reads.lanes(LaneFilter().where("key", How.HAS, "agent:fleet:"))

        def met() -> set[str]:
            """The lanes whose runs were asked to stop: their owner would confirm that."""
            return {lane.key for lane in stage.store.read(asked) if lane.run is not None and lane.run.abort_at}

        await driver.until(lambda: len(met()) == 20, "the requests")
        found = met()
    assert hand.keys <= 4
    assert found == {f"agent:fleet:chat:{number:02}" for number in range(20)}


async def test_an_agent_is_paused_for_an_hour_with_a_reason(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("slash")
        await hand.write(AGENT)
        await hand.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == OF_AGENT, "its lanes")
        await hand.press("p")
        await driver.dialog(ActionDialog)
        await hand.write("1h")
        await hand.press("tab")
        await hand.write("key rotation")
        await hand.press("enter")
        await hand.ended()
    assert hand.keys <= 8
    lanes = stage.store.read(reads.lanes(LaneFilter().where("key", How.HAS, AGENT), limit=LANES))
    assert {lane.pause.reason for lane in lanes if lane.pause is not None} == {"key rotation"}
    assert all(lane.pause is not None and lane.pause.until is not None for lane in lanes)
    assert stage.store.read(reads.counts(0)).paused == OF_AGENT, "and no other"


async def test_an_outage_is_retried(stage: Stage) -> None:
    owner = stage.owner()
    failed = hold(stage, [f"outage:{number:02}" for number in range(30)], owner, MINUTE)
    for each in failed:
        stage.fail(each)
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await hand.press("slash")
        await hand.write("since:1h provider:codex")
        await hand.press("ctrl+a")
        await driver.until(lambda: len(screen.marks) == 30, "the marks")
        await hand.press("R")
        dialog = await driver.dialog(ActionDialog)
        assert "lanes retry --filter 'since:1h provider:codex' --yes" in dialog.plain
        await hand.write("30")
        await hand.press("enter")
        results = await hand.ended()
        ids = [int(result.name.split()[0].removeprefix("#")) for result in results.run.well]
        assert ids == sorted(ids), "the oldest first"
    assert hand.keys <= 8
    of_outage = LaneFilter(of=Subject.MESSAGE).where("key", How.HAS, "outage:")
    assert stage.store.read(reads.letter_tally(of_outage, waiting=True)).letters == 0
    assert {stage.message(each.message.id).state for each in failed} == {MessageState.FAILED}
    assert all(stage.waits(f"outage:{number:02}") for number in range(30))


async def test_the_bad_gateway_is_named_and_drained(stage: Stage) -> None:
    bad = a_bad_gateway(stage)
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: screen.kept().row == str(bad), "the one whose runs are silent, first")
        await hand.press("W")
        dialog = await driver.dialog(ActionDialog)
        assert f"gateway {bad}" in dialog.plain
        await hand.press("y")
        await driver.until(lambda: stage.store.read(reads.orders_of_owner(bad)).drain, "the drain")
    assert hand.keys <= 5
    assert stage.store.read(reads.orders_of_owner(1)).drain is None


async def test_what_happened_in_the_last_five_minutes_is_read(stage: Stage) -> None:
    began = system_clock().wall
    stage.complete(stage.hold("agent:main:late", stage.owner()))
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("J")
        screen = await driver.dialog(JournalScreen)
        await hand.press("slash")
        await hand.write("since:5m")
        await hand.press("enter")

        def ended() -> bool:
            """Whether the newest is listed at the end, of the filter as it is typed now."""
            newest = screen.rows.plain.rpartition("\n")[2]
            return "complete" in newest and "agent:main:late" in newest

        await driver.until(ended, "the newest at the end")
        oldest = screen.events[0].at
    assert hand.keys <= 4
    assert oldest >= began - 5 * MINUTE
    assert screen.events[-1].key == "agent:main:late"


async def test_who_comes_back_presses_no_key(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    async with dashboard(stage.path, views=load_views(path)) as driver:
        await driver.filter(f"{AGENT} state:errored")
        await driver.press("space", "down")
        there, marked = driver.key, tuple(driver.main.marks)
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.press("slash")
        await driver.write("cause:stall_timeout")
        await driver.press("enter")
        chosen = "stall_timeout"  # the first letter of all has another cause
        await driver.until(
            lambda: screen.letter and screen.letter.error and screen.letter.error.cause == chosen, "those"
        )
        await driver.press("down", "down")
        letter = screen.letter
        driver.app.exit(0)
    async with dashboard(stage.path, views=load_views(path)) as driver:
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: screen.letter == letter, "the same letter")
        assert screen.typed == "cause:stall_timeout"
        await driver.press("escape", "escape")
        await driver.closed()
        await driver.until(lambda: driver.key == there, "the same lane")
        assert tuple(driver.main.marks) == marked
