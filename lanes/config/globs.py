"""Whether two globs over session keys can match the same key."""

from collections import deque

from lanes_storage.globs import Place, as_pattern, places

#: Characters to try where both globs must match the same one.
_COMMON = "a0-_:Z~ "


def common_key(one: str, other: str) -> str | None:
    """A key that both globs match; None if none was found.

    A breadth-first search over the positions in both globs, which spells the key as it goes. It misses a key only where
    two ``[…]`` have nothing in common but characters inside their ranges.
    """
    left, right = places(one), places(other)
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
    # Globs that both match the empty string (`*` and `*`) meet there, but it is no key.
    for candidate in (key, key or "a"):
        if candidate and as_pattern(one).match(candidate) and as_pattern(other).match(candidate):
            return candidate
    return None


def _steps(left: list[Place], i: int, right: list[Place], j: int) -> list[tuple[int, int, str]]:
    """The next positions from (i, j), each with the character that the step adds to the key."""
    a = left[i] if i < len(left) else None
    b = right[j] if j < len(right) else None
    steps = []
    if a is not None and a.star:
        steps.append((i + 1, j, ""))
    if b is not None and b.star:
        steps.append((i, j + 1, ""))
    if a is None or b is None or (a.star and b.star):
        return steps
    shared = next((c for c in _named(a) + _named(b) + _COMMON if a.takes(c) and b.takes(c)), None)
    if shared is not None:
        steps.append((i if a.star else i + 1, j if b.star else j + 1, shared))
    return steps


def _named(place: Place) -> str:
    """The characters that a place names, of a range its ends."""
    return "".join(sorted(place.singles)) + "".join(first + last for first, last in place.ranges)
