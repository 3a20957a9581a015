"""Removes the API key from a provider's messages: some servers repeat a refused key, fully, in part, or in another
case."""

import string
from functools import lru_cache

#: A part of a key with at least this many characters reveals too much.
LEAST = 12
SHOWN = "***"

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def redacted(text: str, key: str | None) -> str:
    """The text without the key, and without any part of it that is so long. To be called before anything is cut off:
    of what stands across the cut nobody could say that it is a part."""
    if not key:
        return text
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
