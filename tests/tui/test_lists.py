"""The lists over the main screen: filtered, and marked one by one, by ranges and as a whole."""

import pytest

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import Admission
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.display.matching import row_filter
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.owners import OwnersScreen
from tests.kit.stage import Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_screens import shown

ROW: dict[str, str | int] = {
    "owner": 3,
    "process": "gw-1:977",
    "state": "✖ dead or silent",
    "silent": 4,
    "error": "stall_timeout",
}


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("", True),
        ("GW-1 stall", True),
        ("gw-2", False),
        ("state:dead,draining silent:>3", True),
        ("silent:<4", False),
        ("-error:stall", False),
        ('state:"dead or"', True),
        ("!gw-2 owner:3", True),
        ("gw-1:977", True),  # a part of what it says, with a colon in it
    ],
)
def test_a_row_is_chosen_by_what_its_columns_say(typed: str, fits: bool) -> None:
    chosen = row_filter(typed, tuple(ROW))
    assert chosen.problem is None
    assert chosen.fits(ROW) == fits


def test_a_field_that_is_mistyped_is_told_and_leaves_nothing_out() -> None:
    chosen = row_filter("sate:dead gw-1", tuple(ROW))
    assert chosen.problem == "“sate:” is not a field; did you mean “state:”?"
    assert chosen.fits(ROW)


async def test_a_range_of_dead_letters_is_marked_and_retried(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    stage.fail_lanes(6, owner)
    async with drive(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: "failed:0" in shown(screen, "rows"), "the letters, all of them")
        await driver.press("j", "V")
        assert "range: go to its other end" in screen.filter.plain
        await driver.press("j", "j", "V")
        await driver.until(lambda: len(screen.marks) == 3, "the range")
        assert sorted(screen.marks.values()) == [3, 4, 5], "the newest comes first"
        await driver.press("V", "escape")
        assert screen.rows.range_from is None
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("enter")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.ended, "the end")
        assert not screen.marks
    assert [stage.waits(f"failed:{number}") for number in range(6)] == [False, False, True, True, True, False]


async def test_F366_marked_dead_letters_that_are_hidden_or_gone_are_told(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    stage.fail_lanes(4, owner)
    async with drive(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: screen.letter, "the letters")
        await driver.press("space", "space", "space")
        assert len(screen.marks) == 3
        await driver.press("slash")
        await driver.write("failed:0")
        await driver.press("enter")
        await driver.until(lambda: screen.letter is not None and screen.letter.key == "failed:0", "the filter")
        retried(stage, max(screen.marks.values()))
        await driver.press("R")
        dialog = await driver.dialog(ActionDialog)
        assert "1 message retried or pruned meanwhile" in driver.said[-1]
        await driver.until(lambda: "failed:1" in dialog.plain and "failed:2" in dialog.plain, "which they are")
        assert "Retry 2 messages?" in dialog.plain
        assert "All of these are hidden by the filter." in dialog.plain


def retried(stage: Stage, message_id: int) -> None:
    """Somebody else takes it from the list."""
    stage.store.write(lambda tx: doors.retry(tx, message_id, Admission(20), system_clock(), actor="bob"))


@pytest.mark.usefixtures("slow_hands")
@pytest.mark.parametrize("key", ["R", "x", "a", "space", "V"])
async def test_F699_a_key_for_a_row_that_left_a_list_does_nothing_to_the_next(stage: Stage, key: str) -> None:
    owner = stage.owner()
    stage.fail_lanes(4, owner)
    async with dashboard(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: screen.letter, "the letters")
        await driver.press("down")
        assert screen.lane_key == "failed:2"
        retried(stage, 3)
        await driver.until(lambda: screen.lane_key == "failed:1", "the next one to move up")
        await driver.press(key)
        assert driver.app.screen is screen
        assert (screen.marks, screen.rows.range_from) == ({}, None)
        assert "the cursor is now on another row" in driver.said[-1]
        retried(stage, 4)
        await driver.until(lambda: screen.rows.total == 2, "one less above, which is no other row")
        assert screen.lane_key == "failed:1"
        await driver.press(key)
        await driver.until(
            lambda: driver.app.screen is not screen or screen.marks or screen.rows.range_from, "a second"
        )


@pytest.mark.usefixtures("slow_hands")
async def test_F699_what_is_marked_is_not_what_came_under_the_cursor(stage: Stage) -> None:
    """A prune is of the row under the cursor all the same."""
    owner = stage.owner()
    stage.fail_lanes(3, owner)
    async with dashboard(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: screen.letter, "the letters")
        await driver.press("space")
        assert screen.lane_key == "failed:1"
        retried(stage, 2)
        await driver.until(lambda: screen.lane_key == "failed:0", "the next one to move up")
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("escape", "x")
        assert driver.app.screen is screen
        assert "the cursor is now on another row" in driver.said[-1]


async def test_owners_are_filtered_and_those_that_are_marked_are_drained(stage: Stage, drive: Drive) -> None:
    stage.dead_owner()
    some = [stage.owner(stale_after_ms=86_400_000) for _ in range(2)]
    other = stage.owner(kind="desk")
    async with drive(stage.path) as driver:
        await driver.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: "dead or silent" in shown(screen, "rows"), "the owners")
        await driver.press("slash")
        await driver.write("state:alive kind:gateway")
        await driver.press("ctrl+a")
        await driver.until(lambda: len(screen.marks) == 2, "the marks")
        assert sorted(screen.marks.values()) == some
        assert str(other) not in screen.marks
        await driver.press("W")
        dialog = await driver.dialog(ActionDialog)
        assert "Drain 2 gateways?" in dialog.plain
        await driver.press("y")
        await driver.until(lambda: shown(screen, "rows") == "no owner fits the filter", "both to drain")
        assert driver.said[-1] == f"gateways {some[0]} and {some[1]} drain: nothing more is claimed until a restart"


async def test_a_lane_that_is_tried_again_by_itself_is_not_told_as_an_error(stage: Stage) -> None:
    owner, now = stage.owner(), system_clock()
    stage.park(stage.hold("parks:1", owner))
    stage.send("never ran:1", "text")
    until = now.wall + 90_000
    stage.store.write(
        lambda tx: [doors.postpone(tx, head, until, 600_000, now) for head in doors.candidates(tx, owner, now, limit=9)]
    )
    async with dashboard(stage.path) as driver:
        await driver.shows("◔ parked", "again in 1m", "s: provider")
        assert "✖ errored" not in "\n".join(driver.rows)


async def test_F206_what_is_pressed_while_marks_are_read_acts_on_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be for the lane under the cursor, and not for those that are about to be marked."""
    import asyncio

    from lanes_tui.sources.source import Source

    owner = stage.owner()
    for number in range(3):
        stage.hold(f"held:{number}", owner)
    reads, gate = Source.marks, asyncio.Event()

    async def slow(self: Source, *given: object) -> object:
        await gate.wait()
        return await reads(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Source, "marks", slow)
    async with dashboard(stage.path) as driver:
        await driver.press("ctrl+a", "a")
        await driver.until(lambda: driver.said, "a word on it")
        assert "still being read" in driver.said[-1]
        assert driver.app.screen is driver.main
        gate.set()
        await driver.until(lambda: len(driver.main.marks) == 3, "the marks")
        await driver.press("a")
        assert "Abort 3 lanes?" in (await driver.dialog(ActionDialog)).plain
