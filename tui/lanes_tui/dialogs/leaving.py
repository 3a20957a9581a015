"""The question before the dashboard of ``lanes up`` is left: whether its gateway goes on."""

from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import BUTTON_KEYS, Dialog, KeyButton
from lanes_tui.display import text
from lanes_tui.widgets.sheet import Sheet


class Leaving(Enum):
    """How to leave."""

    STOP = "stop the gateway and quit"
    KEEP = "quit and leave it running"


class LeavingDialog(Dialog[Leaving | None]):
    """Asks how to leave; the result is None if the person stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *BUTTON_KEYS,
        bind("yes", "leave('STOP')"),
        bind("keep gateway", "leave('KEEP')"),
        *(bind(name, "dismiss") for name in ("back", "interrupt")),
    ]

    def compose(self) -> ComposeResult:
        explanation = (
            "A gateway was started with this dashboard. If stopped, it lets runs end first and keeps what waits."
        )
        with Vertical(id="dialog"):
            yield Sheet([text.line(("Quit", "accent"))], id="dialog-title")
            yield Sheet([text.line(explanation)], wrap=True, id="dialog-lines")
            with Horizontal(id="choices"):
                yield KeyButton("Stop gateway and quit", "yes", "leave('STOP')")
                yield KeyButton("Leave it running", "keep gateway", "leave('KEEP')")
                yield KeyButton("Cancel", "back", "dismiss")

    def action_leave(self, how: str) -> None:
        self.dismiss(Leaving[how])
