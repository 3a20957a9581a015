"""The help: the keys that do something just now, read from the live bindings."""

import textwrap
from collections.abc import Iterable
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

_KEYS = 16


class Help(Dialog[None]):
    """Any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind(name, "dismiss") for name in ("back", "open", "leave", "interrupt", "help")
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
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
        pane.show([*lines, *_legend()])
        pane.focus()

    def _keys(self, bindings: Iterable[ActiveBinding]) -> list[Content]:
        """One line for each action, with all of its keys."""
        keys: dict[str, tuple[str, list[str]]] = {}
        for active in bindings:
            _, signs = keys.setdefault(active.binding.action, (active.tooltip, []))
            signs.append(self.app.get_key_display(active.binding))
        lines: list[Content] = []
        for said, shown in keys.values():
            first, *others = textwrap.wrap(said, self._room) or [""]
            named = text.fitted(text.line((" ".join(dict.fromkeys(shown)), "accent")), _KEYS)
            lines.append(text.line("  ", named, first))
            lines += [text.line(" " * (_KEYS + 2), other) for other in others]
        return lines

    @property
    def _room(self) -> int:
        """The cells that a sentence has beside its keys."""
        return max(20, min(140, self.app.size.width * 94 // 100) - _KEYS - 10)


def _legend() -> list[Content]:
    told = (
        (words.AWAITING, "its run asks its sender: m answers"),
        (words.PARKED, "its message waits for a provider, and is tried again by itself"),
        (words.PAUSED, "nothing is claimed: by a person, a budget, a guard against loops, or for processes left over"),
        (words.ABORTING, "an abort was requested, and its owner has not confirmed it yet"),
        (words.GHOST, "in another program's gateway (source:NAME), which counts no such run"),
    )
    return [
        text.line(("STATES", "head")),
        text.joined([text.line(look.said) for look in words.LANES.values()]),
        *(text.line((f"{look.symbol} {look.word}".ljust(12), look.tone), (meaning, "muted")) for look, meaning in told),
        text.line(("SILENT with a limit behind it: half of that limit or more has passed without progress.", "muted")),
        text.line(("A beat with ! behind it: the owner is dead or silent.", "muted")),
    ]
