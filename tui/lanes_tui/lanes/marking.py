"""Marking lanes for an action: one, a range, all that match, the others, none."""

from typing import ClassVar

from textual import on, work
from textual.binding import BindingType

from lanes import filters
from lanes_storage.records import LaneFilter
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import MarkAllWanted
from lanes_tui.display import text, words
from lanes_tui.lanes.board import Board
from lanes_tui.screens.guarded import MARKING
from lanes_tui.sources.marks import MOST, MarkedLane
from lanes_tui.sources.source import Lost
from lanes_tui.widgets.filter_bar import FilterBar


class Marking(Board):
    """A mark keeps the epoch that was on the screen when it was made."""

    KEYS: ClassVar[list[BindingType]] = [
        bind("mark", "mark", show=True),
        bind("mark range", "mark_range"),
        bind("mark all", "mark_all"),
        bind("mark others", "mark_others"),
        bind("mark none", "mark_none"),
    ]

    @property
    def marked(self) -> tuple[str, ...]:
        return self.marks.keys

    def action_mark(self) -> None:
        """Mark the lane under the cursor, or take its mark away; then go on to the next."""
        if self.lane is not None:
            self.marks.toggle(MarkedLane.of(self.lane))
            self.table.action_move(1)
            self._marked()

    def action_mark_range(self) -> None:
        """Begin a range at the cursor, or mark everything from there to the cursor."""
        if self.lane is None:
            return
        began, self.table.range_from = self.table.range_from, None
        if began is None:
            self.table.range_from = self.lane.key
            self.query_one(FilterBar).say(text.line(("  range: go to its other end, V ends it ", "mark")))
            self.table.show_marks()
        else:
            self._mark_range(began)

    @work(exclusive=True, group=MARKING)
    async def _mark_range(self, began: str) -> None:
        order, chosen = self.settings.order, self._chosen
        try:
            place = await self.source.place(chosen, began, order=order)
            if place is None:
                self.say(text.line("the lane where the range began is not listed any more"), grave=True)
                return
            first, last = sorted((place, self.table.view.row))
            window = await self.source.window(chosen, first, min(last - first + 1, MOST), order=order)
        except Lost:
            return
        self.marks.add(MarkedLane.of(lane) for lane in window.rows)
        self._marked()

    @on(MarkAllWanted)
    def _mark_all_wanted(self, event: MarkAllWanted) -> None:
        self.take_filter(event.typed)  # that it was typed may be told later than this
        self.action_mark_all()

    def action_mark_all(self) -> None:
        """Mark every lane that the filter chooses."""
        if self._understood():
            self._mark_matching(invert=False)

    def action_mark_others(self) -> None:
        """Mark every lane that the filter chooses and that is not marked, and no other of them."""
        if self._understood():
            self._mark_matching(invert=True)

    def _understood(self) -> bool:
        """Whether the lanes that are listed are those that the filter line names."""
        if self.problem is not None:
            self.say(f"nothing is marked by a filter that is not understood: {self.problem}", grave=True)
        return self.problem is None

    @work(exclusive=True, group=MARKING)
    async def _mark_matching(self, *, invert: bool) -> None:
        try:
            found = await self.source.marks(self._chosen, MOST + 1)
        except Lost:
            return
        if len(found) > MOST:
            self.say(text.line(f"more than {words.number(MOST)} lanes match: filter first"), grave=True)
            return
        if invert:
            self.marks.invert(found)
        else:
            self.marks.add(found)
        self._marked()

    def action_mark_none(self) -> None:
        """Take every mark away."""
        self.marks.clear()
        self.table.range_from = None
        self._marked()

    @property
    def _chosen(self) -> LaneFilter:
        return filters.typed(self.typed, self.source.now().wall).chosen

    def _marked(self) -> None:
        self.tell_bar()
        self.table.show_marks()
        self.tell_header()
        if self.typed and not self.follower.frozen:
            self.follower.wake()  # counts those that the filter hides
