"""A key that leaves a dialog or a screen, pressed twice in one go, leaves that one and nothing below it."""

from typing import Any

import pytest
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Button

from lanes_tui.app import Dashboard
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.dialogs.help import Help
from lanes_tui.dialogs.leaving import LeavingDialog
from lanes_tui.dialogs.palette import Palette
from lanes_tui.dialogs.results import Results
from lanes_tui.dialogs.send import SendDialog
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.groups import GroupsScreen
from lanes_tui.screens.journal import JournalScreen
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.owners import OwnersScreen
from lanes_tui.screens.providers import ProvidersScreen
from lanes_tui.tables.rows import Rows
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard

CHOICES = ("escape", "ctrl+c", "enter", "y")  # the last one is not the same question twice

#: The key that opens each of them, with those before it, and every key that leaves it.
LEFT = (
    ((("q", LeavingDialog),), ("l", "y", "escape", "ctrl+c", "enter")),
    ((("a", ActionDialog),), CHOICES),
    ((("U", MainScreen), ("space", MainScreen), ("a", ActionDialog)), CHOICES[:-1]),
    (
        (
            ("U", MainScreen),
            ("g", MainScreen),
            ("space", MainScreen),
            ("space", MainScreen),
            ("p", ActionDialog),
            ("y", Results),
        ),
        ("escape", "enter", "q", "ctrl+c"),
    ),
    ((("c", ColumnsDialog),), ("escape", "q", "ctrl+c", "enter")),
    ((("question_mark", Help),), ("escape", "enter", "q", "question_mark", "ctrl+c")),
    ((("m", SendDialog),), ("escape",)),
    ((("colon", Palette),), ("escape", "ctrl+c", "enter")),
    ((("enter", LaneScreen),), ("escape", "q", "ctrl+c")),
    ((("J", JournalScreen),), ("escape", "q", "ctrl+c")),
    ((("O", OwnersScreen),), ("escape", "q", "ctrl+c")),
    ((("D", DeadLettersScreen),), ("escape", "q", "ctrl+c")),
    ((("H", ProvidersScreen),), ("escape", "q", "ctrl+c")),
    ((("L", GroupsScreen),), ("escape", "q", "ctrl+c")),
    ((("P", ActionDialog),), ("escape", "ctrl+c")),
    ((("D", DeadLettersScreen), ("R", ActionDialog)), ("y",)),
    ((("O", OwnersScreen), ("W", ActionDialog)), ("y",)),
    ((("H", ProvidersScreen), ("ctrl+r", ActionDialog)), ("y",)),
)


@pytest.fixture
def full(stage: Stage) -> Stage:
    """Something for each of them to stand on."""
    owner = stage.owner()
    stage.send("failed:1", "hello")
    stage.fail(stage.claim("failed:1", owner))
    stage.hold("held:1", owner, "waiting")
    stage.refuse("codex")
    return stage


@pytest.mark.parametrize(("opening", "leaving"), LEFT, ids=lambda given: "-".join(str(each[0]) for each in given))
async def test_a_key_pressed_twice_leaves_one_screen(
    full: Stage, monkeypatch: pytest.MonkeyPatch, opening: tuple[tuple[str, type[Screen[Any]]], ...], leaving: list[str]
) -> None:
    monkeypatch.setattr(Dashboard, "exit", lambda *given, **more: None)  # so that what lies below can be looked at
    async with dashboard(full.path, with_gateway=True) as driver:
        for key in leaving:
            await driver.until(lambda: driver.key, "a lane")
            for opener, kind in opening:
                await driver.press(opener)
                await opened(driver, await driver.dialog(kind))
            left, below = driver.app.screen_stack[-1], driver.app.screen_stack[-2]
            twice(driver, key)
            await gone(driver, left)
            assert below in driver.app.screen_stack, f"{key} twice leaves what lies below"
            await back_to_main(driver)
        await driver.press("question_mark")
        await driver.dialog(Help)  # the screen below answers


async def test_a_message_that_is_sent_twice_in_one_go_is_accepted_once(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("m")
        await driver.dialog(SendDialog)
        await driver.press("h", "i")
        twice(driver, "ctrl+s")
        await driver.closed()
        await driver.until(lambda: driver.said, "the acceptance")
        detail = (await driver.app.source.detail("held:1")).record
    assert len(detail.messages) == 2, "the one that runs, and this one"


def twice(driver: Driver, key: str) -> None:
    """A key twice, the second before the first has taken effect."""
    for _ in range(2):
        driver.app.post_message(Key(key, "\r" if key == "enter" else key if len(key) == 1 else None))


async def opened(driver: Driver, screen: Screen[Any]) -> None:
    """Wait until it can be acted on."""
    if isinstance(screen, OwnersScreen | ProvidersScreen | DeadLettersScreen):
        await driver.until(lambda: screen.query_one(Rows).key, "the first row")


async def gone(driver: Driver, screen: Screen[Any]) -> None:
    """Wait until a screen has left."""
    await driver.until(lambda: screen not in driver.app.screen_stack, "a screen to leave")


async def back_to_main(driver: Driver) -> None:
    """Leave all that lies over the main screen, also what a late second key has opened."""
    assert driver.main in driver.app.screen_stack
    while (over := driver.app.screen) is not driver.main:
        await driver.press("escape")
        await gone(driver, over)


@pytest.mark.parametrize(("opener", "kind"), [("a", ActionDialog), ("m", SendDialog)])
async def test_a_button_whose_dialog_has_left_meanwhile_leaves_nothing_below(
    full: Stage, opener: str, kind: type[Screen[Any]]
) -> None:
    async with dashboard(full.path) as driver:
        await driver.until(lambda: driver.key, "a lane")
        await driver.press("enter")
        below = await driver.dialog(LaneScreen)
        await driver.until(lambda: below.lane and below.freshness.at, "the lane, as it is acted on")
        await driver.press(opener)
        left = await driver.dialog(kind)
        cancel = left.query(Button).last() if kind is SendDialog else left.query_one("#no", Button)
        cancel.press()
        left.dismiss()
        await driver.settle()
        assert driver.app.screen is below
