"""What can be done from every screen: write, copy, export, look otherwise, and find a command by its name."""

import ast
import json
import re
import stat
import time
from functools import partial
from pathlib import Path

import pytest
from textual.events import Key

import lanes_tui
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_tui.app import Dashboard
from lanes_tui.dialogs.help import Help
from lanes_tui.dialogs.palette import Palette
from lanes_tui.dialogs.send import SendDialog, Writing, showable
from lanes_tui.display.ascii import in_ascii
from lanes_tui.display.settings import Settings, load
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.owners import OwnersScreen
from lanes_tui.tables.rows import Rows
from lanes_tui.widgets.sheet import Sheet
from tests.kit.stage import Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_screens import shown


async def test_a_message_of_several_lines_is_sent_and_its_place_told(stage: Stage, drive: Drive) -> None:
    stage.hold("held:1", stage.owner(), "waiting")
    async with drive(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("m")
        dialog = await driver.dialog(SendDialog)
        assert "to held:1" in shown(dialog, "dialog-lines")
        assert dialog.query_one(Writing).placeholder == "the message"
        await driver.press("ctrl+s")
        assert "nothing to send" in shown(dialog, "refused")
        await driver.press("h", "i", "enter", "y", "o", "u", "ctrl+s")
        await driver.until(lambda: driver.said, "the acceptance")
        assert driver.said[-1] == "accepted as message 3, 2 in its queue"
        assert stage.message(3).text == "hi\nyou"


async def test_a_text_is_given_to_the_run_and_only_where_one_is(stage: Stage, drive: Drive) -> None:
    stage.send("idle:1", "hello")
    claimed = stage.hold("held:1", stage.owner())
    async with drive(stage.path) as driver:
        await driver.until(lambda: len(driver.keys) == 2, "the lanes")
        for key in ("idle:1", "held:1"):
            await driver.press("g", *["j"] * driver.keys.index(key))
            await driver.until(lambda key=key: driver.key == key, "the cursor")  # type: ignore[misc]
            await driver.press("m")
            dialog = await driver.dialog(SendDialog)
            await driver.press("x", "ctrl+t")
            if key == "idle:1":
                assert "there is no run to steer" in shown(dialog, "refused")
                await driver.press("escape")
            await driver.closed()
        await driver.until(lambda: driver.said, "the acceptance")
        assert stage.message(3).key == "held:1"
        taken = stage.store.write(lambda tx: doors.take_steer(tx, claimed.ticket, system_clock(), by="run"))
        assert taken is not None
        assert taken.text == "x"


async def test_what_was_typed_is_not_lost_when_it_is_refused(stage: Stage) -> None:
    stage.hold("held:1", stage.owner(), *(f"waiting {number}" for number in range(20)))
    async with dashboard(stage.path) as driver:
        await driver.press("m")
        dialog = await driver.dialog(SendDialog)
        await driver.press("h", "i", "ctrl+s")
        await driver.until(lambda: "not accepted" in shown(dialog, "refused"), "the refusal")
        assert "full (20 waiting)" in shown(dialog, "refused")
        assert dialog.query_one(Writing).text == "hi"
        await driver.press("escape")
        await driver.closed()


def test_what_is_pasted_keeps_what_can_be_shown() -> None:
    assert showable("a\x1b]52;c;x\x07b\r\nc\rd\u2028e\tf\u202eg\u200b微信 é") == "a]52;c;xb\nc\nd\ne    fg微信 é"


async def test_a_key_is_copied_exactly(stage: Stage) -> None:
    key = "weird:[/]:\u202e:微信"
    stage.send(key, "hello")
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("Y")
        assert driver.app.clipboard == key
        await driver.until(lambda: driver.said, "a word on it")
        assert "\u202e" not in driver.said[-1]


def exported(folder: Path, kind: str) -> list[Path]:
    """The files of that kind that were written."""
    return list(folder.glob(f"lanes-*.{kind}"))


async def test_the_lanes_of_the_filter_are_exported(
    stage: Stage, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage.send("one:1", "hello")
    stage.send("two:1", "hello")
    async with drive(stage.path) as driver:
        await driver.filter("two")
        await driver.press("e")
        await driver.until(lambda: driver.said, "the notice")
        (written,) = exported(tmp_path, "json")
        assert str(written) in driver.said[-1]
        assert [lane["key"] for lane in json.loads(written.read_text())] == ["two:1"]
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        await driver.press("E")
        await driver.until(lambda: len(driver.said) == 2, "the notice")
        (drawn,) = exported(tmp_path, "svg")
        assert "two:1" in drawn.read_text()


async def test_an_export_that_cannot_be_written_says_so(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    async with dashboard(stage.path) as driver:
        await driver.press("e")
        await driver.until(lambda: driver.said, "the notice")
        assert "not written" in driver.said[-1]


async def test_a_command_is_found_by_its_name(stage: Stage) -> None:
    stage.owner()
    async with dashboard(stage.path) as driver:
        await driver.press("colon")
        palette = await driver.dialog(Palette)
        assert "Owners" in shown(palette, "commands")
        for key in (*"own", "enter"):  # all at once, as over a slow line
            driver.app.post_message(Key(key, "\r" if key == "enter" else key))
        await driver.dialog(OwnersScreen)
        await driver.press("colon")
        palette = await driver.dialog(Palette)
        assert "Drain" in shown(palette, "commands"), "of the screen beneath"
        await driver.write("no such thing")
        assert shown(palette, "commands") == "no such command"
        await driver.press("enter", "escape")
        await driver.dialog(OwnersScreen)


async def test_F973_what_is_typed_after_a_click_on_a_command_still_looks_for_one(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await driver.press("colon")
        palette = await driver.dialog(Palette)
        await driver.pilot.click("#commands", offset=(5, 2))
        assert palette.query_one(Rows).key == "2"
        await driver.write("own")
        assert shown(palette, "commands").lstrip().startswith("O "), "the best fit is the first one"


async def test_a_theme_is_worn_and_kept(stage: Stage, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "dashboard.toml")
    async with dashboard(stage.path, settings=settings) as driver:
        await driver.press("colon")
        await driver.dialog(Palette)
        await driver.write("nord")
        await driver.press("enter")
        await driver.until(lambda: driver.app.theme == "nord", "the theme")
        await driver.press("T")
        assert driver.app.theme != "nord"
    assert load(tmp_path / "dashboard.toml").theme == driver.app.theme
    async with dashboard(stage.path, settings=load(tmp_path / "dashboard.toml")) as again:
        assert again.app.theme == driver.app.theme


async def test_times_are_written_in_the_zone_that_was_chosen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    settings = Settings(tmp_path / "dashboard.toml")
    try:
        async with dashboard(stage.path, settings=settings) as driver:
            assert "Z" in driver.header.splitlines()[0].partition("as of")[2]
            await driver.press("z")
            await driver.shows(" JST")
            assert load(tmp_path / "dashboard.toml").local_time
            await driver.press("z")
            await driver.until(lambda: "JST" not in driver.header, "UTC again")
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_ascii_draws_every_widget_in_ascii_at_the_same_width(stage: Stage, tmp_path: Path) -> None:
    stage.hold("key:微信:🐈", stage.owner(), "waiting")
    async with dashboard(stage.path, settings=Settings(ascii=True)) as driver:
        for key in ("", "enter", "escape", "question_mark", "escape", "colon", "escape", "m", "escape"):
            await driver.press(*([key] if key else []))
            painted = painted_text(driver.app)
            assert painted.isascii(), [c for c in painted if not c.isascii()]
        assert "key:????:??" in painted_text(driver.app)
        await driver.press("X")
        await driver.until(lambda: "▶ running" in painted_text(driver.app), "all signs")


async def test_F968_spaces_at_the_edges_of_a_key_are_seen_wherever_it_is_named(stage: Stage) -> None:
    """A question about the lane `` x`` read like one about ``x``."""
    stage.hold(" x", stage.owner())
    async with dashboard(stage.path) as driver:
        for keys in ([], ["a"], ["escape", "m"], ["escape", "enter"], ["a"], ["y"]):
            await driver.press(*keys)
            if "enter" in keys:  # a key for a lane that is not read yet does nothing
                await driver.until(partial(_has_its_lane, await driver.dialog(LaneScreen)), "the lane")
            await driver.until(lambda: "␣x" in painted_text(driver.app), str(keys))
            named = [line for line in painted_text(driver.app).splitlines() if re.search(r"\bx\b", line)]
            assert named, keys
            assert all("␣x" in line or "' x'" in line for line in named), named
        await driver.until(lambda: driver.said, "what came of it")
        assert driver.said[-1].startswith("␣x: ")


def _has_its_lane(screen: LaneScreen) -> bool:
    return screen._detail is not None


def painted_text(app: object) -> str:
    """What the terminal would be sent for the whole screen."""
    assert isinstance(app, Dashboard)
    return "\n".join("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips())


def test_every_sign_has_a_stand_in_of_its_own_width() -> None:
    assert in_ascii("▶ running ‖ … 微信 🐈") == "> running = ~ ???? ??"
    texts = [
        node.value
        for path in Path(lanes_tui.__file__).parent.rglob("*.py")
        if path.name != "ascii.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    signs = {sign for each in texts for sign in each if sign.isprintable() and not sign.isascii()}
    assert [sign for sign in signs if in_ascii(sign) == "?"] == ["◌"], "F966: ‹ › had none"


async def test_help_tells_the_keys_of_the_screen_beneath(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("question_mark")
        screen = await driver.dialog(Help)
        said = screen.query_one("#dialog-lines", Sheet).plain
        for word in (
            "MOVING",
            "SCREENS",
            "WHAT IS SHOWN",
            "MARKING",
            "ACTING",
            "COPYING AND SAVING",
            "Abort",
            "Journal",
            "Filter",
            "○ idle",
        ):
            assert word in said
        assert "Scroll" not in said, "of the toolkit's own"
        await driver.press("escape", "enter")
        await driver.dialog(LaneScreen)
        await driver.press("question_mark")
        screen = await driver.dialog(Help)
        assert "Drop a waiting message" in screen.query_one("#dialog-lines", Sheet).plain


async def test_an_empty_database_says_what_to_type_and_takes_the_first_message(stage: Stage, drive: Drive) -> None:
    async with drive(stage.path) as driver:
        await driver.shows(
            "No lanes yet", f"lanes send demo:1 hello {driver.app.source.option} {driver.app.source.name[:12]}"
        )
        for key in ("enter", "Y"):
            await driver.press(key)
        assert driver.app.screen is driver.main
        await driver.press("J")
        await driver.until(lambda: "no events yet" in driver.app.screen.query_one(Rows).plain, "the words")
        await driver.press("escape")
        await driver.closed()
        await driver.press("m")
        await driver.dialog(SendDialog)
        await driver.press("h", "i", "ctrl+s")
        await driver.until(lambda: driver.keys == ["demo:1"], "the first lane")
        assert stage.message(1).text == "hi"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (40, 12)])
async def test_every_screen_fits_every_size(stage: Stage, size: tuple[int, int]) -> None:
    stage.fail(stage.hold("failed:1", stage.owner(), "waiting"))
    async with dashboard(stage.path, size) as driver:
        for key in ("enter", "J", "O", "D", "m", "question_mark", "colon"):
            await driver.press(key)
            await driver.settle()
            assert driver.app.screen.size == size
            await driver.press("escape")
            await driver.closed()
