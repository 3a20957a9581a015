"""Globs over session keys: ``*``, ``?``, ``[…]``, ``[!…]``; the case counts."""

import re
from collections import deque
from fnmatch import fnmatchcase, translate

_ANYTHING = "*"
_PLACE = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)
#: Tried when two single places of two globs must agree on one character.
_COMMON = "a0-_:Z~ "


def matcher(glob: str) -> re.Pattern[str]:
    """The pattern that matches the keys that ``glob`` means."""
    return re.compile(translate(glob))


def common_key(one: str, other: str) -> str | None:
    """Some key that both globs match, None where none was found.

    Two globs walk along the same key in step; the first walk that reaches both ends spells one out. Only a
    pair of ``[…]`` that share nothing but characters from within their ranges can go unseen.
    """
    left, right = _places(one), _places(other)
    seen = {(0, 0)}
    walks = deque([(0, 0, "")])
    while walks:
        i, j, key = walks.popleft()
        if (i, j) == (len(left), len(right)):
            return _checked(key, one, other)
        for step in _steps(left, i, right, j):
            if step[:2] not in seen:
                seen.add(step[:2])
                walks.append((step[0], step[1], key + step[2]))
    return None


def _checked(key: str, one: str, other: str) -> str | None:
    # Two globs that both allow nothing at all (`*` and `*`) met at the empty string, which is no key.
    for candidate in (key, key or "a"):
        if candidate and fnmatchcase(candidate, one) and fnmatchcase(candidate, other):
            return candidate
    return None


def _steps(left: list[str], i: int, right: list[str], j: int) -> list[tuple[int, int, str]]:
    """Where a walk may go from (i, j), with the character that the step adds to the key."""
    a = left[i] if i < len(left) else None
    b = right[j] if j < len(right) else None
    steps = []
    if a == _ANYTHING:
        steps.append((i + 1, j, ""))
    if b == _ANYTHING:
        steps.append((i, j + 1, ""))
    if a is None or b is None or (a, b) == (_ANYTHING, _ANYTHING):
        return steps
    shared = next((c for c in a + b + _COMMON if _fits(c, a) and _fits(c, b)), None)
    if shared is not None:
        steps.append((i if a == _ANYTHING else i + 1, j if b == _ANYTHING else j + 1, shared))
    return steps


def _fits(character: str, place: str) -> bool:
    return place == _ANYTHING or fnmatchcase(character, place)


def _places(glob: str) -> list[str]:
    """``glob`` cut into its places: a run of stars, a ``[…]`` or one character each."""
    return [_ANYTHING if place.startswith("*") else place for place in _PLACE.findall(glob)]
