"""What one check of the doctor found."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"  # an invariant does not hold, or the file is damaged or lies where it cannot be kept whole


class Check(NamedTuple):
    """One check: its name, how bad it is, what was seen, and what to do (None: nothing)."""

    check: str
    level: Level
    message: str
    fix: str | None = None


def ok(check: str, message: str) -> Check:
    """Nothing is wrong."""
    return Check(check, Level.OK, message)


def warning(check: str, message: str, fix: str) -> Check:
    """Something that a person should know of."""
    return Check(check, Level.WARNING, message, fix)


def broken(check: str, message: str, fix: str) -> Check:
    """Something that must never be."""
    return Check(check, Level.BROKEN, message, fix)
