"""The errors of connections, worded the same for every program."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from lanes.runners.http.failures import root_text
from lanes.watch.adapter import SourceDown
from lanes_storage.law import SourceState

BUSY = "its process may be stopped or busy"


class RequestRefused(Exception):
    """A request that the gateway refused, or whose answer cannot be read. ``status``: the HTTP status, or 0."""

    def __init__(self, why: str, status: int = 0) -> None:
        self.status = status
        super().__init__(why)


@contextmanager
def answered_by(why: str, fix: str) -> Iterator[None]:
    """A block of requests that the expected program answers. Raises SourceDown (``foreign``) if one is refused."""
    try:
        yield
    except RequestRefused as error:
        raise SourceDown(SourceState.FOREIGN, f"{why} ({error})", fix) from error


def error_text(error: BaseException) -> str:
    """The text of an error, cut, on one line."""
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer ended in the middle"  # the text of the library is "400, message:"
    return " ".join(root_text(error).split())[:200]


def unreachable(url: str, error: BaseException) -> SourceDown:
    """Nothing listens there, or the way to it is broken."""
    return SourceDown(SourceState.UNREACHABLE, f"{url} cannot be reached: {error_text(error)}")


def closed(url: str, why: str) -> SourceDown:
    """The gateway closed the connection."""
    return SourceDown(SourceState.UNREACHABLE, f"{url} closed the connection ({why})")


def silent(url: str) -> SourceDown:
    """The gateway accepts connections, and sends nothing."""
    return SourceDown(SourceState.HUNG, f"{url} accepts connections but does not answer", BUSY)


def hung(url: str, request: object, seconds: float) -> SourceDown:
    """The gateway did not answer a request."""
    return SourceDown(SourceState.HUNG, f"{url} did not answer {request} in {seconds:g} s", BUSY)
