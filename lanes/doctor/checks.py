"""What one check of the doctor found."""

from lanes.records import Check, Level


def ok(check: str, message: str) -> Check:
    """Nothing is wrong."""
    return Check(check, Level.OK, message)


def warning(check: str, message: str, fix: str) -> Check:
    """Something that a person should know of."""
    return Check(check, Level.WARNING, message, fix)


def broken(check: str, message: str, fix: str) -> Check:
    """Something that must never be."""
    return Check(check, Level.BROKEN, message, fix)


__all__ = ["Check", "Level", "broken", "ok", "warning"]
