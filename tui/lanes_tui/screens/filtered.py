"""The base of screens with a list and a filter; and of those whose rows can be marked."""

from abc import abstractmethod
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input

from lanes import filters
from lanes.filters import Parsed
from lanes_storage.records import Subject
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterLeft, MarkAllWanted
from lanes_tui.display import text, words
from lanes_tui.display.views import KeptScreen
from lanes_tui.screens.guarded import ACTING, CHOOSING
from lanes_tui.screens.marked import MARK_KEYS, Marking
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.rows import Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.filter_bar import FilterInput, FilterLine
from lanes_tui.widgets.sheet import Sheet

#: What identifies a row at the source: a number or a name.
Id = TypeVar("Id", int, str)


class Filtered(Watching):
    """Lists what a typed filter chooses. While a word of it is not understood, the last understood filter holds."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("filter", "filter", show=True)]
    OF: ClassVar[Subject]
    HINT: ClassVar[str]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.filter = FilterLine(FilterInput(placeholder=self.HINT, compact=True, select_on_focus=False))
        self.rows = Rows(id="rows")
        self.good = ""  # the last filter that was understood
        self._listed = ""  # the filter that the cursor belongs to
        self._shown: str | None = None  # the filter whose rows are listed

    def kept(self) -> KeptScreen:
        return super().kept()._replace(typed=self.typed)

    def take_up(self, kept: KeptScreen) -> None:
        super().take_up(kept)
        self.filter.input.value = self._listed = kept.typed

    async def look(self) -> None:
        typed = self.typed
        await super().look()
        self._shown = typed

    def is_blind(self, action: str) -> bool:
        """Also while the rows of the typed filter are not listed yet, or the row under the cursor is not loaded."""
        of_row = action.startswith(ACTING) or action in CHOOSING
        return super().is_blind(action) or (of_row and (self._shown != self.typed or self.rows.is_unread))

    @property
    def typed(self) -> str:
        """The filter as it is typed."""
        return self.filter.input.value

    @property
    def parsed(self) -> Parsed:
        """The last filter that was understood, and what is wrong with the one that is typed."""
        now = self.source.now().wall
        parsed = filters.parse(self.split(self.typed)[0], now, self.OF)
        if parsed.problem is None:
            self.good = self.typed
            return parsed
        return Parsed(filters.parse(self.split(self.good)[0], now, self.OF).chosen, parsed.problem)

    def split(self, typed: str) -> tuple[str, str | None]:
        """Split what is typed into the filter, and what is no part of filters: in the journal, the type of event."""
        return typed, None

    @on(Input.Changed)
    def _typed_on(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._listed:
            self._listed = event.value
            self.rows.forget_cursor()
        self.looking.wake()

    @on(MarkAllWanted)
    async def _mark_all_wanted(self) -> None:
        await self.run_action("mark_all")  # no such action where rows have no marks

    @on(FilterLeft)
    def _filter_left(self) -> None:
        self.rows.focus()

    def action_filter(self) -> None:
        self.set_focus(self.filter.input)  # directly: keys that are typed ahead are for it

    def action_close(self) -> None:
        """Clear the filter, or close."""
        if self.typed:
            self.filter.input.value = ""
        else:
            self.dismiss()


class MarkedList(Filtered, Marking[Id]):
    """Lists rows that can be marked."""

    BINDINGS: ClassVar[list[BindingType]] = MARK_KEYS

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.rows.marks = self.marks
        self.heads, self.whole = Sheet(id="list-heads"), Pane(wrap=True, id="whole")

    @property
    @abstractmethod
    def about(self) -> str:
        """What the rows are, for the bar."""

    @abstractmethod
    def under_cursor(self) -> list[Content]:
        """All that is known of the row under the cursor."""

    def body(self) -> ComposeResult:
        yield self.filter
        yield self.heads
        yield self.rows
        yield self.whole

    def title_line(self) -> Content:
        marked = (f"  {words.number(len(self.marks))} marked", "mark") if self.marks else ""
        return text.line((f"{self.NAME} ", "head"), (self.about, "muted"), marked)

    @on(Rows.Moved)
    def show_one(self) -> None:
        """Show the row under the cursor whole."""
        self.whole.show(self.under_cursor())

    def is_blind(self, action: str) -> bool:
        """Not for an action on the marked rows."""
        return not self._is_of_marks(action) and super().is_blind(action)

    def rows_of(self, action: str) -> CursorList | None:
        return None if self._is_of_marks(action) else super().rows_of(action)

    def _is_of_marks(self, action: str) -> bool:
        return bool(self.marks) and action not in (*CHOOSING, "prune")

    @property
    def lines(self) -> Rows:
        return self.rows

    def show_filter_note(self, problem: str | None) -> None:
        """Say beside the filter what is wrong with it, or that a range is begun."""
        self.filter.show_note(text.line((f"{problem} ", "warn")) if problem else self.range_hint)

    def action_close(self) -> None:
        """Leave the range that was begun, or else clear the filter, or close."""
        if not self.leave_range():
            super().action_close()
