"""Durations as people write them: ``500ms``, ``30s``, ``5m``, ``2h``, ``14d``."""

import re

#: Milliseconds of each unit, the largest first.
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
#: Ten years: more than anyone needs, and far from where sums of times overflow.
LONGEST_MS = 3_650 * UNITS["d"]

_FORM = r"([0-9]{1,15})(?:\.([0-9]{1,9}))?(ms|s|m|h|d)"


def parse(text: str) -> int:
    """A duration in milliseconds. ``text``: a number (decimals are allowed), directly followed by a unit.

    Raises ValueError, with a sentence for a person, for any other text, for fractions of a millisecond and for more
    than ten years.
    """
    form = re.fullmatch(_FORM, text)
    if form is None:
        raise ValueError("a duration must be a number and a unit: 500ms, 30s, 5m, 2h, 14d")
    whole, fraction, unit = form[1], form[2] or "", UNITS[form[3]]
    ms, rest = divmod(int(whole + fraction) * unit, int("1" + "0" * len(fraction)))
    if rest:
        raise ValueError("a duration must be a whole number of milliseconds")
    if ms > LONGEST_MS:
        raise ValueError(f"a duration must be at most {show(LONGEST_MS)}")
    return ms


def show(ms: int) -> str:
    """``ms`` in the largest unit that divides it, so that ``parse`` gives it back: 90000 is ``90s``."""
    if ms < 0:
        raise ValueError("a duration must not be negative")
    if ms == 0:
        return "0s"
    unit = next(unit for unit, size in UNITS.items() if ms % size == 0)
    return f"{ms // UNITS[unit]}{unit}"
