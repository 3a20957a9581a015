"""The colours of the tones, legible in each theme on every background.

A theme's own colour is only a wish. It is moved towards black or white until its contrast with every background is
enough (4.5, as WCAG requires of text), also as a terminal of 256 or 16 colours shows it. Where the terminal itself
defines the colours, only those are used that are legible on its default background with common palettes, and no
background is painted.
"""

from collections.abc import Callable, Iterable, Mapping

from rich.color import ColorSystem
from textual.color import Color

ENOUGH = 4.5
#: The variables of the backgrounds of text.
GROUNDS = ("ground", "ground-bar", "ground-raised", "ground-cursor", "ground-cursor-blurred")
#: The contrast that is aimed at: more, because terminals round colours.
_AIM = 4.7
_STEPS = 50
_WHITE, _BLACK = Color(255, 255, 255), Color(0, 0, 0)
#: How much of the theme's primary colour the cursor's line has, with the focus and without.
_CURSOR, _CURSOR_BLURRED = 0.22, 0.10
#: How much of the foreground the bars at head and foot have, and how much dialogs and fields.
_BAR, _RAISED = 0.09, 0.05
#: The colour of a theme that each tone begins with.
_WISHES = {
    "running": "success", "errored": "error", "aborted": "warning", "paused": "accent", "good": "success",
    "warn": "warning", "bad": "error", "head": "primary", "mark": "warning", "accent": "accent", "strong": "foreground",
}  # fmt: skip
#: Subdued tones: how much of the foreground is blended into the background.
_QUIET = {"idle": 0.65, "muted": 0.65}
#: Where the terminal defines the colours: those of the tones on a dark background (True), and on a light one.
_ANSI = {
    True: {
        "running": "bright_green", "errored": "bright_red", "aborted": "bright_yellow", "paused": "bright_magenta",
        "good": "bright_green", "warn": "bright_yellow", "bad": "bright_red", "head": "bright_cyan",
        "mark": "bright_yellow", "accent": "bright_cyan", "strong": "default", "idle": "default", "muted": "default",
    },
    False: {
        "running": "blue", "errored": "red", "aborted": "magenta", "paused": "magenta", "good": "blue",
        "warn": "magenta", "bad": "red", "head": "blue", "mark": "magenta", "accent": "blue", "strong": "default",
        "idle": "default", "muted": "default",
    },
}  # fmt: skip


def shown_in(colours: str | None) -> Callable[[Color], Color]:
    """Maps a colour to the one that a terminal of 256 colours, 16 (``standard``) or all of them shows for it."""
    system = {"256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}.get(colours or "", ColorSystem.TRUECOLOR)
    return lambda colour: Color.from_rich_color(colour.rich_color.downgrade(system), ansi=False)


def tone_variables(theme: Mapping[str, str], *, ansi: bool, dark: bool, colours: str | None = None) -> dict[str, str]:
    """The variables of the style sheet: for the tones (``tone-idle`` …), for plain text, and for each background.

    ``ansi``: the terminal defines the colours.
    """
    if ansi:
        tones = {f"tone-{tone}": f"ansi_{name}" for tone, name in _ANSI[dark].items()}
        return tones | dict.fromkeys(("plain", *GROUNDS), "ansi_default")
    ground, foreground, primary = (Color.parse(theme[name]) for name in ("background", "foreground", "primary"))
    grounds = {
        "ground": ground,
        "ground-bar": ground.blend(foreground, _BAR),
        "ground-raised": ground.blend(foreground, _RAISED),
        "ground-cursor": ground.blend(primary, _CURSOR),
        "ground-cursor-blurred": ground.blend(primary, _CURSOR_BLURRED),
    }
    shown = shown_in(colours)
    # a terminal of 16 colours may show a grey background on which not even this is legible: then that is changed
    utmost = _WHITE if dark else _BLACK
    grounds = {name: legible(each, [utmost], dark=not dark, shown=shown) for name, each in grounds.items()}
    wishes = {f"tone-{tone}": Color.parse(theme[name]) for tone, name in _WISHES.items()}
    wishes |= {f"tone-{tone}": ground.blend(foreground, share) for tone, share in _QUIET.items()}
    wishes |= {"plain": foreground}
    found = {name: legible(wish, grounds.values(), dark=dark, shown=shown) for name, wish in wishes.items()}
    return {name: colour.hex for name, colour in (grounds | found).items()}


def legible(wish: Color, grounds: Iterable[Color], *, dark: bool, shown: Callable[[Color], Color]) -> Color:
    """The nearest colour on the way to white, or to black on light backgrounds, that is legible on all of them."""
    grounds = [seen for ground in grounds for seen in (ground, shown(ground))]
    end = _WHITE if dark else _BLACK
    for step in range(_STEPS):
        colour = wish.blend(end, step / _STEPS)
        seen = shown(colour)
        if all(min(contrast(colour, ground), contrast(seen, ground)) >= _AIM for ground in grounds):
            return colour
    return end


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
