"""How lanes are shown: filter, search, order, columns, and the refresh rate."""

import contextlib
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.widgets import Input

from lanes import filters
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterLeft, MarkAllWanted, SearchLeft, SortWanted
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.display import text, words
from lanes_tui.display.columns import KINDS
from lanes_tui.display.settings import MOST_FILTERS, RATES
from lanes_tui.lanes.board import Board
from lanes_tui.sources.source import Lost


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
        bind("follow", "follow"),
        bind("mute", "mute"),
        bind("refresh", "refresh_now"),
    ]
    _sought = ""
    _search_began: int | None = None
    #: While it is frozen: the last event when that began, and how many have been written since.
    pending: tuple[int, int] | None = None

    # ------------------------------------------------------------------------------------- filter

    def action_filter(self) -> None:
        self.bar.input.proposes.before = self.settings.filters
        self.screen.set_focus(self.bar.input)  # at once: keys that are typed ahead are for it

    def action_back(self) -> None:
        """Leave the range selection, or else clear the filter."""
        if not self.leave_range() and self.bar.input.value:
            self.table.hold()  # what was found is seen among the others
            self.bar.input.value = ""
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self._take_filter(event.value)

    @on(MarkAllWanted)
    def _mark_all_wanted(self, event: MarkAllWanted) -> None:
        self._take_filter(event.typed)  # that it was typed may be told later than this
        self.action_mark_all()

    def _take_filter(self, typed: str) -> None:
        """Show the lanes of this filter, as far as it is understood."""
        now = self.source.now().wall
        parsed = filters.typed(typed, now)
        self.problem = parsed.problem
        self.typed = typed if parsed.problem is None else filters.understood(typed, now)
        self.tell_bar()
        self.looking.wake()
        self._doubt(typed if parsed.problem is not None and parsed.chosen.conditions else "")

    @work(exclusive=True, group="doubt")
    async def _doubt(self, typed: str) -> None:
        """A word that may be a mistyped field is a part of a key where there is such a key: that may be pasted."""
        if not typed:
            return
        with contextlib.suppress(Lost):  # the next look tells
            if await self.source.total(filters.typed(typed, self.source.now().wall).chosen):
                self.typed = typed
                self.looking.wake()

    @on(FilterLeft)
    def _filter_left(self) -> None:
        if self.typed and self.problem is None:
            others = [typed for typed in self.settings.filters if typed != self.typed]
            self.settings.filters = (*others, self.typed)[-MOST_FILTERS:]
            self.settings.save()
        self.table.focus()

    # ------------------------------------------------------------------------------------- search

    def action_search(self) -> None:
        """Go to the nearest lane with a part of a key, while it is typed."""
        self._search_began = self.table.view.row
        self.bar.search.value = ""
        self.bar.search_begins()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        if event.value:
            self._sought = event.value
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
        chosen = self.chosen
        key = self.table.view.key or self.table.key
        try:
            hit = await self.source.find(chosen, self._sought, key, step=step, order=self.settings.order)
        except Lost:
            return
        if hit is None:
            self.bar.say(text.line((f"no lane has “{self._sought}” ", "warn")))
            return
        self.bar.say(text.line(f"{words.number(hit.number + 1)} of {words.number(hit.total)} ", (" n/N ", "muted")))
        self.table.put(hit.place, hit.key)

    # ---------------------------------------------------------------------------- order and columns

    def action_sort(self) -> None:
        """Sort by silence, by attention, then by each column that is shown, in turn."""
        shown = (KINDS[column.title].sort for column in self.table.columns)
        sorts = list(dict.fromkeys((LaneSort.SILENT, LaneSort.ATTENTION, *shown)))
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
        self.looking.wake()

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
        self.tell_heads()
        self.tell_bar()

    def tell_heads(self) -> None:
        """Bring the heads over the columns of the table."""
        self.heads.show(self.table.columns, self.settings.order)

    def tell_bar(self) -> None:
        """Bring the filter line up to date."""
        said = self.range_hint if self.problem is None else text.line((self.problem, "warn"), " ")
        self.bar.tell(self.settings.order, len(self.table.columns), len(KINDS), said)

    # -------------------------------------------------------------------------------------- rhythm

    def action_freeze(self) -> None:
        self.looking.frozen = not self.looking.frozen
        self.pending = None
        if self.looking.frozen:
            self.count_pending()
        else:
            self.looking.wake()
        self.tell_header()

    @work(exclusive=True, group="pending")
    async def count_pending(self) -> None:
        """How much was written since it was frozen."""
        with contextlib.suppress(Lost):  # the next look tells
            last = max((event.id for event in await self.source.events(limit=1)), default=0)
            began = last if self.pending is None else self.pending[0]
            if self.looking.frozen:
                self.pending = began, last - began
                self.tell_header()

    def action_rate(self, step: int) -> None:
        """Refresh less or more often."""
        place = RATES.index(min(RATES, key=lambda rate: abs(rate - self.rhythm.look_every)))
        every = RATES[max(0, min(place + step, len(RATES) - 1))]
        self.rhythm.look_every = self.settings.refresh_s = every
        self.settings.save()
        self.tell_header()
        self.looking.wake()

    def action_mute(self) -> None:
        """Ring when a run falls silent, or not."""
        self.settings.muted = not self.settings.muted
        self.settings.save()
        self.tell_header()
        self.say("no bell when a run falls silent" if self.settings.muted else "a bell when a run falls silent")

    def action_follow(self) -> None:
        """After an action follow the lane, or stay at its place in the list, where the next one comes to stand."""
        self.settings.follow = not self.settings.follow
        self.settings.save()
        self.say("after an action: follow the lane" if self.settings.follow else "after an action: stay at the place")
