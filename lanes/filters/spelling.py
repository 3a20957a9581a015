"""Suggestions for mistyped words."""

from collections.abc import Iterable

#: How much of two words has to be alike: one slip in a short word, or two in a long one.
ALIKE = 0.75


def resembling(typed: str, known: Iterable[str]) -> str | None:
    """The known word that was meant, if one is similar enough, or has the same letters behind the same first one."""
    from difflib import get_close_matches  # most filters have no such word

    words = list(known)
    scrambled = (word for word in words if word[:1] == typed[:1] and sorted(word) == sorted(typed))
    return next(iter(get_close_matches(typed, words, n=1, cutoff=ALIKE)), None) or next(scrambled, None)
