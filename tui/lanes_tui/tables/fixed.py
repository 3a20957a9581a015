"""Tables with columns of fixed width, and one that takes the rest; columns without room are left out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.content import Content

from lanes_tui.display import text

#: The least width of the column that takes the rest.
LEAST = 12
#: Before the first column: the cursor and the mark.
_MARGIN = 2


class FixedColumn(NamedTuple):
    """A column. ``width`` 0: it takes the rest, at most ``most``. ``right``: aligned to the right."""

    name: str
    width: int
    right: bool = False
    most: int = 1_000


class FixedLayout(NamedTuple):
    """The columns that are shown, with their widths, and the gap between two."""

    columns: tuple[FixedColumn, ...]
    gap: int

    @classmethod
    def of(cls, columns: Sequence[FixedColumn], width: int) -> "FixedLayout":
        """The columns on a screen of ``width`` cells. Without room for all, the last ones are left out."""
        gap = 1 if width < 100 else 2
        room = width - _MARGIN - 1  # the scrollbar's
        shown = list(columns)
        while len(shown) > 1 and sum((each.width or LEAST) + gap for each in shown) - gap > room:
            shown.pop()
        rest = room - sum(each.width + gap for each in shown) + gap
        return cls(tuple(each._replace(width=each.width or min(each.most, rest)) for each in shown), gap)

    def width_of(self, name: str) -> int:
        """The width of a column; 0: it is not shown."""
        return next((each.width for each in self.columns if each.name == name), 0)

    def heads(self) -> Content:
        """The names of the columns, above their cells."""
        names = {each.name: text.line((each.name, "head")) for each in self.columns}
        return text.line(" " * _MARGIN, self.line(names))

    def line(self, cells: Mapping[str, Content]) -> Content:
        """The cells of a row, each in its column."""
        fitted = (text.fitted(cells.get(each.name, text.EMPTY), each.width, right=each.right) for each in self.columns)
        return text.joined(fitted, " " * self.gap)
