"""The layout of a table on a terminal: the widths of columns, and which texts are cut."""

from collections.abc import Sequence
from itertools import zip_longest

from lanes_storage.tuples import NamedTuple

ELLIPSIS = "…"
#: The least width of a column that may be cut.
LEAST = 4
#: Where nothing is cut, texts are padded to at most this width: one long key would widen every row.
MOST_PADDED = 80


class OutputColumn(NamedTuple):
    """A column. ``cut`` says where a text that does not fit is shortened: ``middle``, ``end``, or never.

    A column that may be cut keeps ``least`` cells, if the terminal has room for that. ``below``: a text that does not
    fit is shown in full below its row: a key that had to be cut, or a text of the last column.
    """

    title: str
    right: bool = False
    cut: str = ""
    least: int = 12
    below: bool = False


class LaidRow(NamedTuple):
    """The texts of a row, padded to their columns. ``keys`` that were cut, and the last text if it did not fit
    (``rest``), are to be shown below the row."""

    cells: list[str]
    keys: list[str]
    rest: str = ""


def width_of(text: str) -> int:
    """How many cells of a terminal a cleaned text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def lay_out(columns: Sequence[OutputColumn], rows: Sequence[Sequence[str]], width: int | None) -> list[LaidRow]:
    """The head and the rows, every text padded to its column. They fit ``width`` where the columns allow it; without
    one every text is whole."""
    table = [[column.title for column in columns], *rows]
    widths = [max(width_of(text) for text in column) for column in zip_longest(*table, fillvalue="")]
    if width is None:
        padded = [min(size, MOST_PADDED) for size in widths]
        return [LaidRow([_padded(*each) for each in zip(row, padded, columns, strict=True)], []) for row in table]
    fixed = len(columns) if columns[-1].cut or not columns[-1].below else len(columns) - 1
    room = width - 2 * (fixed - 1)  # the last one, if it is not cut, gets what the others leave
    widths[:fixed] = _shrunk(columns[:fixed], table, widths[:fixed], room)
    widths[fixed:] = [min(size, max(0, room - sum(widths[:fixed]) - 2)) for size in widths[fixed:]]
    head, *others = table
    if columns[-1].below and width_of(head[-1]) > widths[-1]:
        head = [*head[:-1], ""]
    return [_laid(columns, row, widths) for row in (head, *others)]


def _shrunk(
    columns: Sequence[OutputColumn], table: Sequence[Sequence[str]], widths: list[int], width: int
) -> list[int]:
    """Shrink columns until they fit ``width``.

    First the remarks are cut, so that keys, which are needed to act, stay whole. If that is not enough, a column of
    keys gets the width of its longest key that fits. At last every column that may be cut goes below its ``least``.
    """
    remarks = [i for i, column in enumerate(columns) if column.cut == "end"]
    cut = [i for i, column in enumerate(columns) if column.cut]
    leasts = [column.least for column in columns]
    whole = _reduced(widths, width, remarks, leasts)
    if sum(whole) <= width:
        return whole
    for i, column in enumerate(columns):
        if column.cut and column.below:
            room = width - sum(whole) + whole[i]
            widths[i] = max([column.least, *(size for row in table if (size := width_of(row[i])) <= room)])
    for of, kept in ((remarks, leasts), (cut, leasts), (cut, [LEAST] * len(columns))):
        widths = _reduced(widths, width, of, kept)
    return widths


def _reduced(widths: list[int], width: int, of: Sequence[int], leasts: Sequence[int]) -> list[int]:
    """Shrink the widest of the columns ``of`` again and again until all fit ``width``, or are down to ``leasts``."""
    widths = [*widths]
    while sum(widths) > width:
        cuttable = [i for i in of if widths[i] > leasts[i]]
        if not cuttable:
            break
        widest = max(cuttable, key=lambda i: widths[i])
        rest = max((widths[i] for i in cuttable if i != widest), default=0)
        widths[widest] = max(leasts[widest], min(rest, widths[widest] - 1), widths[widest] - (sum(widths) - width))
    return widths


def _laid(columns: Sequence[OutputColumn], row: Sequence[str], widths: Sequence[int]) -> LaidRow:
    *_, last = cut = [
        column.below and width_of(text) > size for column, text, size in zip(columns, row, widths, strict=True)
    ]
    shown = [*row[:-1], ""] if last else row
    cells = [_fit(*each) for each in zip(shown, widths, columns, strict=True)]
    keys = [text for text, too_long in zip(row[:-1], cut, strict=False) if too_long]
    return LaidRow(cells, keys, row[-1] if last else "")


def _fit(text: str, size: int, column: OutputColumn) -> str:
    if width_of(text) > size:
        text = _cut(text, size, middle=column.cut == "middle")
    return _padded(text, size, column)


def _padded(text: str, size: int, column: OutputColumn) -> str:
    space = " " * (size - width_of(text))
    return space + text if column.right else text + space


def _cut(text: str, size: int, *, middle: bool) -> str:
    tail_size = (size - 1) // 2 if middle else 0
    tail = _first(text[::-1], tail_size)[::-1]
    return _first(text, size - 1 - width_of(tail)) + ELLIPSIS + tail


def _first(text: str, size: int) -> str:
    width = 0
    for at, character in enumerate(text):
        width += width_of(character)
        if width > size:
            return text[:at]
    return text
