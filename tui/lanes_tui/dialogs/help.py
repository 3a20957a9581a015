"""The help: the keys that do something just now, read from the live bindings."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from lanes_tui import text, words
from lanes_tui.widgets.sheet import Sheet

_KEYS = 18
#: Keys of the toolkit that need no word.
_SILENT = frozenset({"tab", "shift+tab"})


class Help(ModalScreen[None]):
    """Any of the usual keys closes it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,ctrl+c", "dismiss", "Close", show=False)
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._bindings_shown = list(bindings)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Sheet(id="dialog-title")
            yield Sheet(id="dialog-lines")

    def on_mount(self) -> None:
        self.query_one("#dialog-title", Sheet).show([text.line(("Keys", "accent"))])
        self.query_one("#dialog-lines", Sheet).show([*self._keys(), text.EMPTY, *_legend()])

    def _keys(self) -> list[Content]:
        """One line for each action, with all of its keys."""
        keys: dict[str, tuple[str, list[str]]] = {}
        for active in self._bindings_shown:
            binding = active.binding
            if binding.description and binding.key not in _SILENT and active.enabled:
                said = keys.setdefault(binding.action, (binding.tooltip or binding.description, []))
                said[1].append(self.app.get_key_display(binding))
        return [
            text.line(text.fitted(text.line((" ".join(dict.fromkeys(shown)), "accent")), _KEYS), said)
            for said, shown in keys.values()
        ]


def _legend() -> list[Content]:
    looks = [*words.LANES.values(), words.PAUSED]
    return [
        text.joined([text.line((f"{look.symbol} {look.word}", look.tone)) for look in looks]),
        text.line(("A red age under BEAT: the owner is dead or silent.", "muted")),
    ]
