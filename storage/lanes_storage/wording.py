"""Sets of words of the law, as SQL says them."""

from collections.abc import Iterable
from enum import StrEnum


def names(words: Iterable[StrEnum]) -> str:
    """A SQL list of the words, in a fixed order."""
    return ", ".join(f"'{word}'" for word in sorted(words))


def one_of(column: str, words: Iterable[StrEnum]) -> str:
    """A SQL condition: the column is one of the words.

    For what each write checks. Of IN with more than two words SQLite makes a table, anew whenever it is asked, which
    costs fifteen times as much.
    """
    return "(" + " OR ".join(f"{column} = '{word}'" for word in sorted(words)) + ")"
