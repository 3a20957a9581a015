"""The command palette: what keys do on the screen below, and the themes, found by a part of their name."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from textual import on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from lanes_tui.actions.keys import bind, is_ours
from lanes_tui.actions.messages import FilterLeft
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.filter_bar import FilterInput, FilterLine

_KEY, _NAME = 6, 22


class Command(NamedTuple):
    """An entry of the palette. ``action`` runs on ``node``, a screen or the app."""

    name: str
    description: str
    key: str
    action: str
    node: DOMNode

    def rank(self, words: list[str]) -> int | None:
        """How well ``words`` match: 0: the name begins with them; 1: the name has them all; 2: name and description
        together do. None: they do not match."""
        name, whole = self.name.lower(), f"{self.name} {self.description}".lower()
        if not all(word in whole for word in words):
            return None
        if name.startswith(" ".join(words)):
            return 0
        return 1 if all(word in name for word in words) else 2


def commands(app: App[Any]) -> Iterator[Command]:
    """What the keys of the screen and of the app do, then the themes. Keys of widgets, as for moving, are left out."""
    found: dict[str, Command] = {}
    for node, binding, enabled, tooltip in app.screen.active_bindings.values():
        if not (isinstance(node, Screen | App) and enabled and is_ours(binding)) or binding.action == "palette":
            continue
        key, before = app.get_key_display(binding), found.get(binding.action)
        if before is None or len(key) < len(before.key):
            found[binding.action] = Command(binding.description, tooltip, key, binding.action, node)
    yield from found.values()
    for name in sorted(app.available_themes):
        yield Command(f"Theme {name}", "", "", f"wear({name!r})", app)


class Palette(Dialog[Command | None]):
    """Asks for a command. The result is the chosen one, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "dismiss", priority=True),
        bind("interrupt", "dismiss", priority=True),
        bind("open", "choose", show=True),
        bind("down", "move(1)", priority=True, only="down"),
        bind("up", "move(-1)", priority=True, only="up"),
    ]

    def __init__(self, offered: list[Command]) -> None:
        super().__init__()
        self._offered = offered
        self._shown = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield FilterLine(FilterInput(placeholder="which command?", compact=True), sign=": ")
            rows = Rows(id="commands")
            rows.can_focus = False  # a click on a command leaves the focus in the field
            yield rows

    def on_mount(self) -> None:
        self.query_one(FilterInput).focus()
        self._show("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    @on(FilterLeft)
    def _entered(self, event: FilterLeft) -> None:
        event.stop()
        self.action_choose()

    def _show(self, typed: str) -> None:
        self._shown = typed
        words = typed.lower().split()
        ranked = [(rank, i) for i, each in enumerate(self._offered) if (rank := each.rank(words)) is not None]
        rows = [ListRow(str(i), _line(self._offered[i])) for _, i in sorted(ranked)]
        self.query_one(Rows).forget_cursor()  # typing puts the cursor on the best match
        self.query_one(Rows).show(rows, text.line(("no such command", "muted")))

    def action_move(self, by: int) -> None:
        self.query_one(Rows).action_move(by)

    def action_choose(self) -> None:
        typed = self.query_one(FilterInput).value
        if typed != self._shown:  # all that was typed before Enter counts
            self._show(typed)
        key = self.query_one(Rows).key
        if key is not None:
            self.dismiss(self._offered[int(key)])


def _line(command: Command) -> Content:
    key = text.fitted(text.line((command.key, "accent")), _KEY)
    return text.line(key, text.fitted(text.line((command.name, "strong")), _NAME), (command.description, "muted"))
