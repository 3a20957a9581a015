"""Views of the lanes: kept under a number, called back, and there again after a restart."""

from typing import ClassVar

from textual import work
from textual.binding import BindingType

from lanes_storage.law import LaneState
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.actions.keys import bind
from lanes_tui.display.columns import ORDER
from lanes_tui.display.views import MOST_MARKS, KeptScreen, KeptView
from lanes_tui.lanes.arranging import Arranging
from lanes_tui.sources.source import Lost, MarkedLane

NUMBERS = tuple("123456789")


class Viewing(Arranging):
    """A view is the filter, the order, the columns, the detail, the marks, and the lane under the cursor."""

    VIEW_KEYS: ClassVar[list[BindingType]] = [
        *(bind("view", f"view({number})", only=number) for number in NUMBERS),
        bind("keep view", "keep_view"),
    ]
    _keeping = False

    def action_keep_view(self) -> None:
        """Keep what is shown, under the number that is pressed next."""
        self._keeping = not self._keeping
        if self._keeping:
            self.say("keep this view under which number? 1 to 9")

    def action_view(self, number: int) -> None:
        """Call the view of that number back; or keep this one under it, if that was asked for."""
        if self._keeping:
            self._keeping = False
            self.views.numbered[str(number)] = self.kept()
            self.views.save()
            self.say(f"kept as view {number}")
            return
        view = self.views.numbered.get(str(number))
        if view is None:
            self.say(f"no view {number} is kept: M, then {number}, keeps this one", grave=True)
        else:
            self.take_up(view)

    def kept(self, screens: tuple[KeptScreen, ...] = ()) -> KeptView:
        """What is shown just now. ``screens``: those that lie over it."""
        order = self.settings.order
        return KeptView(
            typed=self.typed,
            sort=str(order.by),
            reverse=order.reverse,
            columns=self.settings.columns,
            detail=not self.detail.has_class("-hidden"),
            key=self.table.view.key,
            marks=tuple((mark.key, mark.epoch, str(mark.state)) for mark in [*self.marks.values()][:MOST_MARKS]),
            screens=screens,
        )

    def take_up(self, view: KeptView) -> None:
        """Show what was shown then. Marks keep their epochs: what has moved on since is left alone."""
        self.settings.columns = tuple(name for name in ORDER if name in view.columns) or self.settings.columns
        if view.sort in set(LaneSort):
            self.settings.order = LaneOrder(LaneSort(view.sort), view.reverse)
        self.detail.set_class(not view.detail, "-hidden")
        self.marks.clear()
        self.marks.update((key, MarkedLane(key, epoch, LaneState.read(state))) for key, epoch, state in view.marks)
        self.typed = view.typed
        self.bar.input.value = view.typed
        self.tell_arrangement()
        self.tell_header()
        self.table.show_marks()
        self._go_to(view.key)

    @work(exclusive=True, group="search")
    async def _go_to(self, key: str | None) -> None:
        """Put the cursor on that lane, if it is one of those that are chosen."""
        place: int | None = None
        try:
            if key is not None:
                place = await self.source.place(self.chosen, key, order=self.settings.order)
        except Lost:  # the next look tells
            return
        self.table.put(place or 0, key if place is not None else None)
        self.looking.wake()
