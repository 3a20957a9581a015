"""The filter of a list: where it is typed, and at its right what is to be said of it."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content

from lanes_tui.display import text
from lanes_tui.widgets.filter_bar import FilterInput
from lanes_tui.widgets.sheet import Sheet


class ListFilter(Horizontal):
    """One line above a list."""

    def __init__(self, hint: str) -> None:
        super().__init__(id="list-filter")
        self._slash, self._note = Sheet(id="slash"), Sheet(id="modes")
        self.input = FilterInput(placeholder=hint, compact=True, select_on_focus=False)

    def compose(self) -> ComposeResult:
        yield self._slash
        yield self.input
        yield self._note

    def on_mount(self) -> None:
        self._slash.show([text.line((" /", "accent"))])

    def say(self, said: Content) -> None:
        """Show this at the right."""
        self._note.styles.width = said.cell_length
        self._note.show([said])

    @property
    def plain(self) -> str:
        """The text at the right, without styles."""
        return self._note.plain
