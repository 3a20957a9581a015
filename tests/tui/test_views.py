"""Views are kept under a number, called back, and the last one is there again when one comes back."""

from pathlib import Path

import pytest

from lanes_storage.records import LaneSort
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import KeptView, Views, load_views
from lanes_tui.screens.journal import JournalScreen
from lanes_tui.widgets.filter_bar import LaneFilterInput
from lanes_tui.widgets.sheet import Sheet
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.test_table import furnish


async def test_a_view_is_kept_under_a_number_and_called_back(stage: Stage, tmp_path: Path) -> None:
    furnish(stage, 30)
    path = tmp_path / "kept" / "views.json"
    async with dashboard(stage.path, views=Views(path)) as driver:
        await driver.press("4")
        await driver.until(lambda: "there is no view 4" in driver.said[-1], "the word on it")
        await driver.filter("idle:01")
        await driver.press("s", "s", "s")
        await driver.listed()  # before that nothing is marked: it is not what is on the screen
        await driver.press("space", "down")
        await driver.until(lambda: driver.key == "idle:012", "the third lane")
        await driver.press("v", "M", "4")
        await driver.until(lambda: driver.said[-1] == "kept as view 4", "the word on it")
        await driver.press("escape", "U", "v", "S")
        await driver.until(lambda: driver.total == 31, "every lane")
        await driver.press("4")
        await driver.until(lambda: driver.total == 10 and driver.key == "idle:012", "the view")
        assert driver.main.settings.order.by is LaneSort.LANE
        assert tuple(driver.main.marks) == ("idle:010",)
        assert driver.main.query_one(LaneFilterInput).value == "idle:01"
        assert not driver.main.wants_detail
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_views(path).numbered["4"].typed == "idle:01"


async def test_who_comes_back_finds_the_filter_the_cursor_the_marks_and_the_screen(
    stage: Stage, tmp_path: Path
) -> None:
    furnish(stage, 30)
    path = tmp_path / "views.json"
    async with dashboard(stage.path, settings=Settings(), views=load_views(path)) as driver:
        await driver.filter("idle:02")
        await driver.press("space", "down", "down")
        there = driver.key
        await driver.press("J")
        await driver.dialog(JournalScreen)
        driver.app.exit(0)
    async with dashboard(stage.path, settings=Settings(), views=load_views(path)) as driver:
        await driver.dialog(JournalScreen)
        await driver.press("escape")
        await driver.closed()
        await driver.until(lambda: driver.key == there and driver.total == 10, "the lanes as they were left")
        assert len(driver.main.marks) == 1


async def test_F754_a_cursor_that_is_found_again_far_down_is_in_sight_with_its_lane(
    stage: Stage, tmp_path: Path
) -> None:
    furnish(stage, 100)
    path = tmp_path / "views.json"
    async with dashboard(stage.path, (80, 24), settings=Settings(), views=load_views(path)) as driver:
        await driver.listed()
        await driver.press("G", "up", "up")
        await driver.until(lambda: driver.key not in (None, "held:1"), "the lane there")
        there = driver.key
        driver.app.exit(0)
    async with dashboard(stage.path, (80, 24), settings=Settings(), views=load_views(path)) as driver:
        await driver.until(lambda: driver.key == there, "the lane as it was left")
        (under,) = (row for row in driver.rows if row.startswith("▌"))
        assert str(there) in under
        await driver.until(
            lambda: "Idle and nothing waits." in driver.main.detail.query_one("#why", Sheet).plain, "why"
        )


@pytest.mark.parametrize(
    "content", ["", "[]", '{"views": 7, "last": {}}', '{"views": {"1": {"marks": [1]}}, "last": {}}']
)
def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "views.json"
    path.write_text(content, encoding="utf-8")
    views = load_views(path)
    assert not views.last
    views.numbered["1"] = KeptView()
    views.save()
    assert path.read_text(encoding="utf-8") == content
