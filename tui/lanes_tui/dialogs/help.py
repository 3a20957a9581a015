"""The help: the keys that work on the screen below, read from its bindings, and the legend."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Vertical
from textual.content import Content

from lanes_tui.actions.keys import SECTIONS, bind, is_ours, place_of, section_of
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text, words
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.sheet import Sheet

_KEYS = 10
#: If a meaning has more keys, only the first and the last are shown.
_MOST_KEYS = 3


class Help(Dialog[None]):
    """Any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind(name, "dismiss") for name in ("back", "open", "leave", "interrupt", "help")
    ]

    def __init__(self, bindings: Iterable[ActiveBinding], legend: Sequence[Content]) -> None:
        super().__init__()
        self._legend = legend
        ours = (active for active in bindings if active.enabled and is_ours(active.binding))
        self._active = sorted(ours, key=lambda active: place_of(active.binding))

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-wide"):
            yield Sheet([text.line(("Keys", "accent"), ("  esc closes", "muted"))], id="dialog-title")
            yield Pane(wrap=True, id="dialog-lines")

    def on_mount(self) -> None:
        lines: list[Content] = []
        for section in SECTIONS.values():
            active = [each for each in self._active if section_of(each.binding) == section]
            if active:
                lines += [text.line((section, "head")), *self._keys(active), text.EMPTY]
        pane = self.query_one(Pane)
        pane.show([*lines, *self._legend])
        pane.focus()

    def _keys(self, bindings: Iterable[ActiveBinding]) -> list[Content]:
        """Each meaning with its keys; two of them on a line where both fit."""
        keys: dict[str, dict[str, None]] = {}
        for active in bindings:
            keys.setdefault(active.tooltip, {})[self.app.get_key_display(active.binding)] = None
        half, lines, entries = self._room // 2, list[Content](), [*keys.items()]
        while entries:
            two = entries[:2] if all(len(tooltip) < half - _KEYS for tooltip, _ in entries[:2]) else entries[:1]
            entries = entries[len(two) :]
            width = half if len(two) == 2 else self._room
            wrapped = [textwrap.wrap(tooltip, width - _KEYS) or [""] for tooltip, _ in two]
            first = [
                text.fitted(text.line(text.fitted(_signs([*signs]), _KEYS), line), width)
                for (_, signs), (line, *_) in zip(two, wrapped, strict=True)
            ]
            lines.append(text.line("  ", *first))
            lines += [text.line(" " * (_KEYS + 2), other) for other in wrapped[0][1:]]
        return lines

    @property
    def _room(self) -> int:
        """The cells of a line."""
        return max(20 + _KEYS, min(140, self.app.size.width * 94 // 100) - 10)


def _signs(signs: Sequence[str]) -> Content:
    shown = signs if len(signs) <= _MOST_KEYS else (signs[0], "…", signs[-1])
    return text.line((" ".join(shown), "accent"))


def lane_signs() -> list[Content]:
    """The legend of lanes: states and symbols."""
    signs = (
        (words.AWAITING, "its run asked the sender a question: m answers"),
        (words.PARKED, "its message waits for a provider, and is retried automatically"),
        (words.PAUSED, "nothing is claimed: paused by a person, a budget, a loop guard, or due to leftover processes"),
        (words.ABORTING, "an abort was requested, and its owner has not confirmed it yet"),
        (words.UNSEEN, "was held in another program's gateway, which no longer answers"),
        (words.GHOST, "another program's gateway (source:NAME) lists it as running, but nothing runs"),
    )
    return [
        text.line(("STATES", "head")),
        text.joined([text.line(look.label) for look in words.LANES.values()]),
        *(
            text.line((f"{look.symbol} {look.word}".ljust(12), look.tone), (meaning, "muted"))
            for look, meaning in signs
        ),
        text.line(("SILENT with a limit after it: half of that limit or more has passed without progress.", "muted")),
        text.line(("A beat with ! after it: the owner is dead or silent.", "muted")),
    ]
