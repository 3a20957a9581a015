"""What one check of the doctor found."""

from lanes.records import Check, Level


def ok(check: str, message: str) -> Check:
    """A check without a problem."""
    return Check(check, Level.OK, message)


def warning(check: str, message: str, fix: str) -> Check:
    """A problem that a person should know about."""
    return Check(check, Level.WARNING, message, fix)


def broken(check: str, message: str, fix: str) -> Check:
    """A state that must never occur."""
    return Check(check, Level.BROKEN, message, fix)


__all__ = ["Check", "Level", "broken", "ok", "warning"]
