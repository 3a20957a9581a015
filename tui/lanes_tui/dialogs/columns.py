"""The choice of the columns of the lanes table."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Region

from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text
from lanes_tui.display.columns import ORDER, USUAL
from lanes_tui.widgets.sheet import Sheet


class ColumnsDialog(Dialog[tuple[str, ...] | None]):
    """Its result is the chosen columns, LANE always among them, or None if nothing is to change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "move(-1)"),
        bind("down", "move(1)"),
        bind("mark", "turn"),
        bind("usual", "usual"),
        bind("open", "keep"),
        *(bind(name, "dismiss(None)") for name in ("back", "leave", "interrupt")),
    ]

    def __init__(self, chosen: tuple[str, ...]) -> None:
        super().__init__()
        self._chosen = set(chosen) | {"LANE"}
        self._row = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Sheet([text.line(("Columns", "accent"))], id="dialog-title")
            yield Sheet(id="dialog-lines")
            keys = (("space", "show or hide"), ("u", "defaults"), ("enter", "keep"), ("esc", "cancel"))
            yield Sheet([text.joined(text.line((key, "accent"), f" {does}") for key, does in keys)], id="dialog-keys")

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        lines = []
        for row, name in enumerate(ORDER):
            shown = name in self._chosen
            mark = ("[x] " if shown else "[ ] ", "good" if shown else "muted")
            always = ("  always", "muted") if name == "LANE" else ""
            lines.append(text.line(("▌ " if row == self._row else "  ", "accent"), mark, name, always))
        sheet = self.query_one("#dialog-lines", Sheet)
        sheet.show(lines)
        sheet.scroll_to_region(Region(0, self._row, 1, 1), animate=False)  # on a small screen not all are in view

    def action_move(self, by: int) -> None:
        self._row = (self._row + by) % len(ORDER)
        self._show()

    def action_turn(self) -> None:
        self._chosen ^= {ORDER[self._row]} - {"LANE"}
        self._show()

    def action_usual(self) -> None:
        self._chosen = set(USUAL)
        self._show()

    def action_keep(self) -> None:
        self.dismiss(tuple(name for name in ORDER if name in self._chosen))
