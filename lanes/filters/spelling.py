"""Suggestions for mistyped words."""

from collections.abc import Iterable

#: How much of two words has to be alike: one slip in a short word, or two in a long one.
ALIKE = 0.75


def resembling(typed: str, known: Iterable[str]) -> str | None:
    """The known word that was meant, if one is similar enough."""
    from difflib import get_close_matches  # most filters have no such word

    return next(iter(get_close_matches(typed, list(known), n=1, cutoff=ALIKE)), None)
