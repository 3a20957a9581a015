"""A question with a few answers, one of which is always to leave everything as it is."""

from collections.abc import Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from lanes_tui.actions.keys import KEYS, bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text
from lanes_tui.widgets.sheet import Sheet

T = TypeVar("T")


class DialogChoice(NamedTuple, Generic[T]):
    """An answer, the name of the key that gives it (escape always leaves), and whether to be careful with it."""

    answer: T
    label: str
    key: str = "back"
    grave: bool = False

    @property
    def sign(self) -> str:
        """How its key is shown."""
        return KEYS[self.key].sign or KEYS[self.key].keys


class Question(Dialog[T]):
    """Shows lines and choices; the first choice has the focus. Escape gives ``leave``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(bind(name, "app.focus_previous") for name in ("left", "up")),
        *(bind(name, "app.focus_next") for name in ("right", "down")),
        *(bind(name, "leave") for name in ("back", "interrupt")),
    ]

    def __init__(self, title: str, lines: Sequence[Content], choices: Sequence[DialogChoice[T]], leave: T) -> None:
        super().__init__()
        self._title = text.line((title, "accent"))
        self._lines = lines
        self._choices = choices
        self._leave = leave

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Sheet(id="dialog-title")
            yield Sheet(wrap=True, id="dialog-lines")
            with Horizontal(id="choices"):
                for choice in self._choices:
                    label = text.line(f" {choice.label} ", (f"{choice.sign} ", "muted"))
                    yield Button(label, compact=True, classes="-grave" if choice.grave else None)

    def on_mount(self) -> None:
        self.query_one("#dialog-title", Sheet).show([self._title])
        self.renew()
        self.query(Button).first().focus()

    def tell(self, lines: Sequence[Content]) -> None:
        """Show other lines."""
        self._lines = lines
        self.update()

    def renew(self) -> None:
        self.query_one("#dialog-lines", Sheet).show(self._lines)

    @property
    def said(self) -> str:
        """The text of the dialog, without styles."""
        return "\n".join(line.plain for line in self._lines)

    def may_give(self, answer: T) -> bool:
        """Whether that answer can be given by now; here, any of them can."""
        return any(answer == choice.answer for choice in self._choices)

    def _give(self, answer: T) -> None:
        if self.may_give(answer):
            self.dismiss(answer)

    def action_leave(self) -> None:
        self.dismiss(self._leave)

    def on_key(self, event: events.Key) -> None:
        for choice in self._choices:
            if event.character == KEYS[choice.key].keys:
                event.stop()
                self._give(choice.answer)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        place = list(self.query(Button)).index(event.button)
        self._give(self._choices[place].answer)
