"""Removes the API key from a provider's messages: some servers repeat a refused key, fully, in part, or in another
case."""

import string
from collections.abc import Iterable
from functools import lru_cache

from lanes.base.secrets import SHOWN, in_query, words_of

#: A part of a key with at least this many characters reveals too much.
LEAST = 12

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def keys_in(url: str, headers: Iterable[tuple[str, str]], own: str | None) -> tuple[str, ...]:
    """The keys that a request carries in its address and headers. ``own``: the provider's, whichever header has it."""
    return (*in_query(url), *words_of([("key", own or ""), *headers]))


def redacted(text: str, *keys: str) -> str:
    """The text without the keys, and without any part of a key of ``LEAST`` characters or more. Call it before the text
    is cut: the rest of a key at a cut may be too short to be recognized."""
    for key in filter(None, keys):
        text = _without(text, key)
    return text


def _without(text: str, key: str) -> str:
    parts, lower = _parts(key), text.translate(_LOWER)
    if not any(part in lower for part in parts):
        return text
    width = len(next(iter(parts)))
    shown, hidden_to = list[str](), 0
    for at, character in enumerate(text):
        if lower[at : at + width] in parts:
            shown += [SHOWN] if at >= hidden_to else []
            hidden_to = at + width
        elif at >= hidden_to:
            shown.append(character)
    return "".join(shown)


@lru_cache(maxsize=64)
def _parts(key: str) -> frozenset[str]:
    lower, width = key.translate(_LOWER), min(LEAST, len(key))
    return frozenset(lower[at : at + width] for at in range(len(lower) - width + 1))
