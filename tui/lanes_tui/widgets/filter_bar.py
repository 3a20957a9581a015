"""The filter line: what is typed, and how many lanes it chooses."""

import re
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from lanes_tui import text, words
from lanes_tui.messages import FilterLeft, FilterTyped
from lanes_tui.widgets.sheet import Sheet

#: The longest filter: no key is longer, and the states fit beside it.
_LONGEST = 600
_UNPRINTABLE = re.compile(r"[^ -~\u00a1-\U0010ffff]")


class FilterInput(Input):
    """Where a filter is typed. What is pasted keeps only what can be shown as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "leave", "Keep", key_display="⏎"),
        Binding("escape", "clear", "Clear", key_display="esc"),
    ]

    def validate_value(self, value: str) -> str:
        """Refuse characters that would move the cursor of the terminal or turn its reading direction."""
        return "".join(c for c in _UNPRINTABLE.sub("", value)[:_LONGEST] if c.isprintable())

    def action_leave(self) -> None:
        self.post_message(FilterLeft())

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(FilterLeft())


class FilterBar(Horizontal):
    """One line between header and table."""

    def compose(self) -> ComposeResult:
        yield Sheet(id="slash")
        yield FilterInput(
            placeholder="filter: part of a key, state:running,errored", compact=True, select_on_focus=False, id="filter"
        )
        yield Sheet(id="matched")

    def on_mount(self) -> None:
        self.query_one("#slash", Sheet).show([text.line((" /", "accent"))])
        self.input.cursor_blink = False  # a blinking cursor is traffic

    @property
    def input(self) -> FilterInput:
        """Where it is typed."""
        return self.query_one(FilterInput)

    def tell(self, total: int, everything: int | None, problem: str | None) -> None:
        """Show how many lanes are chosen of how many, or what the filter gets wrong."""
        if problem is not None:
            said = text.line((problem, "warn"), " ")
        elif everything is not None and total != everything:
            said = text.line(words.number(total), (f" of {words.counted(everything, 'lane')} ", "muted"))
        else:
            said = text.line((f"{words.counted(total, 'lane')}, most urgent first ", "muted"))
        sheet = self.query_one("#matched", Sheet)
        sheet.styles.width = text.width_of(said)
        sheet.show([said])

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(FilterTyped(event.value))
