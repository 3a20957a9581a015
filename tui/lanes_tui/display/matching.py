"""The filter of a short list that is held whole: in the language of all filters, the columns of the list are fields."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lanes.filters.spelling import resembling

_WORD = re.compile(r'[!-]?(?:[A-Za-z_]+:)?(?:"[^"]*"?|[^\s"])+')
_PARTS = re.compile(r"([!-]?)(?:([A-Za-z_]+):)?(.*)", re.DOTALL)
_COMPARED = re.compile(r"(>=|<=|>|<|=)(\d+)")


class RowWord(NamedTuple):
    """One word of a filter: what it says of which field; of none, it is a part of any."""

    field: str
    value: str
    negated: bool

    def fits(self, row: Mapping[str, str | int]) -> bool:
        """Whether it is true of a row."""
        cells = [row[self.field]] if self.field else list(row.values())
        return any(_cell_fits(cell, each) for cell in cells for each in self.value.split(",")) != self.negated


class RowFilter(NamedTuple):
    """All its words must fit. ``problem``: what is wrong with one, which is left out."""

    words: tuple[RowWord, ...]
    problem: str | None = None

    def fits(self, row: Mapping[str, str | int]) -> bool:
        """Whether it chooses a row."""
        return all(word.fits(row) for word in self.words)


def row_filter(typed: str, fields: Sequence[str]) -> RowFilter:
    """Read a filter for rows with these fields."""
    words: list[RowWord] = []
    problem = None
    for typed_word in _WORD.findall(typed):
        sign, field, value = _PARTS.fullmatch(typed_word).groups("")  # type: ignore[union-attr]  # it fits all
        nearest = resembling(field, fields) if field else None
        if field in fields or not field:
            words.append(RowWord(field, value.replace('"', "").lower(), bool(sign)))
        elif nearest is not None:
            problem = f"“{field}:” is no field; did you mean “{nearest}:”?"
        else:
            words.append(RowWord("", f"{field}:{value}".lower(), bool(sign)))
    return RowFilter(tuple(words), problem)


def _cell_fits(cell: str | int, value: str) -> bool:
    if isinstance(cell, str):
        return value in cell.lower()
    compared = _COMPARED.fullmatch(value)
    if compared is None:
        return value == str(cell)
    sign, number = compared[1], int(compared[2])
    more, less = cell > number, cell < number
    return {">": more, "<": less, ">=": not less, "<=": not more, "=": not more and not less}[sign]
