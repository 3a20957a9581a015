"""What is typed again and again: proposals and history in the filter, keys of one's own, and what an action leaves."""

from pathlib import Path

import pytest
from textual.widgets import Button

from lanes.base.terminal import clean
from lanes_storage import reads
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.display import text
from lanes_tui.display.settings import Settings, load
from lanes_tui.display.views import load_views
from lanes_tui.widgets.filter_bar import LaneFilterInput
from lanes_tui.widgets.proposing import proposal
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.test_table import furnish


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("", None),
        ("sta", "state:"),
        ("feishu -sil", "feishu -silent:"),
        ("state:err", "state:errored"),
        ("state:errored,ru", "state:errored,running"),
        ("cause:stall", "cause:stall_timeout"),
        ("nothing", None),
        ("key:a", None),
        ("held:>5m fei", "held:>5m feishu"),
    ],
)
def test_a_filter_is_completed_from_fields_words_and_what_was_typed_before(typed: str, proposed: str | None) -> None:
    assert proposal(typed, ["held:>5m feishu", "queue:>3"]) == proposed


async def test_typed_filters_are_kept_and_come_back_and_a_proposal_is_taken(stage: Stage, tmp_path: Path) -> None:
    furnish(stage, 3)
    settings = Settings(tmp_path / "dashboard.toml")
    async with dashboard(stage.path, settings=settings) as driver:
        field = driver.main.query_one(LaneFilterInput)
        await driver.filter("idle")
        await driver.press("escape")
        await driver.filter("held")
        await driver.press("escape", "slash", "up")
        assert field.value == "held"
        await driver.press("up")
        assert field.value == "idle"
        await driver.press("down", "down")
        assert field.value == ""
        await driver.press("s", "t", "a")
        await driver.until(lambda: field._suggestion == "state:", "the proposal")
        await driver.press("tab")
        assert field.value == "state:"
        assert field.has_focus
    assert load(tmp_path / "dashboard.toml").filters == ("idle", "held")


async def test_keys_are_given_other_meanings_in_the_configuration(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.toml"
    path.write_text('[keymap]\nowners = "h"\n"dead letters" = ["f5", "f6"]\n', encoding="utf-8")
    async with dashboard(stage.path, settings=load(path)) as driver:
        await driver.press("O")
        assert driver.app.screen is driver.main
        await driver.press("h")
        await driver.until(lambda: type(driver.app.screen).__name__ == "OwnersScreen", "the owners")
        await driver.press("escape")
        await driver.closed()
        await driver.press("f6")
        await driver.until(lambda: type(driver.app.screen).__name__ == "DeadLettersScreen", "the dead letters")
        driver.main.settings.save()
    assert load(path).keymap == {"owners": "h", "dead letters": "f5,f6"}


@pytest.mark.parametrize(("chosen", "sign"), [("f9", "f9"), ("Z", "Z")])
async def test_F1110_the_keys_of_a_question_are_given_other_meanings_too(stage: Stage, chosen: str, sign: str) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path, settings=Settings(keymap={"yes": chosen, "copy": "f8"})) as driver:
        await driver.press("p")
        dialog = await driver.dialog(ActionDialog)
        assert str(dialog.query_one("#yes", Button).label).split() == ["Pause", sign]
        await driver.press("f8")
        await driver.until(lambda: "copied" in dialog.plain, "the copy")
        assert "f8 copies  $ lanes pause" in dialog.plain
        await driver.press("y", "Y")
        assert dialog._reason.value == "yY", "these are characters like any other now"
        await driver.press("tab", "tab")
        assert isinstance(driver.app.focused, Button)
        await driver.press(chosen)
        await driver.until(lambda: stage.store.read(reads.pause(1, "held:1")), "the pause")


async def test_F377_keys_and_settings_that_cannot_be_are_named_and_the_usual_ones_hold(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "dashboard.toml"
    keymap = 'nosuch = "w"\nabort = "q"\npause = 5\nowners = "ctrl+alt+nokey,,"\njournal = "D"\n"dead letters" = "J"\n'
    path.write_text(f'edition = 2\nrefresh = "abc"\n[keymap]\n{keymap}', encoding="utf-8")
    (tmp_path / "views.json").write_text("{", encoding="utf-8")
    views = load_views(tmp_path / "views.json")
    async with dashboard(stage.path, settings=load(path), views=views) as driver:
        said = "\n".join(driver.said)
        for each in ("nosuch", "abort", "pause", "owners", "refresh", "views.json", str(path)):
            assert each in said
        assert "journal" not in said, "two that change places"
        await driver.press("O")
        await driver.until(lambda: type(driver.app.screen).__name__ == "OwnersScreen", "the owners")
        await driver.press("q")
        await driver.closed()
        await driver.press("D")
        await driver.until(lambda: type(driver.app.screen).__name__ == "JournalScreen", "the journal")


@pytest.mark.parametrize("follow", [False, True])
async def test_after_an_action_the_cursor_stays_at_its_place_or_follows_the_lane(stage: Stage, follow: bool) -> None:
    owner = furnish(stage, 5)
    stage.fail_lanes(3, owner)
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.keys[1:4] == ["failed:2", "failed:1", "failed:0"], "the failed ones")
        if follow:
            await driver.press("F")
        await driver.press("down", "K", "y")
        await driver.until(lambda: "failed:2" not in driver.keys[:3], "it to be idle")
        await driver.until(lambda: driver.key == ("failed:2" if follow else "failed:1"), "the cursor")


def test_what_would_show_nothing_or_paint_over_other_lines_is_shown_safely() -> None:
    assert text.line("a" + "\u0301" * 500 + "b").plain == "a" + "\u0301" * 4 + "…b"
    assert text.line("\u3164\u115f\u1160\uffa0\u2800").plain == r"\u3164\u115f\u1160\uffa0\u2800"
    assert text.in_the_middle("  a b ", 20) == "␣␣a b␣"
    assert text.in_the_middle("a\u00a0b\u00a0", 20) == "a\u00a0b" + r"\xa0"
    assert text.line("👩\u200d👩\u200d👧").plain == r"👩\u200d👩\u200d👧"
    for unseen in ("\u034f", "\ufe0f", "\U000e0100", "\u180b", "\u17b4", "\u200b", "\u00ad"):
        assert text.in_the_middle(f"pay:al{unseen}ice", 40) == f"pay:al{unseen.encode('unicode_escape').decode()}ice"
    assert clean("❤\ufe0f 1\ufe0f\u20e3") == "❤\ufe0f 1\ufe0f\u20e3", "emoji stay"
    for hostile in ("\ufe0fx", "\u3164x\u2800", "a" + "\u0301" * 9):
        assert clean(clean(hostile)) == clean(hostile)
    assert text.line("한국어 e\u0301 Zürich").plain == "한국어 e\u0301 Zürich"
