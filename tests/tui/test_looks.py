"""Every look at every size: dark, light, the terminal's own colours, none, and ASCII only."""

from pathlib import Path

import pytest

from lanes_tui.display.settings import Settings
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.terminal import ABLE, TerminalTraits
from tests.pictures.scene import FEISHU, stage
from tests.tui.driving import Driver, dashboard
from tests.tui.test_everywhere import painted_text

SIZES = [(80, 24), (120, 40), (200, 50)]
LOOKS: dict[str, tuple[str | None, TerminalTraits]] = {
    "dark": (None, ABLE),
    "light": (None, TerminalTraits(light=True)),
    "ansi": ("ansi-light", ABLE),
    "poor": (None, TerminalTraits(ascii=True, poor=True)),
    "none": (None, ABLE),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_the_lanes_and_a_lane_are_drawn_whole(tmp_path: Path, look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = stage(tmp_path / "lanes.db")
    theme, traits = LOOKS[look]
    if look == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    settings = Settings(theme=theme)
    async with dashboard(tmp_path / "lanes.db", SIZES[0], clock=clock, settings=settings, traits=traits) as driver:
        for size in SIZES:
            await driver.pilot.resize_terminal(*size)
            await driver.until(lambda size=size: len(painted_text(driver.app).splitlines()) == size[1], "the size")  # type: ignore[misc]
            await driver.until(lambda: FEISHU[-8:] in painted_text(driver.app), "the lanes")
            check(driver, look, size)
            titles = [column.title for column in driver.main.table.columns]
            assert {"STATE", "LANE", "SILENT"} <= set(titles)
            beside = driver.main.detail.region.x > 0
            assert beside is (size[0] >= 140), "the detail stands beside the lanes where there is room"
        await driver.press("enter")
        await driver.dialog(LaneScreen)
        await driver.until(lambda: "JOURNAL" in painted_text(driver.app), "the lane")
        check(driver, look, SIZES[-1])


def check(driver: Driver, look: str, size: tuple[int, int]) -> None:
    """Every line is as wide as the screen, and says what the look allows."""
    lines = driver.app.screen._compositor.render_strips()
    assert [strip.cell_length for strip in lines] == [size[0]] * size[1]
    if look == "poor":
        assert painted_text(driver.app).isascii()
    if look == "none":
        colours = {segment.style.color for strip in lines for segment in strip if segment.style is not None}
        assert all(colour is None or colour.is_default for colour in colours)
