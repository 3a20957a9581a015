"""Other programs' gateways in the header: named there when nothing true is shown of their sessions."""

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import SourceState
from tests.kit.stage import MINUTE, Stage
from tests.tui.driving import Drive


async def test_a_source_that_cannot_be_watched_is_in_the_header(stage: Stage, drive: Drive) -> None:
    owner, now = stage.owner(), system_clock()
    before = now._replace(wall=now.wall - 5 * MINUTE)

    def note(state: SourceState) -> None:
        stage.store.write(lambda tx: doors.note_source(tx, "claw", owner, state, before, why="it is stopped"))

    stage.store.write(lambda tx: doors.watch(tx, "claw", "openclaw", "ws://x", owner, before, is_gone=lambda *_: False))
    note(SourceState.CONNECTED)
    note(SourceState.HUNG)
    async with drive(stage.path) as driver:
        await driver.until(lambda: "⚠ claw hung 5m" in driver.header, "the source")
        note(SourceState.CONNECTED)
        await driver.until(lambda: "claw" not in driver.header, "it to be well")
        stage.store.write(lambda tx: doors.end_owner(tx, owner, now, cause="stopped", by="test"))
        await driver.until(lambda: "⚠ claw not watched" in driver.header, "that nobody watches it")
