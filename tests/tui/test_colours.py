"""Every tone can be read in every theme; and what a terminal can show is found out, not asked of the person."""

import os
import pty
import select
import threading

import pytest
from textual.color import Color
from textual.notifications import Notification
from textual.theme import BUILTIN_THEMES
from textual.widgets import Button, Input
from textual.widgets._toast import Toast

from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.fields import FieldInput
from lanes_tui.display import text
from lanes_tui.display.contrast import ENOUGH, GROUNDS, contrast, shown_in, tone_variables
from lanes_tui.display.settings import Settings
from lanes_tui.terminal import TerminalTraits, query_terminal, traits_of
from lanes_tui.widgets.filter_bar import FilterInput
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.terminal import terminal
from tests.tui.test_everywhere import painted_text

#: The sixteen colours as xterm has them, and as VGA had; then the default ones.
PALETTES = {
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5"
    " 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
    "vga": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa"
    " 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
}
NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
PLAIN = [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi]


@pytest.mark.parametrize("name", PLAIN)
async def test_every_tone_can_be_read_on_every_ground_of_every_theme(stage: Stage, name: str) -> None:
    stage.send("one:1", "hello")
    async with dashboard(stage.path, settings=Settings(theme=name)) as driver:
        assert driver.app.theme == name
        variables = driver.app.get_css_variables()
        for ground in GROUNDS:
            for tone in (*(f"tone-{tone}" for tone in text.TONES), "plain"):
                found = contrast(Color.parse(variables[tone]), Color.parse(variables[ground]))
                assert found >= ENOUGH, f"{tone} on {ground}: {found:.2f}"
        table = driver.main.table
        for tone in text.TONES:
            assert table._get_style(f".tone--{tone}").foreground == Color.parse(variables[f"tone-{tone}"])
        assert table.visual_style.background == Color.parse(variables["ground"])


@pytest.mark.parametrize("name", PLAIN)
async def test_F971_notices_hints_in_fields_and_buttons_can_be_read_in_every_theme(stage: Stage, name: str) -> None:
    stage.send("one:1", "hello")
    async with dashboard(stage.path, settings=Settings(theme=name)) as driver:
        found = {"hint of the filter": hint_in(driver.main.query_one(FilterInput))}
        await driver.press("p")
        dialog = await driver.dialog(ActionDialog)
        field = dialog.query(FieldInput).first()
        found["hint"] = hint_in(field)
        field.focus()
        await driver.until(lambda: field.has_focus, "the focus")
        found |= {"hint with the focus": hint_in(field), "typed": contrast(*field.colors[2:])}
        found |= {str(button.label): contrast(*button.colors[2:]) for button in dialog.query(Button)}
        notice = Toast(Notification("a word on it"))
        await driver.main.mount(notice)
        found["notice"] = contrast(*notice.colors[2:])
    assert {what: each for what, each in found.items() if each < ENOUGH} == {}


def hint_in(field: Input) -> float:
    """The contrast of what stands in an empty field."""
    ground, hint = field.colors[2], field.get_visual_style("input--placeholder").foreground
    assert hint is not None
    return contrast(ground, ground.blend(hint, hint.a, 1))


@pytest.mark.parametrize("colours", ["256", "standard"])
@pytest.mark.parametrize("name", PLAIN)
def test_F970_every_tone_can_be_read_where_a_terminal_has_fewer_colours(name: str, colours: str) -> None:
    """As over SSH, which does not pass on that it has more, and in a multiplexer."""
    theme, shown = BUILTIN_THEMES[name], shown_in(colours)
    variables = tone_variables(theme.to_color_system().generate(), ansi=False, dark=theme.dark, colours=colours)
    for ground in GROUNDS:
        for tone in (*(f"tone-{tone}" for tone in text.TONES), "plain"):
            found = contrast(shown(Color.parse(variables[tone])), shown(Color.parse(variables[ground])))
            assert found >= ENOUGH, f"{tone} on {ground}: {found:.2f}"


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("dark", [True, False])
def test_the_colours_of_a_terminal_can_be_read_on_its_default_ground(palette: str, dark: bool) -> None:
    colours = [Color.parse(f"#{value}") for value in PALETTES[palette].split()]
    ground, default = (colours[0], colours[7]) if dark else (colours[15], colours[0])
    for name, chosen in tone_variables({}, ansi=True, dark=dark).items():
        word = chosen.removeprefix("ansi_")
        if word == "default":
            colour = default
        else:
            colour = colours[NAMES.index(word.removeprefix("bright_")) + (8 if "bright_" in word else 0)]
        assert name in GROUNDS or contrast(colour, ground) >= ENOUGH, (name, chosen)


@pytest.mark.parametrize("name", ["ansi-dark", "ansi-light"])
async def test_where_colours_are_the_terminals_the_line_under_the_cursor_is_reversed(stage: Stage, name: str) -> None:
    stage.fail(stage.hold("one:1", stage.owner()))
    async with dashboard(stage.path, settings=Settings(theme=name)) as driver:
        styles = [segment.style for segment in driver.main.table.render_line(0) if segment.style]
        assert all(style.reverse for style in styles)
        assert len({style.color for style in styles}) == 1


@pytest.mark.parametrize(
    ("env", "answer", "traits"),
    [
        ({}, b"", TerminalTraits()),
        ({"LANG": "en_US.UTF-8"}, b"", TerminalTraits()),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, b"", TerminalTraits(ascii=True)),
        ({"LANG": "de_DE.ISO-8859-1"}, b"", TerminalTraits(ascii=True)),
        ({"TERM": "linux", "COLORFGBG": "0;15"}, b"", TerminalTraits(ascii=True, poor=True)),
        ({"COLORFGBG": "0;15"}, b"", TerminalTraits(light=True)),
        ({"COLORFGBG": "0;default;15"}, b"", TerminalTraits(light=True)),
        ({"COLORFGBG": "15;0"}, b"\x1b]11;rgb:ffff/ffff/ffff\x07", TerminalTraits()),
        ({}, b"\x1b]11;rgb:ffff/ffff/dddd\x1b\\\x1b[?62c", TerminalTraits(light=True)),
        ({}, b"\x1b]11;rgb:1e/1e/2e\x1b\\\x1b[?62c", TerminalTraits()),
    ],
)
def test_what_a_terminal_can_show_is_found_out(env: dict[str, str], answer: bytes, traits: TerminalTraits) -> None:
    assert traits_of(env, lambda: answer) == traits


def test_a_terminal_is_asked_for_its_ground_and_given_back_as_it_was() -> None:
    ours, its = pty.openpty()
    heard = b""

    def answer() -> None:
        nonlocal heard
        while b"[c" not in heard:
            heard += os.read(ours, 100)
        os.write(ours, b"\x1b]11;rgb:fafa/fafa/fafa\x1b\\\x1b[?65;1c")

    try:
        answering = threading.Thread(target=answer)
        answering.start()
        assert traits_of({}, lambda: query_terminal(its)).light
        answering.join()
        os.write(ours, b"keys typed ahead\n")
        select.select([its], [], [])
        assert query_terminal(its) == b""
        assert os.read(its, 100) == b"keys typed ahead\n"
    finally:
        os.close(ours)
        os.close(its)


async def test_a_light_terminal_gets_a_light_theme_and_a_poor_one_its_own_colours(stage: Stage) -> None:
    for traits, theme in ((TerminalTraits(light=True), "textual-light"), (TerminalTraits(True, True), "ansi-dark")):
        async with dashboard(stage.path, traits=traits) as driver:
            assert driver.app.theme == theme
            assert painted_text(driver.app).isascii() is traits.ascii
        async with dashboard(stage.path, traits=traits, settings=Settings(theme="nord", ascii=False)) as driver:
            assert driver.app.theme == "nord", "what was chosen holds"
            assert not painted_text(driver.app).isascii()


def test_a_terminal_without_unicode_gets_ascii_by_itself(stage: Stage) -> None:
    stage.hold("agent:1", stage.owner(), "waiting")
    stage.close()
    with terminal(stage.path, (80, 24), TERM="linux") as seen:
        seen.shows("> running", "agent:1")
        assert seen.text.isascii()
    with terminal(stage.path, (80, 24), LC_ALL="C") as seen:
        seen.shows("> running", "agent:1")
