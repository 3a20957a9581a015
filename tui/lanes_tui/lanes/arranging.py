"""How lanes are shown: filter, search, order, columns, and the refresh rate."""

from typing import ClassVar

from textual import on, work
from textual.binding import BindingType

from lanes import filters
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterLeft, FilterTyped, SearchLeft, SearchTyped, SortWanted
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.display import text, words
from lanes_tui.display.columns import KINDS
from lanes_tui.display.settings import RATES
from lanes_tui.lanes.board import Board
from lanes_tui.sources.source import Lost
from lanes_tui.tables.heads import Heads
from lanes_tui.widgets.filter_bar import FilterBar


class Arranging(Board):
    """Order, columns and rate are stored for the next start."""

    KEYS: ClassVar[list[BindingType]] = [
        bind("filter", "filter", show=True),
        bind("back", "back"),
        bind("search", "search"),
        bind("next", "search_on(1)"),
        bind("previous", "search_on(-1)"),
        bind("sort", "sort", show=True),
        bind("reverse", "reverse"),
        bind("columns", "columns"),
        bind("freeze", "freeze"),
        bind("faster", "rate(-1)"),
        bind("slower", "rate(1)"),
        bind("refresh", "refresh_now"),
    ]
    _sought = ""
    _came_to: str | None = None  # the last hit: the cursor's own lane is not known until it is read
    _search_began: int | None = None

    # ------------------------------------------------------------------------------------- filter

    def action_filter(self) -> None:
        self.screen.set_focus(self.bar.input)  # at once: keys that are typed ahead are for it

    def action_back(self) -> None:
        """Leave the range selection, or else clear the filter."""
        if self.table.range_from is not None:
            self.table.range_from = None
            self.table.show_marks()
            self.tell_bar()
        else:
            self.bar.input.value = ""
        self.table.focus()

    @property
    def bar(self) -> FilterBar:
        """The line for filter and search."""
        return self.query_one(FilterBar)

    @on(FilterTyped)
    def _filter_typed(self, event: FilterTyped) -> None:
        self.typed = event.typed
        self.tell_bar()
        self.follower.wake()

    @on(FilterLeft)
    def _filter_left(self) -> None:
        self.table.focus()

    # ------------------------------------------------------------------------------------- search

    def action_search(self) -> None:
        """Go to the nearest lane with a part of a key, while it is typed."""
        self._search_began = self.table.view.row
        self.bar.search.value = ""
        self.bar.search_begins()

    @on(SearchTyped)
    def _search_typed(self, event: SearchTyped) -> None:
        if event.typed:
            self._sought = event.typed
            self._seek(0)

    @on(SearchLeft)
    def _search_left(self, event: SearchLeft) -> None:
        self.bar.search_ends()
        self.table.focus()
        self.tell_bar()
        if not event.kept and self._search_began is not None:
            self.table.move_to(self._search_began)

    def action_search_on(self, step: int) -> None:
        if self._sought:
            self._seek(step)
        else:
            self.action_search()

    @work(exclusive=True, group="search")
    async def _seek(self, step: int) -> None:
        chosen = filters.typed(self.typed, self.source.now().wall).chosen
        key = self.table.view.key or self._came_to
        try:
            hit = await self.source.find(chosen, self._sought, key, step=step, order=self.settings.order)
        except Lost:
            return
        if hit is None:
            self.bar.say(text.line((f"no lane has “{self._sought}” ", "warn")))
            return
        self.bar.say(text.line(f"{words.number(hit.number + 1)} of {words.number(hit.total)} ", (" n/N ", "muted")))
        self._came_to = hit.key
        self.table.move_to(hit.place)

    # ---------------------------------------------------------------------------- order and columns

    def action_sort(self) -> None:
        """Sort by attention, then by each column that is shown, in turn."""
        sorts = [LaneSort.ATTENTION, *(KINDS[column.title].sort for column in self.table.columns)]
        by = self.settings.order.by
        place = sorts.index(by) if by in sorts else -1
        self.sort(LaneOrder(sorts[(place + 1) % len(sorts)]))

    def action_reverse(self) -> None:
        self.sort(LaneOrder(self.settings.order.by, not self.settings.order.reverse))

    @on(SortWanted)
    def _sort_wanted(self, event: SortWanted) -> None:
        again = event.by is self.settings.order.by
        self.sort(LaneOrder(event.by, again and not self.settings.order.reverse))

    def sort(self, order: LaneOrder) -> None:
        """Sort by that from now on. The cursor goes to the top, because the first lanes of the new order are of
        interest."""
        self.settings.order = order
        self.settings.save()
        self.table.move_to(0)
        self.table.forget_cursor()
        self.tell_arrangement()
        self.follower.wake()

    def action_columns(self) -> None:
        def chosen(columns: tuple[str, ...] | None) -> None:
            if columns is not None:
                self.settings.columns = columns
                self.settings.save()
                self.tell_arrangement()

        self.app.push_screen(ColumnsDialog(self.settings.columns), chosen)

    def tell_arrangement(self) -> None:
        """Bring table, heads and filter line to the chosen order and columns."""
        self.table.show_columns(self.settings.columns)
        self.query_one(Heads).show(self.settings.columns, self.settings.order)
        self.tell_bar()

    def tell_bar(self) -> None:
        """Bring the filter line up to date."""
        problem = filters.typed(self.typed, self.source.now().wall).problem
        said = text.EMPTY if problem is None else text.line((problem, "warn"), " ")
        self.bar.tell(self.settings.order, len(self.table.columns), len(KINDS), said)

    # -------------------------------------------------------------------------------------- rhythm

    def action_freeze(self) -> None:
        self.follower.freeze(not self.follower.frozen)
        self.tell_header()

    def action_rate(self, step: int) -> None:
        """Refresh less or more often."""
        place = RATES.index(min(RATES, key=lambda rate: abs(rate - self.rhythm.look_every)))
        every = RATES[max(0, min(place + step, len(RATES) - 1))]
        self.rhythm.look_every = self.settings.refresh_s = every
        self.settings.save()
        self.tell_header()
        self.follower.wake()

    def action_refresh_now(self) -> None:
        self.follower.wake()
