"""Questions: of a lane that awaits input, and of the dashboard before it acts, also on a small screen."""

from itertools import product

import pytest
from textual.widgets import Button
from textual.widgets._toast import Toast

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import NewQuestion
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.dialogs.send import SendDialog
from tests.kit.stage import MINUTE, Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_screens import shown


async def test_F251_a_question_is_shown_and_answered(stage: Stage, drive: Drive) -> None:
    claimed = stage.hold("held:1", stage.owner())
    which = NewQuestion("1.1", "Which branch? [/]", 10 * MINUTE, ("main", "dev"))
    stage.store.write(lambda tx: doors.ask(tx, claimed.ticket, which, system_clock(), by="run"))
    async with drive(stage.path) as driver:
        await driver.until(lambda: "? awaiting" in driver.rows[0], "the state of the lane")
        assert "asks: Which" in driver.rows[0]
        await driver.press("m")
        dialog = await driver.dialog(SendDialog)
        assert "Answer the question" in shown(dialog, "dialog-title")
        assert "Which branch? [/]" in shown(dialog, "dialog-lines")
        assert "main, dev" in shown(dialog, "dialog-lines")
        await driver.press("x", "ctrl+s")
        await driver.until(lambda: "one of: main, dev" in shown(dialog, "refused"), "the refusal")
        await driver.press("backspace", "m", "a", "i", "n", "ctrl+s")
        await driver.until(lambda: driver.said, "the acceptance")
        message = stage.message(2)
        assert (message.text, message.state) == ("main", "queued")


@pytest.mark.parametrize("asks", ["a", "p", "P", "q", "m"])
async def test_F543_on_a_small_screen_a_question_has_its_buttons_and_nothing_covers_it(stage: Stage, asks: str) -> None:
    stage.hold("agent:main:telegram:42", stage.owner())
    async with dashboard(stage.path, size=(40, 10), with_gateway=True) as driver:
        await driver.until(lambda: driver.key, "the lane")
        driver.app._disable_notifications = False  # as without a test around it
        await driver.press(asks)
        dialog = await driver.dialog(Dialog)
        for number in range(3):
            driver.app.notify(f"agent:main:telegram:{number} has been silent for 2m, no limit set", timeout=60)
        await driver.until(lambda: len(dialog.query(Toast)) == 3, "the notifications that come meanwhile")
        box = dialog.query_one("#dialog")
        seen = [
            dialog.get_widget_at(*at)[0] for at in product(range(*box.region.column_span), range(*box.region.line_span))
        ]
        assert all(box in each.ancestors_with_self for each in seen)
        assert set(dialog.query(Button)) <= set(seen)
