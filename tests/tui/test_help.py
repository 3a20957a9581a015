"""The help tells every key whole, however narrow the screen is, in the order of the table of keys."""

import pytest

from lanes_tui.actions.keys import KEYS
from lanes_tui.dialogs.help import Help
from lanes_tui.widgets.detail import Pane
from tests.kit.stage import Stage
from tests.tui.driving import dashboard


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
