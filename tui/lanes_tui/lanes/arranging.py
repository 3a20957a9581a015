"""How the main screen arranges lanes: filter, search, order, columns, the refresh rate, and views that are kept."""

import contextlib

from textual import on, work
from textual.widgets import Input

from lanes import filters
from lanes_storage.law import LaneState
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.actions.messages import FilterLeft, MarkAllWanted, SearchLeft, SortWanted
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.display import text, words
from lanes_tui.display.columns import KINDS, ORDER
from lanes_tui.display.settings import MOST_FILTERS, RATES
from lanes_tui.display.views import MOST_MARKS, KeptScreen, KeptView
from lanes_tui.lanes.board import Board
from lanes_tui.sources.source import Lost, MarkedLane


class Arranging(Board):
    """Order, columns and rate are stored for the next start. A view is the filter, the order, the columns, the detail,
    the marks, and the lane under the cursor."""

    _sought = ""
    _search_began: int | None = None
    _steps = 0  # of the search (n, N), still to be made; negative: backwards
    #: While frozen: the last event when that began, and how many events were written since.
    pending: tuple[int, int] | None = None
    _keeping = False  # the next number that is pressed keeps the view

    # ------------------------------------------------------------------------------------- filter

    def action_filter(self) -> None:
        self.bar.input.proposes.before = self.settings.filters
        self.screen.set_focus(self.bar.input)  # directly: keys that are typed ahead are for it

    def action_back(self) -> None:
        """Leave the range selection, or else clear the filter."""
        if not self.leave_range() and self.bar.input.value:
            self.table.hold()  # stay on the lane that was found, now among all
            self.bar.input.value = ""
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self._take_filter(event.value)

    @on(MarkAllWanted)
    def _mark_all_wanted(self, event: MarkAllWanted) -> None:
        self._take_filter(event.typed)  # ``Input.Changed`` for what was typed may come after this
        self.action_mark_all()

    def _take_filter(self, typed: str) -> None:
        """Show the lanes that the understood words of this filter choose."""
        now = self.source.now().wall
        parsed = filters.typed(typed, now)
        self.problem = parsed.problem
        self.typed = typed if parsed.problem is None else filters.understood(typed, now)
        self.update_bar()
        self.looking.wake()
        self._try_as_key(typed if parsed.problem is not None and parsed.chosen.conditions else "")

    @work(exclusive=True, group="key")
    async def _try_as_key(self, typed: str) -> None:
        """Take a word that looks like a mistyped field as a part of a key, if some key fits: it may be a pasted one."""
        if not typed:
            return
        with contextlib.suppress(Lost):  # the next look reports it
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
        """Go to the nearest lane whose key contains what is typed, while it is typed."""
        self._search_began = self.table.view.row
        self.bar.search.value = ""
        self.bar.search_begins()

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        if event.value:
            self._sought, self._steps = event.value, 0
            self._seek()

    @on(SearchLeft)
    def _search_left(self, event: SearchLeft) -> None:
        self.bar.search_ends()
        self.table.focus()
        self.update_bar()
        if not event.kept and self._search_began is not None:
            self.table.move_to(self._search_began)

    def action_search_on(self, step: int) -> None:
        if self._sought:
            self._steps += step
            self._seek()
        else:
            self.action_search()

    @work(exclusive=True, group="search")
    async def _seek(self) -> None:
        """Find the nearest lane; or make all steps that are left, also those of the search that this one cancels."""
        if not self._steps:
            await self._find(0)
        while self._steps:
            step = 1 if self._steps > 0 else -1
            await self._find(step)
            self._steps -= step

    async def _find(self, step: int) -> None:
        chosen = self.chosen
        key = self.table.view.key or self.table.key
        try:
            hit = await self.source.find(chosen, self._sought, key, step=step, order=self.settings.order)
        except Lost:
            return
        if hit is None:
            self.bar.show_note(text.line((f"no lane has “{self._sought}” ", "warn")))
            return
        self.bar.show_note(
            text.line(f"{words.number(hit.number + 1)} of {words.number(hit.total)} ", (" n/N ", "muted"))
        )
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
        """Sort by ``order`` from now on. The cursor goes to the top, to the lanes that come first in the new order."""
        self.settings.order = order
        self.settings.save()
        self.table.move_to(0)
        self.table.forget_cursor()
        self.update_arrangement()
        self.looking.wake()

    def action_columns(self) -> None:
        def chosen(columns: tuple[str, ...] | None) -> None:
            if columns is not None:
                self.settings.columns = columns
                self.settings.save()
                self.update_arrangement()

        self.app.push_screen(ColumnsDialog(self.settings.columns), chosen)

    def update_arrangement(self) -> None:
        """Show the chosen order and columns in table, heads and filter line."""
        self.table.show_columns(self.settings.columns)
        self.update_heads()

    def update_heads(self) -> None:
        """Show the heads of the table's columns, and their number in the filter line."""
        if self.heads.show(self.table.columns, self.settings.order):
            self.update_bar()

    def update_bar(self) -> None:
        """Bring the filter line up to date."""
        note = self.range_hint if self.problem is None else text.line((self.problem, "warn"), " ")
        self.bar.show_state(self.settings.order, len(self.table.columns), len(KINDS), note)

    # -------------------------------------------------------------------------------------- rhythm

    def action_freeze(self) -> None:
        self.looking.frozen = not self.looking.frozen
        self.pending = None
        if self.looking.frozen:
            self.count_pending()
        else:
            self.looking.wake()
        self.update_header()

    @work(exclusive=True, group="pending")
    async def count_pending(self) -> None:
        """Count the events that were written since the screen was frozen."""
        with contextlib.suppress(Lost):  # the next look reports it
            last = max((event.id for event in await self.source.events(limit=1)), default=0)
            began = last if self.pending is None else self.pending[0]
            if self.looking.frozen:
                self.pending = began, last - began
                self.update_header()

    def action_rate(self, step: int) -> None:
        """Refresh less or more often."""
        place = RATES.index(min(RATES, key=lambda rate: abs(rate - self.rhythm.look_every)))
        every = RATES[max(0, min(place + step, len(RATES) - 1))]
        self.rhythm.look_every = self.settings.refresh_s = every
        self.settings.save()
        self.update_header()
        self.looking.wake()

    def action_mute(self) -> None:
        """Turn the bell for silent runs on or off."""
        self.settings.muted = not self.settings.muted
        self.settings.save()
        self.update_header()
        self.show_notice("bell for silent runs: off" if self.settings.muted else "bell for silent runs: on")

    def action_follow(self) -> None:
        """Switch between following a lane after an action, and staying at its place in the list."""
        self.settings.follow = not self.settings.follow
        self.settings.save()
        self.show_notice(
            "after an action: follow the lane"
            if self.settings.follow
            else "after an action: keep the place in the list"
        )

    # --------------------------------------------------------------------------------------- views

    def action_keep_view(self) -> None:
        """Keep the view under the number that is pressed next; a second press cancels that."""
        self._keeping = not self._keeping
        if self._keeping:
            self.show_notice("press a number, 1 to 9, to keep this view")

    def action_view(self, number: int) -> None:
        """Restore the view of this number; or keep the current one under it, after ``action_keep_view``."""
        if self._keeping:
            self._keeping = False
            self.views.numbered[str(number)] = self.kept()
            self.views.save()
            self.show_notice(f"kept as view {number}")
            return
        view = self.views.numbered.get(str(number))
        if view is None:
            self.show_notice(f"there is no view {number}: press M, then {number}, to keep this one", grave=True)
        else:
            self.take_up(view)

    def kept(self, screens: tuple[KeptScreen, ...] = ()) -> KeptView:
        """The current view. ``screens``: those that are open over it."""
        order = self.settings.order
        return KeptView(
            typed=self.typed,
            sort=str(order.by),
            reverse=order.reverse,
            columns=self.settings.columns,
            detail=self.wants_detail,
            key=self.table.view.key,
            marks=tuple((mark.key, mark.epoch, str(mark.state)) for mark in [*self.marks.values()][:MOST_MARKS]),
            screens=screens,
        )

    def take_up(self, view: KeptView) -> None:
        """Restore a view. Marks keep their epochs, so that actions leave lanes alone that have moved on since."""
        self.settings.columns = tuple(name for name in ORDER if name in view.columns) or self.settings.columns
        if view.sort in set(LaneSort):
            self.settings.order = LaneOrder(LaneSort(view.sort), view.reverse)
        self.detail.set_class(not view.detail, "-hidden")
        self.marks.clear()
        self.marks.update((key, MarkedLane(key, epoch, LaneState.read(state))) for key, epoch, state in view.marks)
        self.typed = view.typed
        self.bar.input.value = view.typed
        self.update_arrangement()
        self.update_header()
        self.table.show_marks()
        self._go_to(view.key)

    @work(exclusive=True, group="search")
    async def _go_to(self, key: str | None) -> None:
        """Put the cursor on a lane, or on the first one if the filter does not choose it."""
        place: int | None = None
        try:
            if key is not None:
                place = await self.source.place(self.chosen, key, order=self.settings.order)
        except Lost:  # the next look reports it
            return
        self.table.put(place or 0, key if place is not None else None)
        self.looking.wake()
