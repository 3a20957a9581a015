"""Lines of content, of which only changed cells are repainted."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from lanes_tui.display import text
from lanes_tui.tables.scrolling import set_virtual_size


class Sheet(ScrollView, can_focus=False):
    """Shows lines, wrapped or each cut to the width.

    In a second only a few cells of a screen change; over SSH, no more than these should be sent.
    """

    def __init__(
        self,
        lines: Sequence[Content] = (),
        *,
        wrap: bool = False,
        id: str | None = None,  # noqa: A002 - the toolkit's own word
    ) -> None:
        super().__init__(id=id)
        self._wrap = wrap
        self._lines = lines
        self._strips: list[Strip] = []
        self._line_strips: dict[str, tuple[Content, list[Strip]]] = {}
        self._laid_out_for: tuple[int, object] = (0, None)

    def show(self, lines: Sequence[Content]) -> None:
        """Show these lines instead."""
        self._lines = lines
        self._lay_out()

    def turn_wrap(self) -> None:
        """Wrap lines that were cut, or cut those that were wrapped."""
        self._wrap = not self._wrap
        self._laid_out_for = (0, None)
        self._lay_out()

    @property
    def plain(self) -> str:
        """The text that is shown, without styles."""
        return "\n".join(line.plain for line in self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._strips_for(width))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._laid_out_for = (0, None)
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        base = self.visual_style.rich_style
        if not self._strips:  # it is painted before its first resize event
            self._strips = self._strips_for(width)
        if place >= len(self._strips):
            return Strip.blank(width, base)
        return self._strips[place].adjust_cell_length(width, base)

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if width < 1:
            return
        before, self._strips = self._strips, self._strips_for(width)
        size = Size(width, len(self._strips))
        if size != self.virtual_size and self.styles.auto_dimensions:
            self.virtual_size = size
            self.refresh(layout=True)
            return
        set_virtual_size(self, size)
        top = self.scroll_offset.y
        changed = [
            Region(first, place - top, last - first, 1)
            for place, (old, new) in enumerate(zip_longest(before, self._strips, fillvalue=Strip([])))
            if old is not new and old != new and 0 <= place - top < self.size.height
            for first, last in [_changed(old, new, width)]
        ]
        if changed:
            self.refresh(*changed)

    def _strips_for(self, width: int) -> list[Strip]:
        """The lines as they are painted. A line that was shown before, at whatever place, is not rendered again."""
        style = self.visual_style
        before = self._line_strips if self._laid_out_for == (width, style) else {}
        self._line_strips, self._laid_out_for = {}, (width, style)
        strips: list[Strip] = []
        for line in self._lines:
            content, line_strips = before.get(line.plain, (None, []))
            if content is None or not content.is_same(line):
                shown = line if self._wrap else text.fitted(line, width)
                line_strips = Visual.to_strips(self, shown, width, None, style, apply_selection=False)
            self._line_strips[line.plain] = (line, line_strips)
            strips += line_strips
        return strips


def _changed(old: Strip, new: Strip, width: int) -> tuple[int, int]:
    """The place of the first cell that differs, and the place after the last one."""
    before, after = _cells(old, width), _cells(new, width)
    differ = [place for place in range(width) if before[place] != after[place]]
    return (differ[0], differ[-1] + 1) if differ else (0, width)


def _cells(strip: Strip, width: int) -> list[tuple[str, Style | None]]:
    """What each cell shows; the second cell of a wide character is empty."""
    cells: list[tuple[str, Style | None]] = []
    for piece, style, _ in strip:
        if piece.isascii():  # as most are
            cells += [(character, style) for character in piece]
            continue
        for character in piece:
            cells += [(character, style), ("", style)][: cell_len(character)]
    return (cells + [("", None)] * width)[:width]
