"""The help: the keys that do something just now, read from the live bindings."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen

from lanes_tui.actions.bindings import is_ours, said_of
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text, words
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.sheet import Sheet

_KEYS = 20


class Help(Dialog[None]):
    """Any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind(name, "dismiss") for name in ("back", "open", "leave", "interrupt", "help")
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._active = [active for active in bindings if is_ours(active)]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Sheet(id="dialog-title")
            yield Pane(id="dialog-lines")

    def on_mount(self) -> None:
        self.query_one("#dialog-title", Sheet).show([text.line(("Keys", "accent"), ("  esc closes", "muted"))])
        groups = (
            ("HERE", [a for a in self._active if isinstance(a.node, Screen)]),
            ("EVERYWHERE", [a for a in self._active if isinstance(a.node, App)]),
            ("MOVING", [a for a in self._active if not isinstance(a.node, Screen | App)]),
        )
        lines: list[Content] = []
        for name, active in groups:
            if active:
                lines += [text.line((name, "head")), *self._keys(active), text.EMPTY]
        pane = self.query_one(Pane)
        pane.show([*lines, *_legend()])
        pane.focus()

    def _keys(self, bindings: Iterable[ActiveBinding]) -> list[Content]:
        """One line for each action, with all of its keys."""
        keys: dict[str, tuple[str, list[str]]] = {}
        for active in bindings:
            said = keys.setdefault(active.binding.action, (said_of(active.binding), []))
            said[1].append(self.app.get_key_display(active.binding))
        return [
            text.line("  ", text.fitted(text.line((" ".join(dict.fromkeys(shown)), "accent")), _KEYS), said)
            for said, shown in keys.values()
        ]


def _legend() -> list[Content]:
    looks = [*words.LANES.values(), words.PAUSED]
    return [
        text.joined([text.line((f"{look.symbol} {look.word}", look.tone)) for look in looks]),
        text.line(("A beat with ! behind it: the owner is dead or silent.", "muted")),
    ]
