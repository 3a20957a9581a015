"""What came of a verb, in words: the command line and the dashboard say it alike."""

from typing import Any, NamedTuple

Form = dict[str, Any]


class Said(NamedTuple):
    """One word to count by, and a sentence. ``grave``: it is not what was asked for."""

    word: str
    sentence: str
    grave: bool = False


def clock_time(moment: str | None) -> str:
    """A time as the journal shows it: date and time in UTC, to the second."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}Z"


def paused(lane: Form) -> Said:
    """After a pause."""
    until = lane["paused"] and lane["paused"]["until"]
    goes_on = "; its run goes on" if lane["run_id"] is not None else ""
    return Said("paused", f"paused until {clock_time(until) if until else 'resumed'}{goes_on}")


def resumed(lane: Form) -> Said:
    """After the end of a pause. A lane may still be paused: by a pattern, as other lanes are."""
    if lane["paused"]:
        return Said("still paused", f"still paused ({lane['paused']['reason']})", grave=True)
    word = "resumed" if lane["done"] else "not paused"
    return Said(word, word)


def seen(lane: Form) -> Said:
    """After note was taken of how a lane ended."""
    return Said("seen", str(lane["state"]))
