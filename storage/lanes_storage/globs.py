"""Globs over text: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[!abc]``. The whole text must match, case-sensitively.

Policies, filters and pauses use them. A glob has the same meaning in both implementations: a regular expression in
Python, and a pattern for SQLite's ``GLOB``, which has different rules for brackets.
"""

import re
from functools import lru_cache
from itertools import groupby

from lanes_storage.tuples import NamedTuple

#: One place of a glob: stars, a bracket set, or a character. An opening bracket that is not closed is a character.
_PLACE = r"\*+|\[(!|(?!!))(\][^\]]*|[^\]]+)\]|."
_MEMBER = r"(.)-(.)|."
_WILD = r"[*?\[]"
#: The set of just ``!`` and ``^``, as SQLite writes it and as a glob does: the one that negates must not come first.
_BOTH = {"!^": "^!"}
_STORED = r"\[(\^?)(\]?[^\]]*)\]"
#: Characters with a special meaning at the beginning of a set or of a range, here or in SQLite.
_SPECIAL = "]^-!"


class Place(NamedTuple):
    """What matches at one place: one of these characters, or, if ``negated``, any character except these.

    ``star``: any number of any characters.
    """

    singles: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False
    star: bool = False

    def takes(self, character: str) -> bool:
        listed = character in self.singles or any(first <= character <= last for first, last in self.ranges)
        return self.star or listed is not self.negated


_STAR = Place(star=True)
_ANY = Place(negated=True)
_NO_CHARACTER = Place()
#: A pattern that matches nothing in SQLite: a set that is never closed.
_NOTHING = "["


def is_glob(text: str) -> bool:
    return re.search(_WILD, text) is not None


def exactly(text: str) -> str:
    """The glob that matches exactly this text: its wildcards are escaped."""
    return re.sub(_WILD, lambda found: f"[{found[0]}]", text)


def places(glob: str) -> list[Place]:
    """The places of a glob, in order."""
    return [_place(found) for found in re.finditer(_PLACE, glob, re.DOTALL)]


@lru_cache(maxsize=256)
def as_pattern(glob: str) -> re.Pattern[str]:
    """The regular expression that matches the same texts. Its atomic groups prevent backtracking across stars."""
    runs = [(star, "".join(map(_for_python, run))) for star, run in groupby(places(glob), key=lambda place: place.star)]
    parts = [part for star, part in runs if not star]
    if not any(star for star, _ in runs):
        return re.compile("".join(parts) + r"\Z", re.DOTALL)
    first = "" if runs[0][0] else parts.pop(0)
    last = "" if runs[-1][0] else parts.pop()
    middle = "".join(f"(?>.*?{part})" for part in parts)
    return re.compile(f"{first}{middle}.*{last}\\Z", re.DOTALL)


def as_sqlite(glob: str) -> str:
    """The pattern with which SQLite's ``GLOB`` matches the same texts."""
    parts = places(glob)
    return _NOTHING if _NO_CHARACTER in parts else "".join(map(_for_sqlite, parts))


def from_sqlite(pattern: str) -> str:
    """The inverse of ``as_sqlite``: a glob that matches the same texts as this pattern."""
    if pattern == _NOTHING:
        return "[z-a]"
    return re.sub(_STORED, lambda found: f"[{'!' if found[1] else ''}{_BOTH.get(found[2], found[2])}]", pattern)


def _place(found: re.Match[str]) -> Place:
    if found[2] is None:
        return {"*": _STAR, "?": _ANY}.get(found[0][0]) or Place(frozenset(found[0]))
    singles, ranges = set(), []
    for member in re.finditer(_MEMBER, found[2], re.DOTALL):
        if member[1] is None:
            singles.add(member[0])
            continue
        first, last = member[1], member[2]
        while first <= last and first in _SPECIAL:
            singles.add(first)
            first = chr(ord(first) + 1)
        ranges += [(first, last)] if first <= last else []
    return Place(frozenset(singles), tuple(ranges), negated=found[1] == "!")


def _for_python(place: Place) -> str:
    if place in (_ANY, _NO_CHARACTER):
        return "." if place.negated else "(?!)"
    members = [*map(re.escape, place.singles), *(f"{re.escape(a)}-{re.escape(b)}" for a, b in place.ranges)]
    return f"[{'^' if place.negated else ''}{''.join(members)}]"


def _for_sqlite(place: Place) -> str:
    if place.star:
        return "*"
    if place == _ANY:
        return "?"
    if not place.negated and not place.ranges and len(place.singles) == 1 and "[" not in place.singles:
        return "".join(place.singles - set("*?")) or f"[{''.join(place.singles)}]"
    front = "]" if "]" in place.singles else ""
    plain = "".join(sorted(place.singles - set(_SPECIAL))) + "".join(f"{a}-{b}" for a, b in place.ranges)
    marks, dash = "".join(mark for mark in "!^" if mark in place.singles), "-" if "-" in place.singles else ""
    members = front + plain + marks + dash if front + plain else dash + marks
    return f"[{'^' if place.negated else ''}{members}]"
