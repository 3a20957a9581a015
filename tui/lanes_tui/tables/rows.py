"""A list whose cursor stays on its row while other rows come and go. Only a part of a long list may be loaded."""

from collections.abc import Container, Sequence
from math import inf
from typing import NamedTuple

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip

from lanes_tui.display import text
from lanes_tui.tables.cursor import CURSOR, CursorList
from lanes_tui.tables.scrolling import painted, set_virtual_size

_MARGIN = 2
#: What stands for a row that is not loaded.
_UNREAD = text.line(("…", "muted"))


class ListRow(NamedTuple):
    """A line, and the key that identifies its row."""

    key: str
    content: Content


class Span(NamedTuple):
    """A part of a list: the place of its first row, and how many rows."""

    offset: int
    limit: int


class Rows(CursorList):
    """Shows rows, each on one line. With ``tail``, a cursor on the last row moves on to rows that are appended."""

    def __init__(self, marks: Container[str] = (), *, id: str | None = None) -> None:  # noqa: A002 - the toolkit's own word
        super().__init__(marks, id=id)
        self.tail = False
        self._rows: Sequence[ListRow] = ()
        self._offset = self._total = 0
        self._empty = text.EMPTY
        self._stays = False  # the cursor stays on its row in spite of ``tail``

    @property
    def is_unread(self) -> bool:
        """Whether the cursor is on a row that is not loaded."""
        return self._key is None and self._total > 0

    @property
    def at_end(self) -> bool:
        """Whether the cursor is on the last row."""
        return self._at >= self._total - 1

    @property
    def total(self) -> int:
        return self._total

    @property
    def span(self) -> Span:
        """The part to load: the rows in view, and a screen above and below them."""
        height = max(1, self._room.height)
        return Span(max(0, min(self.scroll_offset.y, self._at) - height), 3 * height)

    @property
    def plain(self) -> str:
        """The loaded rows as text, without styles."""
        return "\n".join(row.content.plain for row in self._rows) or self._empty.plain

    def show(
        self,
        rows: Sequence[ListRow],
        empty: Content = text.EMPTY,
        *,
        offset: int = 0,
        total: int | None = None,
        place: int | None = None,
    ) -> None:
        """Show these rows instead, or ``empty`` where there are none.

        ``offset``, ``total``: the rows are a part of a list of that length. ``place``: where in it the row under the
        cursor is now, if it is not among ``rows``.
        """
        before = {at: self._row(at) for at in self._seen}
        was_last, key = self.at_end and not self._stays, self._key
        self._rows, self._empty, self._offset = rows, empty, offset
        self._total = len(rows) if total is None else max(total, offset + len(rows))
        set_virtual_size(self, Size(self._room.width, max(1, self._total)))
        if self.tail and was_last:
            self._stand(self._total - 1)
        else:
            found = next((offset + i for i, row in enumerate(rows) if row.key == self._key), place)
            self._stand(self._at if found is None or self._key is None else found)
        self._note_arrival(key)
        self._catch_up()
        for at in self._seen:
            if not _same(before.get(at), self._row(at)):
                self._refresh_line(at)

    def forget_cursor(self) -> None:
        """Put the cursor on the first row of what is shown next."""
        self._key, self._at, self._stays = None, 0, False

    def begin_at(self, key: str | None) -> None:
        """Put the cursor on that row as soon as it is shown."""
        self._key = key

    @property
    def _seen(self) -> range:
        top = self.scroll_offset.y
        return range(top, top + self._room.height)

    def _row(self, at: int) -> ListRow | None:
        """The row at a place, or what stands for it; None after the last one."""
        inside = at - self._offset
        if 0 <= inside < len(self._rows):
            return self._rows[inside]
        if 0 <= at < self._total:
            return ListRow("", _UNREAD)
        return ListRow("", self._empty) if at == 0 else None

    def on_resize(self) -> None:
        set_virtual_size(self, Size(self._room.width, max(1, self._total)))
        if self._total:  # else the row that ``begin_at`` named would be forgotten
            self._stand(self._at)
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def _want(self) -> None:
        held = range(self._offset, self._offset + len(self._rows))
        if any(at not in held for at in (*self._seen[:1], *self._seen[-1:], self._at) if at < self._total):
            self.post_message(self.Wanted())

    def move_to(self, place: int) -> None:
        self._stays, self._came_at = False, -inf
        self._stand(place)

    def hold(self) -> bool:
        seen = super().hold()
        self._stays = self._stays or not seen
        return seen

    def _stand(self, place: int) -> None:
        """Put the cursor on the row nearest to ``place``."""
        at = max(0, min(place, self._total - 1))
        self._put(at, self._top_for(at))
        self._want()

    def _key_at(self, place: int) -> str | None:
        row = self._row(place)
        return None if row is None else row.key or None

    def render_line(self, y: int) -> Strip:
        place, width = y + self.scroll_offset.y, self._room.width
        row, under = self._row(place), place == self._at and self._total > 0
        content, mark = (text.EMPTY, " ") if row is None else (row.content, self._mark_of(row.key or None))
        fitted = text.fitted(content, max(0, width - _MARGIN))
        whole = text.line((CURSOR if under else " ", "accent"), (mark, "mark"), fitted)
        return painted(whole, width, self.visual_style, self._get_style, self._cursor_style() if under else None)


def _same(one: ListRow | None, other: ListRow | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.key == other.key and one.content.is_same(other.content)
