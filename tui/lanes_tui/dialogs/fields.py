"""The fields of the dialog for actions: a text, a number, a choice of words."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from lanes_tui.actions.keys import bind, means
from lanes_tui.display import text
from lanes_tui.widgets.filter_bar import Typed
from lanes_tui.widgets.sheet import Sheet

_LABEL = 10


class FieldEntered(Message):
    """Enter was pressed in a field."""


class FieldInput(Typed):
    """A field in which a text is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "enter"),
        bind("down", "app.focus_next", only="down"),
        bind("up", "app.focus_previous", only="up"),
        bind("back", "screen.dismiss"),
        bind("interrupt", "screen.dismiss"),
    ]

    def action_enter(self) -> None:
        self.post_message(FieldEntered())


class NumberInput(FieldInput):
    """Takes the number that confirms an action: digits only. The key for yes goes on to the dialog."""

    def check_consume_key(self, key: str, character: str | None = None) -> bool:  # noqa: ARG002 - the toolkit's signature
        return character is not None and character.isdecimal()

    async def _on_key(self, event: events.Key) -> None:
        if event.is_printable and not (event.character or "").isdecimal():
            event.prevent_default()  # it is not typed
            if not means(self.screen.active_bindings, event.key, "yes"):
                event.stop()


class WordChoice(Widget, can_focus=True):
    """A choice between a few words."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("left", "turn(-1)"),
        bind("right", "turn(1)"),
        bind("mark", "turn(1)"),
        bind("up", "app.focus_previous"),
        bind("down", "app.focus_next"),
        bind("open", "enter"),
    ]

    class Changed(Message):
        """Another word is chosen."""

    def __init__(self, words: Sequence[str], *, id: str) -> None:  # noqa: A002 - the toolkit's own word
        super().__init__(id=id)
        self._words = words
        self._at = 0

    @property
    def value(self) -> str:
        """The word that is chosen."""
        return self._words[self._at]

    def render(self) -> Content:
        chosen = "strong" if self.has_focus else ""
        words = [(f"‹{each}›", chosen) if each == self.value else (f" {each} ", "muted") for each in self._words]
        return text.line(*words)

    def action_turn(self, by: int) -> None:
        self._at = (self._at + by) % len(self._words)
        self.refresh()
        self.post_message(self.Changed())

    def action_enter(self) -> None:
        self.post_message(FieldEntered())


class LabelledField(Horizontal):
    """A field with its name before it."""

    def __init__(self, label: str, field: Widget) -> None:
        super().__init__(Sheet([text.line((label.rjust(_LABEL), "muted"), " ")]), field, classes="field")
