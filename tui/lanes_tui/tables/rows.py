"""A list with a cursor that stays on its row, whatever comes and goes around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from lanes_tui.actions.keys import MOVES
from lanes_tui.display import text
from lanes_tui.tables.scrolling import tell_size

MARK = "▌"
_MARGIN = 2


class ListRow(NamedTuple):
    """One line, and what names it."""

    key: str
    content: Content


class Rows(ScrollView, can_focus=True):
    """Shows rows, each on one line. With ``tail`` a cursor on the last one goes on to what comes behind it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = MOVES

    @dataclass
    class Chosen(Message):
        """The cursor stands on another row; None: there is none."""

        rows: "Rows"
        key: str | None

        @property
        def control(self) -> "Rows":
            """The list, so that handlers can be bound to one of several."""
            return self.rows

    def __init__(self, *, id: str | None = None, tail: bool = False) -> None:  # noqa: A002 - the toolkit's own word
        super().__init__(id=id)
        self.tail = tail
        self._rows: Sequence[ListRow] = ()
        self._at = 0
        self._key: str | None = None
        self._empty = text.EMPTY

    @property
    def key(self) -> str | None:
        """What the cursor stands on."""
        return self._key

    @property
    def plain(self) -> str:
        """What is shown, without its looks."""
        return "\n".join(row.content.plain for row in self._rows) or self._empty.plain

    def show(self, rows: Sequence[ListRow], empty: Content = text.EMPTY) -> None:
        """Show these rows instead, or ``empty`` where there are none."""
        before, self._rows, self._empty = self._rows, rows, empty
        tell_size(self, Size(self._room.width, max(1, len(rows))))
        if self.tail and self._at >= len(before) - 1:
            self._place(len(rows) - 1)
        else:
            self._place(next((i for i, row in enumerate(rows) if row.key == self._key), self._at))
        self._refresh_changed(before)

    def forget_cursor(self) -> None:
        """Begin at the top with what is shown next."""
        self._key, self._at = None, 0

    @property
    def _room(self) -> Size:
        return self.scrollable_content_region.size

    def action_move(self, by: int) -> None:
        self._place(self._at + by)

    def action_page(self, pages: int) -> None:
        self._place(self._at + pages * max(1, self._room.height - 1))

    def action_jump(self, place: int) -> None:
        self._place(place if place >= 0 else len(self._rows) + place)

    def on_click(self, event: events.Click) -> None:
        if event.y + self.scroll_offset.y < len(self._rows):
            self._place(event.y + self.scroll_offset.y)

    def on_resize(self) -> None:
        tell_size(self, Size(self._room.width, max(1, len(self._rows))))
        self._place(self._at)
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def _place(self, at: int) -> None:
        """Put the cursor there, and bring it into sight."""
        before, self._at = self._at, max(0, min(at, len(self._rows) - 1))
        height = max(1, self._room.height)
        top = max(min(self.scroll_offset.y, self._at), self._at - height + 1)
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)
        if before != self._at:
            self._refresh_line(before)
            self._refresh_line(self._at)
        key = self._rows[self._at].key if self._rows else None
        if key != self._key:
            self._key = key
            self.post_message(self.Chosen(self, key))

    def render_line(self, y: int) -> Strip:
        place, width = y + self.scroll_offset.y, self._room.width
        if place >= len(self._rows):
            return self._strip(self._empty if place == 0 else text.EMPTY, " ", width, Style())
        under = place == self._at
        mark = MARK if under else " "
        return self._strip(self._rows[place].content, mark, width, self._looks() if under else Style())

    def _looks(self) -> Style:
        if self.app.native_ansi_color:
            return Style(reverse=True)
        return Style(background=self.get_component_styles("rows--cursor").background)

    def _strip(self, content: Content, mark: str, width: int, style: Style) -> Strip:
        base = self.visual_style + style
        whole = text.line((mark, "accent"), " " * (_MARGIN - 1), text.fitted(content, max(0, width - _MARGIN)))
        if style.reverse:  # a colour would become the ground of its word
            whole = text.line(whole.plain)
        segments = [Segment(piece, look.rich_style) for piece, look in whole.render(base, "", self._get_style)]
        return Strip(segments).adjust_cell_length(width, base.rich_style)

    def _refresh_changed(self, before: Sequence[ListRow]) -> None:
        top, height = self.scroll_offset.y, self._room.height
        for place in range(top, top + height):
            old = before[place].content if place < len(before) else self._empty
            new = self._rows[place].content if place < len(self._rows) else self._empty
            if not old.is_same(new):
                self._refresh_line(place)

    def _refresh_line(self, place: int) -> None:
        y = place - self.scroll_offset.y
        if 0 <= y < self._room.height:
            self.refresh(Region(0, y, self._room.width, 1))
