"""Filters for short lists that are read whole: the language of all filters, with the columns of the list as fields."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lanes.filters.spelling import resembling

_WORD = re.compile(r'[!-]?(?:[A-Za-z_]+:)?(?:"[^"]*"?|[^\s"])+')
_PARTS = re.compile(r"([!-]?)(?:([A-Za-z_]+):)?(.*)", re.DOTALL)
_COMPARED = re.compile(r"(>=|<=|>|<|=)(\d+)")


class RowWord(NamedTuple):
    """One word of a filter: a value that is looked for in ``field``, or in every field if that is empty."""

    field: str
    value: str
    negated: bool

    def fits(self, row: Mapping[str, str | int]) -> bool:
        """Whether a row fits this word."""
        cells = [row[self.field]] if self.field else list(row.values())
        return any(_cell_fits(cell, each) for cell in cells for each in self.value.split(",")) != self.negated


class RowFilter(NamedTuple):
    """A row must fit all its words. ``problem``: what is wrong with a word that was left out."""

    words: tuple[RowWord, ...]
    problem: str | None = None

    def fits(self, row: Mapping[str, str | int]) -> bool:
        """Whether the filter chooses a row."""
        return all(word.fits(row) for word in self.words)


def row_filter(typed: str, fields: Sequence[str]) -> RowFilter:
    """Read a filter for rows with these fields."""
    words: list[RowWord] = []
    problem = None
    for typed_word in _WORD.findall(typed):
        sign, field, value = _PARTS.fullmatch(typed_word).groups("")  # type: ignore[union-attr]  # it matches any text
        nearest = resembling(field, fields) if field else None
        if field in fields or not field:
            words.append(RowWord(field, value.replace('"', "").lower(), bool(sign)))
        elif nearest is not None:
            problem = f"“{field}:” is not a field; did you mean “{nearest}:”?"
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
