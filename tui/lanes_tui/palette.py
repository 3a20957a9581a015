"""The command palette: everything that a key does on a screen, and the themes, found by a part of the name."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar, NamedTuple

from textual import on
from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from lanes_tui import text
from lanes_tui.bindings import is_ours, said_of
from lanes_tui.widgets.filter_bar import FilterInput
from lanes_tui.widgets.rows import Row, Rows
from lanes_tui.widgets.sheet import Sheet

_NAME = 48


class Command(NamedTuple):
    """Something that can be done."""

    name: str
    key: str
    run: Callable[[], Awaitable[object]]


def commands(app: App[Any], screen: Screen[Any], wear: Callable[[str], object]) -> Iterator[Command]:
    """What the keys of a screen and of the app do, then the themes. Moving about is left to the keys."""
    seen = {"palette"}
    for active in screen.active_bindings.values():
        binding = active.binding
        if isinstance(active.node, Screen | App) and is_ours(active) and binding.action not in seen:
            seen.add(binding.action)
            yield Command(said_of(binding), app.get_key_display(binding), _running(app, active))
    for name in sorted(app.available_themes):
        yield Command(f"Theme: {name}", "", _wearing(wear, name))


def _running(app: App[Any], active: ActiveBinding) -> Callable[[], Awaitable[object]]:
    async def run() -> object:
        return await app.run_action(active.binding.action, active.node)

    return run


def _wearing(wear: Callable[[str], object], name: str) -> Callable[[], Awaitable[object]]:
    async def run() -> object:
        return wear(name)

    return run


class Palette(ModalScreen[Command | None]):
    """Asks what is to be done. Its result is the command that was chosen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "dismiss", "Close", priority=True),
        Binding("enter", "choose", "Do it", priority=True, key_display="⏎"),
        Binding("down", "move(1)", "Next", priority=True),
        Binding("up", "move(-1)", "Back", priority=True),
    ]

    def __init__(self, offered: list[Command]) -> None:
        super().__init__()
        self._offered = offered

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            with Horizontal(id="palette-line"):
                yield Sheet(id="slash")
                yield FilterInput(placeholder="what is to be done?", compact=True)
            yield Rows(id="commands")

    def on_mount(self) -> None:
        self.query_one("#slash", Sheet).show([text.line((":", "accent"))])
        self.query_one(FilterInput).cursor_blink = False
        self.query_one(FilterInput).focus()
        self._show("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    def _show(self, typed: str) -> None:
        words = typed.lower().split()
        fitting = [(i, c) for i, c in enumerate(self._offered) if all(word in c.name.lower() for word in words)]
        rows = [
            Row(str(i), text.line(text.fitted(text.line(command.name), _NAME), (command.key, "accent")))
            for i, command in fitting
        ]
        self.query_one(Rows).show(rows, text.line(("no such command", "muted")))

    def action_move(self, by: int) -> None:
        self.query_one(Rows).action_move(by)

    def action_choose(self) -> None:
        key = self.query_one(Rows).key
        if key is not None:
            self.dismiss(self._offered[int(key)])
