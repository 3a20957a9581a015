"""Lanes in other programs' gateways, on the dashboard: among the others, named by their source, even with one name."""

import json
from functools import partial
from pathlib import Path

import pytest

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import WatchedState
from lanes_storage.records import Sighting
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.help import Help
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.widgets.detail import Pane
from tests.kit.stage import Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_everywhere import exported
from tests.tui.test_screens import shown

TWICE = "openclaw:twice:1"


def _seen(owner: int, tx: Transaction) -> None:
    now = system_clock()
    doors.watch(tx, "openclaw", "openclaw", "ws://127.0.0.1:9", owner, now, is_gone=lambda *_: False)
    seen = [
        Sighting("agent:ghost", WatchedState.GHOST, ("r-1",), now.wall - 90_000, now.wall - 60_000, 2),
        Sighting("twice:1", WatchedState.RUNNING, ("r-2",), now.wall, now.wall),
        Sighting("agent:\x1b[31m[bold]", WatchedState.IDLE, outcome="\x1b]0;x\x07 ended"),
    ]
    doors.keep_sightings(tx, "openclaw", owner, seen, now, from_files=True, whole=True)


def furnished(stage: Stage) -> None:
    """A lane here, and three elsewhere, one of which has the name of another lane here."""
    owner = stage.owner()
    stage.hold("here:1", owner)
    stage.send(TWICE, "waits here")
    stage.store.write(partial(_seen, owner))


async def test_they_stand_among_the_others_and_say_what_is_known_of_them(stage: Stage, drive: Drive) -> None:
    furnished(stage)
    async with drive(stage.path, size=(139, 40)) as driver:
        await driver.until(lambda: driver.total == 5, "the lanes")
        assert driver.keys[:2] == ["openclaw:agent:ghost", TWICE]
        assert "▶ ghost" in driver.rows[0]
        assert "gateway unreachable" in driver.rows[0]
        assert "all 5" in driver.header
        assert "match" not in driver.header
        assert not set("".join(driver.rows)) & set("\x1b\x07")
        await driver.filter("source:here")
        await driver.until(lambda: sorted(driver.keys) == ["here:1", TWICE], "those of this database")


async def test_F208_two_lanes_with_one_name_are_looked_at_each_by_itself(stage: Stage, drive: Drive) -> None:
    furnished(stage)
    async with drive(stage.path) as driver:
        await driver.until(lambda: driver.total == 5, "the lanes")
        here = driver.keys.index(TWICE, 2)
        for row, why in ((1, "Run r-2 holds it"), (here, "1 message waits")):
            await driver.press("g", *["j"] * row)
            await driver.until(lambda row=row: driver.main.table.view.row == row, "the cursor there")  # type: ignore[misc]
            await driver.until(lambda why=why: why in shown(driver.main, "why"), "what is known of it")  # type: ignore[misc]
            looks = driver.main.picture
            await driver.until(lambda looks=looks: driver.main.picture is not looks, "another look")  # type: ignore[misc]
            assert driver.main.table.view.row == row, "the cursor stays"
            await driver.press("enter")
            screen = await driver.dialog(LaneScreen)
            await driver.until(lambda screen=screen, why=why: why in shown(screen, "why"), "the same there")  # type: ignore[misc]
            await driver.press("escape")
            await driver.closed()
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: driver.said, "the refusal")
        assert "say which with --source" in driver.said[-1]


async def test_F701_the_detail_goes_with_the_cursor_from_a_lane_to_another_one_of_its_name(stage: Stage) -> None:
    furnished(stage)
    async with dashboard(stage.path) as driver:
        await driver.filter("twice")
        await driver.until(lambda: driver.keys == [TWICE, TWICE] and shown(driver.main, "why"), "both")
        driver.main.looking.frozen = True  # nothing is read but what the cursor asks for
        for key in ("down", "up", "down"):
            before = shown(driver.main, "why")
            await driver.press(key)
            await driver.until(lambda before=before: shown(driver.main, "why") != before, "the other")  # type: ignore[misc]


async def test_F668_both_of_two_lanes_with_one_name_are_exported(
    stage: Stage, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnished(stage)
    monkeypatch.chdir(tmp_path)
    async with drive(stage.path) as driver:
        await driver.until(lambda: driver.total == 5, "the lanes")
        await driver.press("e")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1].startswith("5 lanes written to")
        (written,) = exported(tmp_path, "json")
        found = [lane["key"] for lane in json.loads(written.read_text(encoding="utf-8"))]
        assert found.count(TWICE) == 2


async def test_the_help_says_what_each_state_means(stage: Stage, drive: Drive) -> None:
    stage.hold("held:1", stage.owner())
    async with drive(stage.path) as driver:
        await driver.press("question_mark")
        told = (await driver.dialog(Help)).query_one(Pane).plain
        for state in ("▶ running", "? awaiting", "◔ parked", "‖ paused", "▶ aborting", "▶ ghost"):
            assert state in told
