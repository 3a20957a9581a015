"""The key that pauses every lane: what it asks, what it does, and that every screen shows it in red."""

import pytest
from textual.widgets import Input

from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import PauseKind
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.lanes.header import Header
from lanes_tui.screens.watching import Watching
from lanes_tui.widgets.sheet import Sheet
from tests.kit.stage import Stage
from tests.tui.driving import Drive, Driver, dashboard


def pauses(stage: Stage) -> list[tuple[str | None, str, str]]:
    """What is paused as a whole."""
    found = stage.store.read(reads.glob_pauses(system_clock().wall))
    return [(pause.pattern, pause.reason, pause.actor) for pause in found]


def pause(stage: Stage, pattern: str = "*", until: int | None = None) -> None:
    now, kind = system_clock(), PauseKind.HAND
    stage.store.write(
        lambda tx: doors.pause_matching(tx, pattern, kind, now, actor="bob", reason="repair", until=until)
    )


def lines(driver: Driver) -> str:
    """What the dialog says."""
    return "\n".join(sheet.plain for sheet in driver.app.screen.query(Sheet))


def is_red(line: Sheet) -> bool:
    """Whether the sign on a line has the colour of what is bad."""
    (sign,) = [segment for segment in line.render_line(0) if "ALL PAUSED" in segment.text]
    bad = line.screen.get_component_rich_style("tone--bad")
    return sign.style is not None and sign.style.color == bad.color


async def asked(driver: Driver) -> ActionDialog:
    """The dialog, once it knows what there is."""
    await driver.press("P")
    dialog = await driver.dialog(ActionDialog)
    await driver.until(lambda: "counting" not in dialog.plain, "the dialog to know")
    return dialog


async def test_it_asks_for_how_long_and_why_and_every_lane_is_paused(stage: Stage, drive: Drive) -> None:
    stage.hold("runs", stage.owner(), "waits")
    async with drive(stage.path) as driver:
        await asked(driver)
        assert "Current runs go on (1 run), waiting messages are kept (1)." in lines(driver)
        await driver.write("1h")
        await driver.press("down")
        await driver.write("main in repair")
        assert "lanes pause --all --for 1h --reason 'main in repair'" in lines(driver)
        await driver.press("enter")
        await driver.closed()
        await driver.shows("ALL PAUSED")
        await driver.until(lambda: driver.said and "all lanes: paused until" in driver.said[-1], "a word on it")
        assert [(pattern, reason) for pattern, reason, _ in pauses(stage)] == [("*", "main in repair")]
        stage.send("to come", "text")
        await driver.shows("to come")

        await asked(driver)
        assert "main in repair" in lines(driver)
        await driver.press("enter")
        assert pauses(stage), "Cancel has the focus"
        await driver.closed()
        await asked(driver)
        await driver.press("up", "enter")
        await driver.closed()
        await driver.until(lambda: pauses(stage) == [], "its end")
        await driver.until(lambda: "ALL PAUSED" not in driver.header, "the sign to go")
        await driver.until(lambda: driver.said[-1] == "all lanes: resumed", "a word on it")


async def test_F361_the_pause_that_the_question_names_is_ended_and_no_other(stage: Stage, drive: Drive) -> None:
    pause(stage)
    async with drive(stage.path) as driver:
        await driver.shows("ALL PAUSED: repair")
        dialog = await asked(driver)
        now = system_clock()
        later = now._replace(wall=now.wall + 1)
        stage.store.write(lambda tx: doors.resume_matching(tx, "*", None, now, actor="bob"))
        stage.store.write(
            lambda tx: doors.pause_matching(tx, "*", PauseKind.HAND, later, actor="carol", reason="migration")
        )
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert "all lanes: " in driver.said[-1]
        assert "resumed" not in driver.said[-1]
        assert pauses(stage) == [("*", "migration", "carol")]

        await driver.shows("ALL PAUSED: migration")
        dialog = await asked(driver)
        await driver.until(lambda: "Paused by carol" in dialog.plain, "the pause that it is for")
        stage.store.write(lambda tx: doors.resume_matching(tx, "*", None, now, actor="bob"))
        await driver.until(lambda: "It has ended." in dialog.plain, "the question to tell")


async def test_F361_a_pause_that_would_be_replaced_is_named(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        dialog = await asked(driver)
        assert "takes the place" not in dialog.plain
        pause(stage)
        await driver.until(lambda: "replaces this one" in dialog.plain, "the question to tell")
        assert "Paused by bob" in dialog.plain
        assert "repair" in dialog.plain


async def test_nothing_is_done_on_escape_nor_with_a_duration_that_is_none(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await asked(driver)
        await driver.write("1 soon")
        await driver.press("enter")
        assert isinstance(driver.app.screen, ActionDialog)
        assert "a duration" in lines(driver)
        await driver.press("escape")
        await driver.closed()
        assert pauses(stage) == []


async def test_a_dashboard_that_only_looks_says_so_and_asks_nothing(stage: Stage) -> None:
    async with dashboard(stage.path, read_only=True) as driver:
        await driver.press("P")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1] == "this dashboard is read-only"
        assert not isinstance(driver.app.screen, ActionDialog)


@pytest.mark.parametrize("width", [80, 120])
async def test_every_screen_shows_it_in_red(stage: Stage, width: int) -> None:
    stage.fail(stage.hold("lane:1", stage.owner()))
    pause(stage)
    async with dashboard(stage.path, (width, 30)) as driver:
        await driver.shows("ALL PAUSED")
        assert is_red(driver.main.query_one(Header).query_one("#about-all", Sheet))
        for key in ("enter", "J", "O", "D"):
            await driver.press(key)
            await driver.until(lambda: isinstance(driver.app.screen, Watching), f"the screen of {key}")
            bar = driver.app.screen.query_one("#bar", Sheet)
            await driver.until(lambda bar=bar: "ALL PAUSED" in bar.plain, f"the sign, after {key}")  # type: ignore[misc]
            assert is_red(bar)
            await driver.press("escape")
            await driver.closed()


async def test_the_sign_tells_what_is_left_of_the_time_and_goes_with_it(stage: Stage) -> None:
    time = Hands(system_clock())
    pause(stage, "agent:*", until=time().wall + MINUTE + 30 * SECOND)
    async with dashboard(stage.path, clock=time) as driver:
        await driver.shows("PAUSED agent:* 1m: repair")
        time.move(MINUTE)
        await driver.until(lambda: "PAUSED agent:*" in driver.header and "1m" not in driver.header, "the time to pass")
        time.move(MINUTE)
        await driver.until(lambda: "PAUSED" not in driver.header, "the sign to go")


async def test_of_several_pauses_the_one_of_all_is_shown_and_the_others_are_counted(stage: Stage) -> None:
    pause(stage, "agent:*")
    pause(stage, "bot:*")
    pause(stage)
    async with dashboard(stage.path) as driver:
        await driver.shows("ALL PAUSED +2: repair")


async def test_the_dialog_may_be_left_while_it_asks(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        for _ in range(5):
            await driver.pilot.press("P", "escape")
        await driver.closed()
        assert not driver.app.query(Input)
