"""Tries one request through a source, just before its program is pointed at it."""

import contextlib
import time
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from lanes.guard.installing import Installation
from lanes.host.holder import holder_of

#: How long a gateway that was just started may take to listen (s).
STARTS_WITHIN_S = 10.0
#: How long a gateway, and a provider behind it, may take to answer (s).
ANSWERS_WITHIN_S = 10.0
#: The path of a source that does not exist: a gateway answers it at once, and asks no provider.
_NOBODY = "/g/-/-/v1/models"
_UNKNOWN = b"there is no source of that name"
#: The status with which lanes answers if a provider was silent for too long, or could not be reached.
_SILENT, _UNREACHED = 423, 502


class GuardTrial(NamedTuple):
    """The result of a trial, in a few words and in a sentence for a person."""

    state: str
    sentence: str


class TrialAnswer(NamedTuple):
    """``status``: 0 if the connection was closed, or the answer is no HTTP. ``start``: the first bytes of the body."""

    status: int
    start: bytes = b""


def tried(plan: Installation) -> GuardTrial:
    """Send the request, and judge its answer."""
    at, unit = urlsplit(plan.url), plan.unit
    try:
        met = _listening(at, 0.0 if unit is None else STARTS_WITHIN_S)
    except OSError:
        how = "start it with `lanes gateway`"
        if unit is not None:
            how = f"`{' '.join(unit.status)}` says why, or {how}"
        return GuardTrial("no gateway", f"no gateway answers yet: {how}; until then the program has no models")
    if met is None or _UNKNOWN not in met.start:
        return _no_gateway(at, silent=met is None)
    answer = _request(at, at.path + "/models")
    if answer is None or answer.status == _SILENT:
        sentence = f"lanes answers, but {plan.upstream} does not: no answer came in time"
        return GuardTrial("upstream silent", sentence)
    if _UNKNOWN in answer.start:
        how = "restart it" if unit is None else f"restart it (`{' '.join(unit.restart)}`)"
        return GuardTrial("restart the gateway", f"the running gateway does not know this source yet: {how}")
    if answer.status in (0, _UNREACHED):
        return GuardTrial("upstream not reached", f"lanes answers, but {plan.upstream} could not be reached")
    return GuardTrial("protected", f"a request passed: {plan.upstream} answered {answer.status} (a key was not sent)")


def _listening(at: SplitResult, patience_s: float) -> TrialAnswer | None:
    """The answer to a request for no source; None if none came in time. Raises OSError if nothing listens by then."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _request(at, _NOBODY)
        except OSError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


def _request(at: SplitResult, path: str) -> TrialAnswer | None:
    """The answer; None if none came in time. Uses no proxy, and follows no redirect. Raises OSError if nothing
    listens."""
    connection = HTTPConnection(at.hostname or "", at.port, timeout=ANSWERS_WITHIN_S)
    with contextlib.closing(connection):
        connection.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return TrialAnswer(answer.status, answer.read1(4096))
        except TimeoutError:
            return None
        except (OSError, HTTPException):
            return TrialAnswer(0)


def _no_gateway(at: SplitResult, *, silent: bool) -> GuardTrial:
    """The result if the process that listens there does not answer as a gateway."""
    where = at.netloc
    by = "" if (holder := holder_of(at.port or 0)) is None else f" ({holder})"
    if silent:
        return GuardTrial(
            "gateway silent", f"the process that listens at {where}{by} does not answer; the program has no models"
        )
    sentence = (
        f"the process that answers at {where}{by} is not a lanes gateway that knows sources: end it, and start"
        " `lanes gateway`"
    )
    return GuardTrial("no gateway", sentence)
