"""Laying out a table in columns of a terminal: widths, and what is cut where it does not fit."""

from collections.abc import Sequence
from itertools import zip_longest

from lanes_storage.tuples import NamedTuple

ELLIPSIS = "…"
#: A column that may be cut is never narrower.
LEAST = 4


class OutputColumn(NamedTuple):
    """A column. ``cut`` says where a text that does not fit is shortened: ``middle``, ``end``, or never.

    A column that may be cut keeps ``least`` cells, if the terminal has room for that.
    """

    title: str
    right: bool = False
    cut: str = ""
    least: int = 12


def width_of(text: str) -> int:
    """How many cells of a terminal a cleaned text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def lay_out(columns: Sequence[OutputColumn], rows: Sequence[Sequence[str]], width: int | None) -> list[list[str]]:
    """The head and the rows, every text padded to its column. They fit ``width`` where the columns allow it."""
    table = [[column.title for column in columns], *rows]
    widths = [max(width_of(text) for text in column) for column in zip_longest(*table, fillvalue="")]
    if width is not None:
        _shrink(columns, widths, width - 2 * (len(columns) - 1))
    return [
        [_fit(text, size, column) for text, size, column in zip(row, widths, columns, strict=True)] for row in table
    ]


def _shrink(columns: Sequence[OutputColumn], widths: list[int], width: int) -> None:
    """Take what is too much from the widest column that may be cut, again and again; below what each should keep only
    where that is not enough."""
    for leasts in ([column.least for column in columns], [LEAST] * len(columns)):
        while sum(widths) > width:
            cuttable = [i for i, column in enumerate(columns) if column.cut and widths[i] > leasts[i]]
            if not cuttable:
                break
            widest = max(cuttable, key=lambda i: widths[i])
            rest = max((widths[i] for i in cuttable if i != widest), default=0)
            widths[widest] = max(leasts[widest], min(rest, widths[widest] - 1), widths[widest] - (sum(widths) - width))


def _fit(text: str, size: int, column: OutputColumn) -> str:
    taken = width_of(text)
    if taken > size:
        text = _cut(text, size, middle=column.cut == "middle")
        taken = width_of(text)
    space = " " * (size - taken)
    return space + text if column.right else text + space


def _cut(text: str, size: int, *, middle: bool) -> str:
    tail_size = (size - 1) // 2 if middle else 0
    tail = _last(text, tail_size)
    return _first(text, size - 1 - width_of(tail)) + ELLIPSIS + tail


def _first(text: str, size: int) -> str:
    taken = 0
    for at, character in enumerate(text):
        taken += width_of(character)
        if taken > size:
            return text[:at]
    return text


def _last(text: str, size: int) -> str:
    taken = 0
    for at in range(len(text) - 1, -1, -1):
        taken += width_of(text[at])
        if taken > size:
            return text[at + 1 :]
    return text
