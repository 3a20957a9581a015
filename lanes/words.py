"""Times and numbers as people read them."""


def clock_time(moment: str | None) -> str:
    """A time as the journal shows it: date and time in UTC, to the second."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}Z"


def counted(number: int, noun: str) -> str:
    """``1 lane``, ``2 lanes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
