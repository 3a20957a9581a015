"""The lanes table. It holds one window of lanes, whatever their number, and a cursor that stays on its lane."""

import time
from collections.abc import Container, Sequence
from math import inf
from typing import NamedTuple

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style

from lanes.records import Lane
from lanes_tui.display import columns, text
from lanes_tui.display.columns import CellParts, Column, ViewedAt
from lanes_tui.sources.source import Window
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.lines import Layout, LineCache, TableLine
from lanes_tui.tables.scrolling import set_virtual_size

#: How many screens of lanes are loaded above and below the one in view.
SPARE_SCREENS = 1
#: How long an action may take to move its lane in the list, in seconds.
ACTION_S = 30.0
#: For how many seconds a change is highlighted, and in which columns: the others change all the time.
FRESH_S, TELLING = 1.5, frozenset({"STATE", "QUEUE", "LAST ERROR"})
#: The least width of LANE, the steps in which it grows with the keys in view, so that not each new key shifts the
#: columns, and the most that it needs.
LEAST_KEY, KEY_STEP, MOST_KEY = 16, 8, 72


NONE_FRESH: frozenset[int] = frozenset()
#: Source and key identify a lane: two sources may have lanes with the same key.
LaneId = tuple[str, str]


class View(NamedTuple):
    """What the table shows: its first place, its height, the place of the cursor, and the lane that it stays on."""

    top: int
    height: int
    row: int
    key: str | None

    @property
    def span(self) -> tuple[int, int]:
        """The offset and the limit of the window to read for this view."""
        offset = max(0, self.top - SPARE_SCREENS * self.height)
        return offset, self.height * (1 + 2 * SPARE_SCREENS)

    def following(self, row: int, total: int) -> "View":
        """The view once the lane under the cursor has moved to ``row`` of ``total``.

        A view at the top of the list stays there while the cursor is in view; elsewhere the cursor keeps its line on
        the screen. A cursor that was out of view stays out of view.
        """
        row = max(0, min(row, total - 1))
        top = self.top
        if self.top <= self.row < self.top + self.height:
            if top > 0:
                top += row - self.row
            top = max(min(top, row), row - self.height + 1)
        return self._replace(top=max(0, min(top, total - self.height)), row=row)


class LaneList(CursorList):
    """A list of lanes, of which one window is loaded; painted line by line."""

    OF_ROW = "lane"

    def __init__(self, marks: Container[str], *, id: str | None = None) -> None:  # noqa: A002 - the toolkit's own word
        super().__init__(marks, id=id)
        self.window: Window | None = None
        self.stale = False
        self._holds = False  # the cursor stays on its lane; else at its place, as on the first line
        self._leaves: tuple[str | None, float] = (None, 0.0)  # a lane that the cursor does not follow, and until when
        self._sight: ViewedAt | None = None
        self._chosen: tuple[str, ...] = columns.USUAL
        self.columns: tuple[Column, ...] = ()  # those that are shown
        self._height = 0  # of the view, at the last resize
        self._painted: dict[int, tuple[CellParts, ...]] = {}
        self._known: dict[LaneId, tuple[CellParts, ...]] = {}  # the cells of each lane that was in view
        self._fresh: dict[LaneId, tuple[frozenset[int], float]] = {}  # the cells to highlight, and until when
        self._longest = LEAST_KEY
        self._lines: LineCache | None = None
        self._looks: dict[str | Style, Style] = {}
        self._hint: Sequence[Content] = ()

    # ------------------------------------------------------------------------------------ what it shows

    @property
    def total(self) -> int:
        return 0 if self.window is None else self.window.total

    @property
    def view(self) -> View:
        """The view as it is; before the first lanes, the view with the place where the cursor begins."""
        key = self._key if self._holds and not self._is_left else None
        top = self._top_for(self._at) if self.window is None else self.scroll_offset.y
        return View(top, max(1, self._room.height), self._at, key)

    @property
    def _is_left(self) -> bool:
        left, until = self._leaves
        return self._key == left and time.monotonic() < until

    @property
    def lane(self) -> Lane | None:
        """The lane under the cursor, as it is on the screen."""
        lane = self._lane_at(self._at)
        return lane if lane is not None and lane.key == self._key else None

    @property
    def key(self) -> str | None:
        return None if self.lane is None else self.lane.key

    def show(self, window: Window, sight: ViewedAt, key: str | None, row: int | None, *, other: bool = False) -> None:
        """Show a newer window. ``row``: the place of lane ``key`` in it (None: not listed). ``other``: it is of another
        list, which the person asked for."""
        view, before = self.view, None if other or self._is_left else self._key
        standing = None if view.key is None else window.place_of(view.key, view.row)
        if standing is None:
            standing = row if row is not None and key == view.key else view.row
        view = view.following(standing, window.total)
        bare = not self.total or not window.total
        self.window, self._sight = window, sight
        self._lay_out(self._longest)
        set_virtual_size(self, Size(self._room.width, window.total))
        if bare:
            self._repaint()
        self._put(view.row, view.top)
        if view.row == 0 and self._key != view.key:  # another lane came to the first line by itself
            self._holds = False
        self._note_arrival(before)
        self._catch_up()
        self._renew()

    def show_columns(self, chosen: tuple[str, ...]) -> None:
        """Show these columns, as far as there is room."""
        self._chosen = chosen
        self._lay_out()

    def _lay_out(self, longest: int = LEAST_KEY) -> None:
        """Lay out the columns. LANE gets the width of the longest key, but at least ``longest``, not to shrink."""
        keys = () if self.window is None else (lane.key for lane in self.window.rows)
        needed = max((cell_len(text.in_the_middle(key, MOST_KEY)) for key in keys), default=0)
        self._longest = max(longest, -(-needed // KEY_STEP) * KEY_STEP)
        # one cell at the right belongs to the scrollbar, whether it is there or not
        laid = columns.lay_out(self.outer_size.width - 1, self._chosen, self._longest)
        if laid != self.columns:
            self.columns = laid
            self._repaint()

    def show_stale(self, stale: bool) -> None:
        """Dim every line while what is shown may be outdated."""
        if stale != self.stale:
            self.stale = stale
            self._repaint()

    def show_hint(self, lines: Sequence[Content]) -> None:
        """Set the lines that are shown while there are no lanes."""
        if [line.plain for line in lines] != [line.plain for line in self._hint]:
            self._hint = lines
            self._repaint()

    # ------------------------------------------------------------------------------------------ moving

    def move_to(self, place: int) -> None:
        if self.total:
            row = max(0, min(place, self.total - 1))
            self._holds, self._came_at = row > 0, -inf
            before = self.lane
            self._put(row, self._top_for(row))
            if before is not None and self.lane is not None and before.source != self.lane.source:
                self.post_message(self.Moved())  # also if both have the same key

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        self._painted.clear()
        super().watch_scroll_y(old_value, new_value)

    def _key_at(self, place: int) -> str | None:
        lane = self._lane_at(place)
        return None if lane is None else lane.key

    def _want(self) -> None:
        window, view = self.window, self.view
        if window is None:
            return
        last = min(view.top + view.height, window.total) - 1
        # asked for while another half screen is loaded, so that paging shows no unread lines
        first = max(0, view.top - view.height // 2)
        later = min(last + view.height // 2, window.total - 1)
        if window.lane_at(first) is None or window.lane_at(later) is None:
            self.post_message(self.Wanted())

    def put(self, row: int, key: str | None) -> None:
        """Put the cursor at a row for the next look, to stay on lane ``key`` (None: to stay at that row)."""
        if self.total:
            self.move_to(row)
        else:
            self._at = row
        self._key, self._holds = key, key is not None

    def hold(self) -> bool:
        self._holds = True  # also on the first line
        return super().hold()

    def leave_lane(self) -> None:
        """Stay at this place of the list when an action moves the lane under the cursor."""
        self._leaves = self._key, time.monotonic() + ACTION_S

    def forget_cursor(self) -> None:
        """Stay at this place of the list, whichever lane comes there."""
        self._key = None

    # ---------------------------------------------------------------------------------------- painting

    def on_resize(self) -> None:
        view, before = self.view, self._height
        self._height = view.height
        self._lay_out()
        if self.window is not None:
            set_virtual_size(self, Size(self._room.width, self.window.total))
            if view.top <= view.row < view.top + before:  # a cursor that was in view stays in view
                view = view._replace(top=self._top_for(view.row))
            view = view.following(view.row, self.window.total)
            self._put(view.row, view.top)
        self._repaint()
        self._want()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painted.clear()
        self._looks.clear()
        self._lines = None

    def render_line(self, y: int) -> Strip:
        layout = Layout(self.columns, self._room.width, self.visual_style, self._cursor_style(), self.stale)
        lines = self._lines
        if lines is None or lines.layout != layout:
            lines = self._lines = LineCache(layout)
        row = y + self.scroll_offset.y
        if row >= self.total:
            return lines.plain(self._hinted(y), self._look)
        if row not in self._painted:
            self._painted[row] = self._cells(row)
        mark = self._mark_of(self._key_at(row))
        return lines.strip(TableLine(self._painted[row], mark, row == self._at, self._fresh_at(row)), self._look)

    def _lane_at(self, row: int) -> Lane | None:
        return None if self.window is None else self.window.lane_at(row)

    def _fresh_at(self, row: int) -> frozenset[int]:
        lane = self._lane_at(row)
        cells, until = (NONE_FRESH, 0.0) if lane is None else self._fresh.get(_id_of(lane), (NONE_FRESH, 0.0))
        return cells if time.monotonic() < until else NONE_FRESH

    def _hinted(self, y: int) -> Content:
        place = y - 1
        if self.window is None or self.window.total or not 0 <= place < len(self._hint):
            return text.EMPTY
        return text.line("  ", self._hint[place])

    def _cells(self, row: int) -> tuple[CellParts, ...]:
        lane = self._lane_at(row)
        if lane is None or self._sight is None:
            return ((("…", "muted"),),)
        return columns.cells_of(lane, self._sight, self.columns)

    def _look(self, name: str | Style) -> Style:
        """The style of a tone, cached: to ask the toolkit takes longer than everything else in a line."""
        if name not in self._looks:
            self._looks[name] = self._get_style(name)
        return self._looks[name]

    def _renew(self) -> None:
        """Repaint the cells that have changed, or whose highlight begins or ends."""
        top, now = self.scroll_offset.y, time.monotonic()
        ended = {key: cells for key, (cells, until) in self._fresh.items() if until <= now}
        regions: list[Region] = []
        known: dict[LaneId, tuple[CellParts, ...]] = {}
        for row in range(top, top + self._room.height):
            old, new = self._painted.get(row), self._cells(row)
            self._painted[row] = new
            lane = self._lane_at(row)
            if lane is None:
                regions += self._changed(row - top, old, new)
                continue
            lane_id = _id_of(lane)
            known[lane_id] = new
            fresh = self._fresh_cells(self._known.get(lane_id, new), new)
            if fresh:
                self._fresh[lane_id] = fresh, now + FRESH_S
            regions += self._changed(row - top, old, new, fresh | ended.get(lane_id, NONE_FRESH))
        self._known = known
        self._fresh = {key: each for key, each in self._fresh.items() if each[1] > now}
        if regions:
            self.refresh(*regions)

    def _fresh_cells(self, before: tuple[CellParts, ...], now: tuple[CellParts, ...]) -> frozenset[int]:
        """Which cells of a lane in ``TELLING`` columns have changed since the last look."""
        if len(before) != len(now) or len(now) != len(self.columns):
            return NONE_FRESH
        cells = enumerate(zip(self.columns, before, now, strict=True))
        return frozenset(place for place, (c, old, new) in cells if old != new and c.title in TELLING)

    def _changed(
        self, y: int, old: tuple[CellParts, ...] | None, new: tuple[CellParts, ...], also: frozenset[int] = NONE_FRESH
    ) -> list[Region]:
        """The regions of the cells of a line that have changed, and of the cells ``also``."""
        if old is None or len(old) != len(new):
            return [Region(0, y, self._room.width, 1)]
        cells = enumerate(zip(self.columns, old, new, strict=False))
        return [Region(c.x, y, c.width, 1) for place, (c, before, after) in cells if before != after or place in also]

    def _repaint(self) -> None:
        self._painted.clear()
        self.refresh()


def _id_of(lane: Lane) -> LaneId:
    return lane.source, lane.key
