"""Suggestions for mistyped words."""

from collections.abc import Iterable

#: The least similarity of two words (0 to 1): allows one slip in a short word, two in a long one.
ALIKE = 0.75


def resembling(typed: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: the most similar one, or an anagram with the same first letter."""
    from difflib import get_close_matches  # most filters have no such word

    words = list(known)
    scrambled = (word for word in words if word[:1] == typed[:1] and sorted(word) == sorted(typed))
    return next(iter(get_close_matches(typed, words, n=1, cutoff=ALIKE)), None) or next(scrambled, None)
