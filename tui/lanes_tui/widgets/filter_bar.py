"""The lines in which filters are typed: above the lanes, with search, order and columns; and above other lists."""

import re
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input

from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterLeft, MarkAllWanted, SearchLeft
from lanes_tui.display import text
from lanes_tui.tables.heads import DOWN, UP
from lanes_tui.widgets.proposing import FilterSuggester
from lanes_tui.widgets.sheet import Sheet

#: The longest filter: it has room for the longest key and for other words.
_LONGEST = 600
_UNPRINTABLE = re.compile(r"[^ -~\u00a1-\U0010ffff]")
_HINT = "filter: a key, state:errored held:>5m queue:>3"


class Typed(Input):
    """A field of one line. It keeps only characters that can be shown as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "leave", show=True),
        bind("down", "leave", only="down"),
        bind("back", "clear", show=True),
        bind("interrupt", "clear"),
    ]

    def on_mount(self) -> None:
        self.cursor_blink = False  # a blinking cursor is traffic

    def validate_value(self, value: str) -> str:
        """Drop characters that would move the cursor of the terminal or change the reading direction."""
        return "".join(c for c in _UNPRINTABLE.sub("", value)[:_LONGEST] if c.isprintable())


class FilterInput(Typed):
    """A field in which a filter is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("mark all", "mark_all")]

    def action_mark_all(self) -> None:
        """Leave it, and mark all that it chooses."""
        self.post_message(MarkAllWanted(self.value))
        self.action_leave()

    def action_leave(self) -> None:
        self.post_message(FilterLeft())

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(FilterLeft())


class LaneFilterInput(FilterInput):
    """The field for the filter of the lanes, with completion and a history."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "older", only="up"),
        bind("down", "newer", only="down"),
        bind("complete", "complete", show=True),
    ]

    def __init__(self) -> None:
        self.proposes = FilterSuggester()
        super().__init__(placeholder=_HINT, compact=True, select_on_focus=False, id="filter", suggester=self.proposes)
        self._place: int | None = None  # in the history; None: not in it

    def action_complete(self) -> None:
        """Take the proposed completion."""
        self.action_end()
        self.action_cursor_right()

    def action_older(self) -> None:
        before = self.proposes.before
        self._go(len(before) - 1 if self._place is None else self._place - 1)

    def action_newer(self) -> None:
        if self._place is None:
            self.action_leave()
        else:
            self._go(self._place + 1)

    def action_leave(self) -> None:
        self._place = None
        super().action_leave()

    def action_clear(self) -> None:
        self._place = None
        super().action_clear()

    def _go(self, place: int) -> None:
        before = self.proposes.before
        if place < 0 or not before:
            return
        self._place = place if place < len(before) else None
        self.value = before[place] if place < len(before) else ""
        self.action_end()


class SearchInput(Typed):
    """A field in which a search is typed. It is shown only while it is used."""

    def action_leave(self) -> None:
        self.post_message(SearchLeft(kept=True))

    def action_clear(self) -> None:
        self.post_message(SearchLeft(kept=False))


class FilterLine(Horizontal):
    """A sign, the field for a filter, and a note at the right."""

    input: FilterInput

    def __init__(self, field: FilterInput, *others: Typed, sign: str = " / ") -> None:
        self.input = field
        self._sign, self._note = Sheet([text.line((sign, "accent"))], id="slash"), Sheet(id="order")
        super().__init__(self._sign, field, *others, self._note)
        self._sign.styles.width = len(sign)

    def show_note(self, note: Content) -> None:
        """Show a note at the right."""
        self._note.styles.width = min(note.cell_length, max(10, self.size.width - 24))
        self._note.show([note])

    @property
    def plain(self) -> str:
        """The note, without styles."""
        return self._note.plain


class FilterBar(FilterLine):
    """The filter of the lanes. While a search is typed, it is shown in place of the filter, which still holds."""

    input: LaneFilterInput

    def __init__(self) -> None:
        self.search = SearchInput(placeholder="part of a key to go to", compact=True, id="search", classes="-hidden")
        super().__init__(LaneFilterInput(), self.search)

    def search_begins(self) -> None:
        """Show the field for a search in place of the filter."""
        self.input.add_class("-hidden")
        self.search.remove_class("-hidden")
        self.search.focus()
        self._prompt(" go to ")

    def search_ends(self) -> None:
        """Show the filter again."""
        self.search.add_class("-hidden")
        self.input.remove_class("-hidden")
        self._prompt(" / ")

    def show_state(self, order: LaneOrder, shown: int, of: int, note: Content) -> None:
        """Show the order and how many columns are shown; or ``note`` in their place, if there is one."""
        if not note.plain:
            arrow = UP if order.reverse else DOWN
            note = text.line(("  sort ", "muted"), f"{order.by} {arrow}", (f"  cols {shown}/{of} ", "muted"))
            if order.by is LaneSort.ATTENTION and self.size.width < 60:
                note = text.EMPTY
        self.show_note(note)

    def _prompt(self, prompt: str) -> None:
        self._sign.styles.width = len(prompt)
        self._sign.show([text.line((prompt, "accent"))])
