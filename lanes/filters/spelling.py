"""Suggestions for mistyped words."""

from collections.abc import Iterable

#: From this length on two mistakes are allowed.
LONG = 7


def resembling(typed: str, known: Iterable[str]) -> str | None:
    """The known word that was meant, if one is similar enough."""
    near = [(distance(typed, word), word) for word in known]
    least, word = min(near)
    return word if least <= (2 if len(word) >= LONG else 1) else None


def distance(one: str, other: str) -> int:
    """How many letters have to be inserted, deleted, changed, or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
