"""A lane that awaits input, in the dashboard: its state, what it asks, and the answer."""

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import NewQuestion
from lanes_tui.dialogs.send import SendDialog
from tests.kit.stage import MINUTE, Stage
from tests.tui.driving import Drive
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
