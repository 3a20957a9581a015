"""How fresh it is: live, frozen, slow, stale; and that it heals by itself."""

import asyncio
import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from lanes.testing import START, Hands
from lanes_storage.clock import system_clock
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.leaving import LeavingDialog
from lanes_tui.lanes.header import Header
from lanes_tui.lanes.screen import LEAVE_RUNNING, STOP_TOO
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.widgets.keys import Keys
from lanes_tui.widgets.sheet import Sheet
from lanes_tui.widgets.standing import Freshness
from tests.kit.processes import House
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard
from tests.tui.test_screens import shown
from tests.tui.test_table import furnish


async def test_a_database_that_is_lost_is_stale_and_nothing_is_acted_on(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    away = stage.path.with_name("away")
    async with dashboard(stage.path) as driver:
        await driver.shows("● live")
        stage.path.rename(away)
        await driver.shows("◌ stale", "as of ", "no lanes database")
        assert driver.main.table.stale
        assert driver.key == "held:1"
        await driver.press("a")
        await driver.until(lambda: driver.said, "the refusal")
        assert "actions are refused" in driver.said[-1]
        away.rename(stage.path)
        await driver.shows("● live")
        assert not driver.main.table.stale


async def test_F756_what_is_wrong_with_the_source_is_told_to_its_end_also_on_a_narrow_screen(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    away = stage.path.with_name("away")
    async with dashboard(stage.path, (80, 24)) as driver:
        counts = driver.main.query_one("#counts", Sheet)

        def painted() -> str:
            return " ".join(counts.render_line(y).text.strip() for y in range(counts.size.height))

        await driver.shows("● live")
        stage.path.rename(away)
        await driver.until(lambda: "`lanes doctor`" in painted() and painted().endswith(")"), "what helps")
        away.rename(stage.path)
        await driver.until(lambda: "▶ running 1" in painted() and counts.size.height == 1, "one line, as before")


async def test_what_acts_is_greyed_out_while_nothing_may_be_acted_on(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    away = stage.path.with_name("away")
    async with dashboard(stage.path, (160, 40)) as driver:
        await driver.until(lambda: "Abort" in footer(driver, disabled=False), "the footer")
        stage.path.rename(away)
        await driver.until(lambda: {"Abort", "Force", "Pause", "Message"} == footer(driver, disabled=True), "the grey")
        assert {"Filter", "Quit"} <= footer(driver, disabled=False)
        away.rename(stage.path)
        await driver.until(lambda: not footer(driver, disabled=True), "the colour")


async def test_a_dashboard_that_only_looks_greys_out_what_acts(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path, (160, 40), read_only=True) as driver:
        await driver.until(lambda: {"Abort", "Pause"} <= footer(driver, disabled=True), "the grey")
        await driver.press("enter")
        await driver.until(lambda: {"Drop", "Message"} <= footer(driver, disabled=True), "the same on a screen")


def footer(driver: Driver, *, disabled: bool) -> set[str]:
    """What the footer of the open screen offers, or shows greyed out."""
    shown = [key.active for key in driver.app.screen.query_one(Keys).shown]
    return {active.binding.description for active in shown if active.enabled is not disabled}


async def test_a_question_that_stands_while_the_source_is_lost_acts_on_nothing(stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner())
    away = stage.path.with_name("away")
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        await driver.dialog(ActionDialog)
        stage.path.rename(away)
        await driver.until(lambda: driver.main.freshness.lost, "the loss")
        await driver.press("y")
        await driver.until(lambda: driver.said, "the refusal")
        away.rename(stage.path)
        await driver.shows("▶ running")


async def test_a_database_that_takes_the_place_of_another_is_shown(stage: Stage) -> None:
    furnish(stage, 3)
    other = Stage(stage.path.with_name("other.db"))
    other.hold("new:1", other.owner())
    other.close()
    async with dashboard(stage.path) as driver:
        await driver.press("down")
        stage.close()
        for left in stage.path.parent.glob("lanes.db*"):
            left.unlink()
        shutil.move(other.path, stage.path)
        await driver.until(lambda: driver.keys == ["new:1"], "the lanes of the other one")
        assert driver.key == "new:1"


def moved(database: Path, to: Path) -> None:
    """A database with its log, without which another one is refused in its place."""
    for side in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{database}{side}").rename(f"{to}{side}")


async def test_F374_F542_in_a_database_that_takes_the_place_of_another_nothing_is_done(stage: Stage) -> None:
    """Also where the same lane stands in it at the same epoch, and a question about it was asked before."""
    stage.hold("held:1", stage.dead_owner())
    stage.close()
    other, away = stage.path.with_name("other.db"), stage.path.with_name("away.db")
    shutil.copy(stage.path, other)
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("a")
        await driver.dialog(ActionDialog)
        moved(stage.path, away)
        moved(other, stage.path)
        await driver.shows("◐ another file")  # F542: it is not called live while nothing can be done
        assert "live" not in driver.header
        await driver.press("y")
        await driver.until(lambda: any("was replaced" in said for said in driver.said), "the refusal")
        assert not any("repaired" in said for said in driver.said)
        moved(stage.path, other)
        moved(away, stage.path)
        await driver.closed()
        await driver.shows("● live", "held:1")
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: any("repaired" in said for said in driver.said), "the abort, in the right file")


async def test_F375_a_database_that_a_newer_lanes_has_upgraded_is_not_written(stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner())
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        with contextlib.closing(sqlite3.connect(stage.path, isolation_level=None)) as newer:
            newer.execute("PRAGMA user_version = 9")
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: any("has schema 9" in said for said in driver.said), "the refusal")
        assert not any("repaired" in said for said in driver.said)


async def test_frozen_nothing_changes_by_itself_and_f_follows_again(stage: Stage) -> None:
    owner = furnish(stage, 3)
    async with dashboard(stage.path) as driver:
        await driver.press("f")
        assert "❚❚ frozen" in driver.header
        before = driver.rows
        stage.hold("held:2", owner, "waiting")
        stage.fail(stage.hold("failed:1", owner))
        for _ in range(20):
            await asyncio.sleep(0.01)  # it would have looked by now
        await driver.press("down")
        await driver.until(lambda: driver.main.picture and driver.main.picture.detail, "the detail")
        assert [row[1:] for row in driver.rows] == [row[1:] for row in before]
        await driver.press("f")
        await driver.shows("● live", "held:2", "failed:1")


async def test_ages_in_the_header_go_on_and_a_frozen_screen_tells_what_is_pending(stage: Stage) -> None:
    furnish(stage, 3)
    hands = Hands(system_clock())
    async with dashboard(stage.path, clock=hands) as driver:
        await driver.press("f")
        await driver.until(lambda: driver.main.pending, "the last event before")
        stage.send("new:1", "hello", "hello again")
        hands.move(42_000)
        await driver.until(lambda: "frozen 42s, 2 events pending" in driver.header, "age and count")
        await driver.press("f")
        await driver.until(lambda: "● live" in driver.header, "the present")
        away = stage.path.with_name("away")
        stage.path.rename(away)
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "◌ not reached yet" in shown(screen, "bar"), "the loss")
        away.rename(stage.path)
        await driver.until(lambda: "● live" in shown(screen, "bar"), "the return")
        stage.path.rename(away)
        await driver.until(lambda: "◌ stale" in shown(screen, "bar"), "the loss")
        hands.move(3_600_000)
        await driver.until(lambda: "◌ stale 1h00m" in shown(screen, "bar"), "its age")
        away.rename(stage.path)


async def test_a_refresh_by_hand_looks_at_once_though_frozen(stage: Stage) -> None:
    owner = furnish(stage, 3)
    async with dashboard(stage.path) as driver:
        await driver.press("f")
        stage.hold("held:2", owner, "waiting")
        await driver.press("r")
        await driver.shows("frozen", "held:2")


async def test_the_rate_is_changed_and_told(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        driver.main.rhythm.look_every = 1.0
        await driver.press("minus")
        assert "live every 2s" in driver.header
        await driver.press("plus", "plus")
        assert "live every 0.5s" in driver.header
        await driver.press(*["plus"] * 9)
        assert driver.main.rhythm.look_every == 0.25
        await driver.press(*["minus"] * 9)
        assert driver.main.rhythm.look_every == 30


@pytest.mark.parametrize(
    ("freshness", "said"),
    [
        (Freshness(), "◌ reading"),
        (Freshness(lost="gone"), "◌ not reached yet"),
        (Freshness(START), "● live"),
        (Freshness(START.later(-9_000)), "◐ slow 9s"),
        (Freshness(START.later(-9_000), every_s=5), "● live every 5s"),
        (Freshness(START.later(-70_000), frozen=True), "❚❚ frozen 1m"),
        (Freshness(START.later(-70_000), frozen=True, pending=1), "❚❚ frozen 1m, 1 event pending"),
        (Freshness(START.later(-70_000), lost="gone", frozen=True), "◌ stale 1m"),
    ],
)
def test_every_freshness_has_its_sign_and_its_word(freshness: Freshness, said: str) -> None:
    assert freshness.word(START).plain == said


async def test_ages_grow_by_the_clock(stage: Stage) -> None:
    stage.hold("held:1", stage.owner(), "waiting")
    hands = Hands(system_clock())
    async with dashboard(stage.path, clock=hands) as driver:
        hands.move(3_725_000)
        await driver.shows("1h02m", "⚠ silent 1")


async def test_a_gateway_that_dies_and_comes_back_is_seen(made: House) -> None:
    """A real gateway moves a lane; the dashboard survives its death and sees the next one."""
    gateway = made.start("up", "--db", str(made.database), "--port", "0", name="gateway")
    gateway.address()
    async with dashboard(made.database) as driver:
        await asyncio.to_thread(made.command, "send", "demo:1", "[[sim-hang]]")
        await driver.shows("1 gateway", "▶ running")
        gateway.kill()
        await driver.shows("no living gateway, 1 dead")
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: any("repaired" in said for said in driver.said), "a word on it")
        await driver.shows("■ aborted")
        again = made.start("up", "--db", str(made.database), "--port", "0", name="again")
        again.address()
        await driver.shows("1 gateway")
        await asyncio.to_thread(made.command, "send", "demo:1", "hello")
        await driver.shows("○ idle")


async def test_a_look_that_ends_while_the_dashboard_is_left_shows_nothing(stage: Stage) -> None:
    """It is taken down part by part, the innermost first."""
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "Run 1 of " in shown(screen, "why"), "the lane")
        assert screen.is_open
        main, picture = driver.main, driver.main.picture
        assert picture is not None
        await main.query_one(Header).remove_children()
        main.show(picture)
        main.lose("gone")
        await screen.query(Sheet).remove()
        assert not screen.is_open


async def test_q_leaves(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await driver.press("q")
        assert driver.app.return_value == LEAVE_RUNNING


@pytest.mark.parametrize(("key", "code"), [("y", STOP_TOO), ("l", LEAVE_RUNNING), ("escape", None)])
async def test_q_asks_what_becomes_of_the_gateway_that_came_with_it(stage: Stage, key: str, code: int | None) -> None:
    async with dashboard(stage.path, with_gateway=True) as driver:
        await driver.press("q")
        await driver.dialog(LeavingDialog)
        await driver.press(key)
        assert driver.app.return_value == code


async def test_F603_the_dashboard_that_came_with_a_gateway_is_not_suspended_and_says_why(stage: Stage) -> None:
    """The shell waits for the gateway: a dashboard that stopped alone would leave a dead terminal."""
    async with dashboard(stage.path, with_gateway=True) as driver:
        await driver.press("ctrl+z")
        assert driver.said == ["not suspended: the gateway that was started with this dashboard would stop too"]
