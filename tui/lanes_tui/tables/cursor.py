"""The base of the lanes table and of the other lists: a cursor on one of many rows, and marks."""

import time
from collections.abc import Callable, Container
from math import inf
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.style import Style

from lanes_tui.actions.keys import MOVES

CURSOR, MARK = "▌", "*"
#: A key that is pressed within this time (seconds) after the row under the cursor changed by itself was meant for the
#: row before.
GLANCE_S = 1.0


class CursorList(ScrollView, can_focus=True):
    """A list of which only a part may be loaded. ``range_from``: the key of the row where a range of marks begins."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = MOVES
    #: The word for a row in messages.
    OF_ROW: ClassVar[str] = "row"

    class Moved(Message):
        """Another row is under the cursor; none while that row is not loaded."""

    class Wanted(Message):
        """Rows in view are not loaded."""

    def __init__(self, marks: Container[str], *, id: str | None = None) -> None:  # noqa: A002 - the toolkit's own word
        super().__init__(id=id)
        self.marks = marks
        self.range_from: str | None = None
        self._at = 0
        self._key: str | None = None
        self._came_at = -inf  # when another row came under the cursor by itself
        self._early: list[Callable[[], int]] | None = []  # moves before the first rows; None: there were rows

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor; None: there is none, or it is not loaded."""
        return self._key

    @property
    def total(self) -> int:
        """How many rows the whole list has."""
        raise NotImplementedError

    def move_to(self, place: int) -> None:
        """Put the cursor on the row nearest to ``place``, and scroll it into view."""
        raise NotImplementedError

    def _key_at(self, place: int) -> str | None:
        """The key of the row at ``place``; None: it is not loaded."""
        raise NotImplementedError

    def _want(self) -> None:
        """Ask for the rows that are in view and not loaded."""
        raise NotImplementedError

    def hold(self) -> bool:
        """Keep the cursor on its row; returns whether the row has been there long enough for a person to see it."""
        seen = time.monotonic() >= self._came_at + GLANCE_S
        self._came_at = -inf  # a second key is meant for this row
        return seen

    def _note_arrival(self, before: str | None) -> None:
        """After an update: note the time if the row under the cursor is not ``before`` (None: none) any more."""
        if before not in (None, self._key):
            self._came_at = time.monotonic()

    @property
    def _room(self) -> Size:
        """The cells that lines may use, without those of the scrollbar."""
        return self.scrollable_content_region.size

    def action_move(self, by: int) -> None:
        self._go(lambda: self._at + by)

    def action_page(self, pages: int) -> None:
        self._go(lambda: self._at + pages * max(1, self._room.height - 1))

    def action_jump(self, place: int) -> None:
        self._go(lambda: place if place >= 0 else self.total + place)

    def _go(self, where: Callable[[], int]) -> None:
        """Put the cursor at the place that ``where`` returns, once there are rows."""
        if self._early is None:
            self.move_to(where())
        else:
            self._early.append(where)

    def _catch_up(self) -> None:
        """Make the moves that were asked for before the first rows."""
        early, self._early = self._early, None
        for where in early or ():
            self.move_to(where())

    def _put(self, place: int, top: int) -> None:
        """Put the cursor at ``place``, and ``top`` first in view; post ``Moved`` if it is on another row then."""
        before, self._at = self._at, place
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)
        if place != before:
            self._refresh_line(before)
            self._refresh_line(place)
        if (key := self._key_at(place)) != self._key:
            self._key = key
            self.post_message(self.Moved())

    def _top_for(self, at: int) -> int:
        """The first place in view once ``at`` is scrolled into view."""
        return max(min(self.scroll_offset.y, at), at - max(1, self._room.height) + 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._want()

    def on_click(self, event: events.Click) -> None:
        if event.y + self.scroll_offset.y < self.total:
            self.move_to(event.y + self.scroll_offset.y)

    def show_marks(self) -> None:
        """Repaint the marks."""
        self.refresh(Region(1, 0, 1, self._room.height))

    def _mark_of(self, key: str | None) -> str:
        return MARK if key is not None and (key in self.marks or key == self.range_from) else " "

    def _refresh_line(self, place: int) -> None:
        y = place - self.scroll_offset.y
        if 0 <= y < self._room.height:
            self.refresh(Region(0, y, self._room.width, 1))

    def _cursor_style(self) -> Style:
        if self.app.native_ansi_color:  # the terminal's colours are unknown: only reversing its own two is legible
            return Style(reverse=True)
        return Style(background=self.get_component_styles("list--cursor").background)
