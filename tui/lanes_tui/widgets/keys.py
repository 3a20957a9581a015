"""The keys at the foot of a screen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.screen import Screen

from lanes_tui.actions.keys import KEYS
from lanes_tui.display import text
from lanes_tui.widgets.sheet import Sheet

#: The keys that are shown first, without room for all: those that lead to the rest, and to the other screens.
FIRST = (
    "back", "help", "filter", "reset", "drain", "retry", "abort", "journal", "owners", "providers", "dead letters",
    "open", "commands", "groups", "pause",
)  # fmt: skip
_RANKS = {KEYS[name].word: place for place, name in enumerate(FIRST)}


class FootKey(NamedTuple):
    """A binding, and how its key is written."""

    active: ActiveBinding
    label: Content


class Keys(Sheet):
    """One line of the keys that work now, each whole or not at all. A click presses a key.

    The toolkit's own footer has a widget for each key: styling these costs more than anything else on a screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: Sequence[FootKey] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[Any]) -> None:
        if screen.app.app_focus:  # else no widget has the focus, and keys would vanish for a moment
            self.call_after_refresh(self.renew)

    def on_resize(self) -> None:
        """Show as many keys as fit."""
        self.renew()

    def renew(self) -> None:
        """Show the keys that work now."""
        if not self.is_attached:  # its screen was left meanwhile
            return
        first: dict[str, FootKey] = {}  # of several keys for one action, the first
        for active in self.screen.active_bindings.values():
            if active.binding.show:
                first.setdefault(active.binding.action, FootKey(active, self._label(active)))
        fitting, left = set[str](), self.size.width
        for action, key in sorted(first.items(), key=lambda each: _rank(each[1])):
            left -= key.label.cell_length
            if left >= 0:
                fitting.add(action)
        self.shown = [key for action, key in first.items() if action in fitting]
        self.show([text.line(*(key.label for key in self.shown))])

    def _label(self, active: ActiveBinding) -> Content:
        sign = self.app.get_key_display(active.binding)
        label = text.line((f" {sign} ", "accent"), f"{active.binding.description} ")
        return label if active.enabled else label.stylize("dim")

    def _at(self, x: int) -> ActiveBinding | None:
        for key in self.shown:
            x -= key.label.cell_length
            if x < 0:
                return key.active
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Explain the key under the mouse in a tooltip."""
        active = self._at(event.x)
        self.tooltip = None if active is None else active.tooltip

    def on_mouse_down(self, event: events.MouseDown) -> None:
        active = self._at(event.x)
        if active is not None and active.enabled:
            self.app.simulate_key(active.binding.key)
        elif active is not None:
            self.app.bell()


def _rank(key: FootKey) -> int:
    return _RANKS.get(key.active.binding.description, len(FIRST))
