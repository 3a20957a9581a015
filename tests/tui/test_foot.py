"""The keys at the foot of a screen: each is there whole, or not at all."""

import pytest

from lanes_tui.dialogs.help import Help
from lanes_tui.widgets.keys import Keys
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard


def foot(driver: Driver) -> str:
    """The last line of the screen, as it is painted."""
    return "".join(segment.text for segment in driver.app.screen._compositor.render_strips()[-1]).rstrip()


@pytest.mark.parametrize("width", [80, 81, 50, 30, 120])
async def test_a_key_stands_at_the_foot_whole_or_not_at_all(stage: Stage, width: int) -> None:
    stage.send("one:1", "hello")
    async with dashboard(stage.path, size=(width, 24)) as driver:
        await driver.until(lambda: driver.key and "Filter" in foot(driver), "the foot")
        keys = driver.main.active_bindings.values()
        said = [f"{driver.app.get_key_display(key.binding)} {key.binding.description}" for key in keys]
        shown = [each.strip() for each in foot(driver).split("  ")]
        assert shown == [each for each in said if each in shown]
        if width == 80:
            assert {"J Journal", "O Owners", "H Providers", "D Dead letters", "? Help"} <= set(shown), (
                "the other screens"
            )
        if width < 120:
            await driver.pilot.resize_terminal(120, 24)
            await driver.until(lambda: len(foot(driver).split("  ")) > len(shown), "more keys where there is more room")


async def test_a_click_at_the_foot_presses_the_key(stage: Stage) -> None:
    stage.send("one:1", "hello")
    async with dashboard(stage.path, size=(80, 24)) as driver:
        await driver.until(lambda: driver.key and "Help" in foot(driver), "the foot")
        await driver.pilot.click(Keys, offset=(foot(driver).index("Help"), 0))
        await driver.dialog(Help)
