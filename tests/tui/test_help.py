"""The help tells every key whole, however narrow the screen; whatever is longer than its place is seen to its end."""

import pytest

from lanes_tui.actions.keys import KEYS
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.dialogs.help import Help
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.keys import Keys
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.test_everywhere import painted_text


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_no_sentence_is_cut(stage: Stage, width: int) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path, size=(width, 24)) as driver:
        await driver.press("question_mark")
        pane = (await driver.dialog(Help)).query_one(Pane)
        told = " ".join(" ".join(strip.text for strip in pane._strips).split())  # as it is painted
        for name in ("open", "back", "mark", "abort", "pause", "copy", "search"):
            assert " ".join(KEYS[name].does.split()) in told
        assert told.index(KEYS["leave"].does) < told.index(KEYS["commands"].does)


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40)])
@pytest.mark.parametrize("key", ["", "H"])
async def test_F832_its_end_can_be_scrolled_to(stage: Stage, size: tuple[int, int], key: str) -> None:
    """The dialog is lower than its text: what lay below its edge was never seen."""
    stage.hold("held:1", stage.owner())
    stage.counted("codex", 3, 500)
    async with dashboard(stage.path, size=size) as driver:
        await driver.press(*key, "question_mark")
        pane = (await driver.dialog(Help)).query_one(Pane)
        await driver.press("G")
        await driver.until(lambda: pane.scroll_y == pane.max_scroll_y, "the end")
        last = pane.plain.splitlines()[-1].split()[-1]
        await driver.until(lambda: last in painted_text(driver.app), "its last word")


async def test_F832_every_column_is_in_sight_while_it_is_chosen(stage: Stage) -> None:
    async with dashboard(stage.path, size=(60, 15)) as driver:
        await driver.press("c")
        await driver.dialog(ColumnsDialog)
        await driver.press("up")
        await driver.until(lambda: "▌ [x] LAST ERROR" in painted_text(driver.app), "the last column")
        assert "enter keep" in painted_text(driver.app)


async def test_F827_what_acts_next_and_the_command_are_in_sight_on_the_screen_of_a_lane(stage: Stage) -> None:
    owner = stage.owner()
    stage.asks(stage.hold("agent:main:telegram:42", owner), owner, "codex")
    async with dashboard(stage.path, size=(80, 24)) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: screen.lane, "the lane")
        said = ("first_byte_timeout (1m 0s) acts in", "lanes abort agent:main:telegram:42 --epoch 1")

        def is_seen() -> bool:
            painted = " ".join(painted_text(driver.app).split())
            return all(each in painted for each in said)

        await driver.until(is_seen, "both")


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_F827_a_paragraph_that_is_longer_than_its_place_says_so_and_scrolls(
    stage: Stage, size: tuple[int, int]
) -> None:
    owner = stage.owner()
    stage.asks(stage.hold("agent:main:telegram:42", owner, "waiting"), owner, "codex")
    async with dashboard(stage.path, size=size) as driver:
        await driver.until(lambda: "more: tab" in painted_text(driver.app), "that more follows")
        await driver.press("tab")
        assert "more: j" in painted_text(driver.app)
        why = driver.main.detail.query_one("#why", Pane)
        await driver.press("j")
        await driver.until(lambda: why.scroll_y == 1, "the next line")

        def is_at_end() -> bool:
            why.action_scroll_end()  # once more: meanwhile its ages may have taken one more line
            return "more: " not in painted_text(driver.app)

        await driver.press("G")
        await driver.until(is_at_end, "its end")
        assert why.scroll_y > 0
        await driver.press("escape", "down")
        assert driver.main.table.has_focus


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_F894_what_waits_and_happened_is_seen_on_the_smallest_screen_of_a_lane(
    stage: Stage, size: tuple[int, int]
) -> None:
    owner = stage.owner()
    stage.asks(stage.hold("agent:main:telegram:42", owner, "waiting"), owner, "codex")
    async with dashboard(stage.path, size=size) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: screen.lane, "the lane")
        for part in ("#messages", "#events"):
            seen = screen.query_one(part)
            await driver.until(lambda seen=seen: seen.region.height >= 2, part)  # type: ignore[misc]
        message = screen.query_one("#message")
        assert message.region.bottom <= screen.query_one(Keys).region.y, "it is not below the last line"


async def test_F833_what_an_abort_of_many_ends_is_in_sight(stage: Stage) -> None:
    owner = stage.owner()
    for number in range(9):
        stage.hold(f"held:{number}", owner, "waiting")
    ends = "Ends 9 runs; 9 waiting messages are kept."
    for size in ((80, 24), (60, 15)):
        async with dashboard(stage.path, size=size) as driver:
            await driver.until(lambda driver=driver: driver.total == 9, "the lanes")  # type: ignore[misc]
            await driver.press("ctrl+a")
            await driver.until(lambda driver=driver: len(driver.main.marks) == 9, "the marks")  # type: ignore[misc]
            await driver.press("a")
            await driver.dialog(ActionDialog)
            await driver.until(lambda driver=driver: ends in painted_text(driver.app), "what ends")  # type: ignore[misc]
