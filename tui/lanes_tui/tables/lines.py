"""The lines of the lanes table, as they are painted."""

from collections.abc import Callable
from typing import NamedTuple

from textual.content import Content
from textual.strip import Strip
from textual.style import Style

from lanes_tui.display import text
from lanes_tui.display.columns import MARGIN, CellParts, Column
from lanes_tui.tables.cursor import CURSOR
from lanes_tui.tables.scrolling import painted

#: How many lines are cached at most; a screen has some fifty.
_MOST = 1_000


class TableLine(NamedTuple):
    """What a line shows: a cell for each column, its mark, and whether the cursor is on it."""

    cells: tuple[CellParts, ...]
    mark: str
    under_cursor: bool
    fresh: frozenset[int] = frozenset()  # cells that have just changed


class Layout(NamedTuple):
    """What all lines have in common. ``stale``: what they show may be outdated."""

    columns: tuple[Column, ...]
    width: int
    base: Style
    cursor: Style
    stale: bool


class LineCache:
    """Renders the lines of a layout, and caches them: most lines only move up or down."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._strips: dict[TableLine, Strip] = {}

    def strip(self, line: TableLine, look: Callable[[str | Style], Style]) -> Strip:
        """The line as it is painted. ``look`` returns the style of a tone."""
        strip = self._strips.get(line)
        if strip is None:
            if len(self._strips) >= _MOST:
                self._strips.clear()
            strip = self._strips[line] = self.plain(self._content(line), look, under_cursor=line.under_cursor)
        return strip

    def plain(self, content: Content, look: Callable[[str | Style], Style], *, under_cursor: bool = False) -> Strip:
        """``content`` as a line over the whole width."""
        if self.layout.stale:
            content = text.line((content.plain, "muted"))
        layout = self.layout
        return painted(content, layout.width, layout.base, look, layout.cursor if under_cursor else None)

    def _content(self, line: TableLine) -> Content:
        parts: list[text.Part] = [(CURSOR if line.under_cursor else " ", "accent"), (line.mark, "mark"), " "]
        x = MARGIN
        for place, (column, cell) in enumerate(zip(self.layout.columns, line.cells, strict=False)):
            content = text.line(*cell)
            if place in line.fresh:
                content = text.line((content.plain, "mark"))
            parts += [" " * (column.x - x), column.fit(content)]
            x = column.x + column.width
        return text.line(*parts)
