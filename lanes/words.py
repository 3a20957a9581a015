"""Times and numbers as people read them."""

from lanes.records.kinds import moment


def clock_time(at: int | None) -> str:
    """A time as the journal shows it: date and time in UTC, to the second."""
    return "" if at is None else moment(at)[:19].replace("T", " ") + "Z"


def counted(number: int, noun: str) -> str:
    """``1 lane``, ``2 lanes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
