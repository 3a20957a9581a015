"""Keys that come before what they are for is shown: moves wait for it, and nothing is done to what nobody saw."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.events import Key

from lanes_storage import reads
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.send import KeyInput, SendDialog
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.groups import GroupsScreen
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.owners import OwnersScreen
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from tests.kit.stage import Stage
from tests.tui.driving import Driver, Listened, dashboard


class Gate:
    """Holds one way of reading back while it is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, *, is_open: bool) -> None:
        reads: Callable[..., Any] = getattr(Source, name)
        self._open = asyncio.Event()
        self.waits = False
        if is_open:
            self._open.set()

        async def held(source: Source, *given: Any, **more: Any) -> Any:
            self.waits = not self._open.is_set()
            await self._open.wait()
            return await reads(source, *given, **more)

        monkeypatch.setattr(Source, name, held)

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


@asynccontextmanager
async def at_once(stage: Stage) -> AsyncIterator[Driver]:
    """A dashboard before its first look has ended."""
    rhythm = Rhythm(look_every=0.25, ask_every=0.03, least_gap=0.0, retry_every=0.05)
    app = Listened(FileSource(str(stage.path), actor="alice@here"), None, with_gateway=False, rhythm=rhythm)
    async with app.run_test(size=(120, 40)) as pilot:
        yield Driver(app, pilot)


@pytest.mark.parametrize(("keys", "key"), [("jj", "held:2"), ("G", "held:3"), ("Gkgj", "held:1")])
async def test_moves_before_the_first_rows_are_made_once_these_are_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, keys: str, key: str
) -> None:
    owner = stage.owner()
    for number in range(4):
        stage.hold(f"held:{number}", owner)
    gate = Gate(monkeypatch, "window", is_open=False)
    async with at_once(stage) as driver:
        await driver.press(*keys, "enter")
        gate.open()
        assert (await driver.dialog(LaneScreen)).lane_key == key
        assert driver.key == key


async def test_F207_what_acts_before_the_first_rows_acts_on_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.hold("held:1", stage.owner())
    gate = Gate(monkeypatch, "window", is_open=False)
    async with at_once(stage) as driver:
        for pressed in ("a", "A", "p", "P", "R", "K", "C", "space", "V"):
            await driver.press(pressed)
            assert driver.app.screen is driver.main
            assert "nothing is loaded yet" in driver.said[-1], pressed
        assert len(driver.said) == 9
        await driver.press("m")
        dialog = await driver.dialog(SendDialog)
        await driver.press("p", "y", "ctrl+s")
        assert dialog.query_one(KeyInput).value == "py", "what is typed is for it, and it asks for the lane"
        await driver.press("escape")
        gate.open()
        await driver.until(lambda: driver.key, "the lane")
        assert not len(driver.main.marks)
        await driver.press("a")
        assert "Abort this run?" in (await driver.dialog(ActionDialog)).plain


async def test_F207_what_acts_while_the_lanes_of_a_filter_are_not_shown_yet_acts_on_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be for the lane under the cursor of the list before."""
    owner = stage.owner()
    stage.hold("first:1", owner)
    stage.hold("other:1", owner)
    gate = Gate(monkeypatch, "window", is_open=True)
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key == "first:1", "the first lane")
        gate.shut()
        await driver.press("slash")
        await driver.write("other")
        await driver.press("enter", "a", "y", "space")
        assert driver.app.screen is driver.main
        assert "nothing is loaded yet" in driver.said[-1]
        assert not len(driver.main.marks)
        gate.open()
        await driver.until(lambda: driver.key == "other:1", "the lane of the filter")
        await driver.press("space", "a")
        assert "other:1" in (await driver.dialog(ActionDialog)).plain


async def test_F207_the_other_lists_wait_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = stage.owner()
    stage.fail_lanes(3, owner)
    gate = Gate(monkeypatch, "letters", is_open=False)
    async with dashboard(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: gate.waits, "it to be read")
        await driver.press("j", "j", "R", "x", "space")
        assert driver.app.screen is screen
        assert len(driver.said) == 3
        gate.open()
        await driver.until(lambda: screen.letter, "the letters")
        assert screen.lane_key == "failed:0"
        assert not screen.marks


@pytest.mark.parametrize("keys", ["p1h", "a1"])
async def test_F606_what_is_typed_after_an_action_on_a_group_is_for_its_question(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    """It would call the first view back, whose marks the question would then be for."""
    owner = stage.owner()
    for key in ("group:a:1", "group:a:2", "viewed:1"):
        stage.hold(key, owner)
    gate = Gate(monkeypatch, "marks", is_open=True)
    async with dashboard(stage.path) as driver:
        await driver.filter("viewed")
        await driver.press("space", "M", "1", "U", "escape", "L")
        screen = await driver.dialog(GroupsScreen)
        await driver.until(lambda: screen.group is not None and screen.group.prefix == "group:a", "the groups")
        gate.shut()
        await driver.press(keys[0])
        await driver.until(lambda: gate.waits, "its lanes to be read")
        await driver.press(*keys[1:])
        gate.open()
        question = await driver.dialog(ActionDialog)
        await driver.until(lambda: question.how.get("for_") or keys[0] == "a", "what was typed ahead")
        assert sorted(driver.main.marks) == ["group:a:1", "group:a:2"]
        assert "2 lanes" in question.plain


async def test_F511_in_the_other_lists_too_nothing_is_done_to_rows_that_are_older_than_the_filter(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = stage.owner()
    stage.fail_lanes(3, owner)
    gate = Gate(monkeypatch, "letters", is_open=True)
    async with dashboard(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: screen.lane_key == "failed:2", "the letters")
        gate.shut()
        await driver.press("slash")
        await driver.write("failed:0")
        await driver.press("enter", "V", "space", "R")
        assert [("nothing is loaded yet" in said) for said in driver.said] == [True] * 3
        gate.open()
        await driver.until(lambda: screen.lane_key == "failed:0", "the letter of the filter")
        assert driver.app.screen is screen
        assert not screen.marks
        await driver.press("space")
        assert len(screen.marks) == 1


async def test_F511_what_is_marked_by_a_filter_is_what_it_chooses_though_it_is_not_listed_yet(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateways = [stage.owner(stale_after_ms=86_400_000) for _ in range(2)]
    stage.owner(kind="desk")
    gate = Gate(monkeypatch, "owner_health", is_open=True)
    async with dashboard(stage.path) as driver:
        await driver.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: screen.rows.total == 3, "the owners")
        gate.shut()
        await driver.press("slash")
        await driver.write("kind:gateway")
        await driver.press("ctrl+a")
        await driver.until(lambda: screen.marks, "the marks")
        assert sorted(screen.marks.values()) == gateways
        gate.open()


def at_a_time(driver: Driver, *keys: str) -> None:
    """Type keys as they come from a slow line, or while the dashboard is busy: before any of them has taken effect."""
    for key in keys:
        driver.app.post_message(Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None)))


_CHARACTERS = {"slash": "/", "enter": "\r", "space": " ", "tab": "\t"}


async def test_F963_keys_that_come_at_a_time_take_effect_one_after_the_other(stage: Stage) -> None:
    """A field was given also what was typed behind the key that left it."""
    owner = stage.owner()
    stage.hold("first:1", owner)
    stage.hold("other:1", owner)
    async with dashboard(stage.path) as driver:
        field = driver.main.bar.input
        await driver.until(lambda: driver.key == "first:1", "the first lane")
        at_a_time(driver, "slash", *"ther", "home", "o", "enter", "a")
        await driver.until(lambda: driver.key == "other:1", "the lane of the filter")
        assert field.value == "other"
        assert driver.said == ["nothing is loaded yet: press the key again"]
        at_a_time(driver, "slash", "end", *":1", "ctrl+a", "a")
        await driver.until(lambda: driver.main.marks, "the mark")
        assert (field.value, [*driver.main.marks]) == ("other:1", ["other:1"])
        at_a_time(driver, "A", "tab", *"stuck", "enter", "y")
        await driver.until(lambda: "released" in driver.said[-1], "the abort")
        assert "stuck" in str(stage.store.read(reads.events(limit=9, newest=True)))
        at_a_time(driver, "escape", "D", "q", "J", "q", "slash", "x")
        await driver.until(lambda: field.value == "x", "the field of the main screen")


async def test_F965_each_step_of_a_search_counts_though_the_one_before_is_not_found_yet(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.send("other", "text")
    for number in range(4):
        stage.send(f"key:{number}", "text")
    gate = Gate(monkeypatch, "find", is_open=True)
    async with dashboard(stage.path) as driver:
        await driver.press("ctrl+f")
        await driver.write("key:")
        await driver.until(lambda: driver.key == "key:0", "the first hit")
        await driver.press("enter")
        gate.shut()
        await driver.press("n", "n", "n", "N")
        gate.open()
        await driver.until(lambda: driver.key == "key:2", "the third hit")
