"""How a connection fails, in words that are the same for every program."""

from lanes.watch.adapter import SourceDown
from lanes_storage.law import SourceState

BUSY = "its process may be stopped or busy"


def said(error: BaseException) -> str:
    """What an error says, cut."""
    return str(error)[:200] or type(error).__name__


def unreachable(url: str, error: BaseException) -> SourceDown:
    """Nothing listens there, or the way to it is broken."""
    return SourceDown(SourceState.UNREACHABLE, f"{url} cannot be reached: {said(error)}")


def closed(url: str, why: str) -> SourceDown:
    """It ended the connection."""
    return SourceDown(SourceState.UNREACHABLE, f"{url} closed the connection ({why})")


def silent(url: str) -> SourceDown:
    """It takes connections and says nothing."""
    return SourceDown(SourceState.HUNG, f"{url} accepts connections, and answers nothing", BUSY)


def hung(url: str, what: object, seconds: float) -> SourceDown:
    """It did not answer a request."""
    return SourceDown(SourceState.HUNG, f"{url} did not answer {what} in {seconds:g} s", BUSY)
