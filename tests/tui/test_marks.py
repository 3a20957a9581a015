"""Marks: one, a range, all, the others, none; and those that the filter hides are counted."""

from lanes.verbs.paging import PAGE
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard
from tests.tui.test_table import furnish


def marked(driver: Driver) -> set[str]:
    """The marked lanes."""
    return set(driver.main.marks)


async def test_space_marks_goes_on_and_takes_away(stage: Stage) -> None:
    furnish(stage, 5)
    async with dashboard(stage.path) as driver:
        await driver.press("space", "space")
        assert marked(driver) == {"held:1", "idle:004"}
        assert driver.key == "idle:003"
        assert driver.rows[0].startswith(" * ▶")
        assert driver.rows[2].startswith("▌  ○")
        assert "marked 2" in driver.header
        await driver.press("up", "space")
        assert marked(driver) == {"held:1"}


async def test_a_range_marks_everything_between_its_ends(stage: Stage) -> None:
    furnish(stage, 30)
    async with dashboard(stage.path) as driver:
        await driver.press("down", "V", "down", "down", "down", "V")
        await driver.until(lambda: len(driver.main.marks), "the range")
        assert marked(driver) == {"idle:029", "idle:028", "idle:027", "idle:026"}
        await driver.press("G", "V", "up", "up", "ctrl+@")
        await driver.until(lambda: len(driver.main.marks) == 7, "a range that goes up")
        assert {"idle:000", "idle:001", "idle:002"} < marked(driver)


async def test_F665_a_range_marks_everything_also_where_it_is_longer_than_a_page(stage: Stage) -> None:
    """Elsewhere than at its beginning, lanes would be left without a mark, and without a word."""
    crowd(stage.path, PAGE + 30)
    async with dashboard(stage.path) as driver:
        await driver.press("down", "V", "G")
        await driver.until(lambda: driver.main.table.view.row == PAGE + 29 and driver.key, "the last lane")
        await driver.press("V")
        await driver.until(lambda: len(driver.main.marks), "the range")
        assert len(driver.main.marks) == PAGE + 29


async def test_escape_leaves_a_range(stage: Stage) -> None:
    furnish(stage, 5)
    async with dashboard(stage.path) as driver:
        await driver.press("V", "down", "escape", "V", "down", "V")
        await driver.until(lambda: len(driver.main.marks), "the second range")
        assert marked(driver) == {"idle:004", "idle:003"}


async def test_all_that_match_are_marked_wherever_they_are(stage: Stage) -> None:
    furnish(stage, 100)
    async with dashboard(stage.path, (80, 20)) as driver:
        await driver.filter("idle:0")
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 100, "every idle lane")
        assert "held:1" not in marked(driver)
        await driver.filter("9")
        await driver.until(lambda: "marked 100 (90 hidden)" in driver.header, "those that the filter hides")
        await driver.press("i")
        await driver.until(lambda: len(driver.main.marks) == 90, "the others")
        await driver.until(lambda: "marked 90 (90 hidden)" in driver.header, "all of them hidden")
        await driver.press("escape")
        await driver.until(lambda: driver.header.find("marked 90") > 0 and "hidden" not in driver.header, "none hidden")
        await driver.press("U")
        assert not marked(driver)
        assert "marked" not in driver.header
