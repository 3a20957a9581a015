"""The exceptions of lanes, besides the storage errors, which pass through unchanged.

LanesError
├── Unfit                 a value that lanes cannot accept: wrong type, too large, not JSON
│   ├── InvalidKey            not a session key
│   └── Ambiguous             several lanes have that name
├── Refused               a message was not accepted; nothing was stored
│   ├── QueueFull             the lane has `cap` waiting messages
│   ├── LaneBusy              the lane is busy, and the sender does not want to wait
│   ├── WaitCycle             a run would wait for itself
│   ├── Draining              the gateway accepts nothing new
│   └── IdempotencyConflict   the same idempotency key with another body
├── NotFound              no such lane or message
├── NotPermitted          the operation needs a configured token
├── TooMuch               a request would search more than one request may
├── HoldEnded             a hold ended before its block did
├── NotAllowed            the state of the lane or message does not allow it
│   └── Changed               the lane has another epoch than the expected one
├── ConfigError           the configuration is refused
├── Unreadable            an answer is not a record: from another program, or from a version that is too old
└── RunError              raised by a runner: how the run ends
    ├── RunFailed             it failed, with cause and provider chain
    │   └── NoAnswer              it asked its sender, and nobody answered
    └── RunParked             every provider refused it for now; the message waits
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lanes.base.sentences import Tried, failure_of
from lanes_storage.errors import PortableError
from lanes_storage.law import Cause
from lanes_storage.records import RunFailure


class LanesError(PortableError):
    """The base of all exceptions of lanes."""


class Unfit(LanesError, ValueError, TypeError):
    """A value of the caller that lanes cannot accept; the sentence names it.

    It is also a ValueError and a TypeError, for code that catches those. ``param``: the parameter of the request that
    holds the value.
    """

    def __init__(self, sentence: str, param: str | None = None) -> None:
        self.param = param
        super().__init__(sentence)


class InvalidKey(Unfit):
    """Not a session key; says why."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"invalid session key: {why}")


class Refused(LanesError):
    """A message was not accepted, and nothing was stored."""

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        super().__init__(sentence)


class QueueFull(Refused):
    """The lane has as many waiting messages as its policy allows."""

    def __init__(self, key: str, cap: int) -> None:
        self.cap = cap
        super().__init__(key, f"the queue of lane {key!r} is full ({cap} waiting)")


class LaneBusy(Refused):
    """The lane has an unfinished message, and the sender does not want to wait; ``rejects``: its mode is ``reject``."""

    def __init__(self, key: str, rejects: bool = False) -> None:
        self.rejects = rejects
        super().__init__(key, f"lane {key!r} is busy{', and its mode is reject' if rejects else ''}")


class WaitCycle(Refused):
    """A run would wait for a lane that waits, directly or through other lanes, for the lane of this run.

    ``keys`` are the lanes of the cycle, from the waiting one back to itself.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        super().__init__(self.keys[0], "waiting would never end: " + " waits for ".join(repr(key) for key in keys))


class Draining(Refused):
    """The gateway is draining, or was declared dead while it was suspended and has not registered again yet."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "the gateway accepts nothing at the moment; send it to another one, or later")


class IdempotencyConflict(Refused):
    """The idempotency key was used with another body."""

    def __init__(self, key: str, idempotency_key: str) -> None:
        self.idempotency_key = idempotency_key
        super().__init__(key, f"idempotency key {idempotency_key!r} was used with another body")


class NotFound(LanesError):
    """No such lane or message."""

    def __init__(self, what: str, name: str | int) -> None:
        self.what, self.name = what, name
        super().__init__(f"no {what} {name!r}" if isinstance(name, str) else f"no {what} {name}")


class Ambiguous(Unfit):
    """Several lanes have that name: one here and one in another program's gateway, or one in each of two gateways."""

    def __init__(self, key: str, sources: Sequence[str]) -> None:
        self.key, self.sources = key, tuple(sources)
        choices = " or ".join(f"--source {source}" for source in self.sources)
        super().__init__(f"{key!r} names several lanes: say which with {choices}")


class NotPermitted(LanesError):
    """The operation needs a token that is not configured; the sentence names it."""


class TooMuch(LanesError):
    """The request would search more than one request may; the sentence states the limit."""


class HoldEnded(LanesError):
    """A hold ended before its block did: it was aborted, exceeded a limit, or lost its lane or its place."""

    def __init__(self, key: str, cause: Cause, sentence: str) -> None:
        self.key, self.cause = key, cause
        super().__init__(f"the hold of lane {key!r} ended ({cause}): {sentence}")


class NotAllowed(LanesError):
    """The state of the lane or message does not allow it; the sentence says what to do instead."""


class Changed(NotAllowed):
    """The lane has another epoch than the expected one, and was not changed."""

    def __init__(self, key: str, epoch: int) -> None:
        self.key, self.epoch = key, epoch
        super().__init__(f"lane {key!r} has moved on to epoch {epoch}: look again")


class ConfigError(LanesError):
    """The configuration is refused; the sentence names file, line, key and the fix."""


class Unreadable(LanesError, ValueError):
    """An answer that is not the JSON of a record: from another program, or from a version that is too old."""


class RunError(LanesError):
    """How a run ends without a reply. Raised by runners.

    ``cause`` is one of ``lanes_storage.law.Cause``, or one that the runner defines (``[a-z][a-z0-9_]*``, at most 64
    characters). ``message`` is a sentence for people, or an exception. The constructor never raises: an invalid cause
    becomes ``runner_failed`` with a sentence that says so.
    """

    #: For a subclass whose ``__init__`` does not call this one.
    failure = failure_of(Cause.RUNNER_FAILED, "it did not say why")

    def __init__(self, cause: Cause | str, message: object = "", attempts: Sequence[Tried] = ()) -> None:
        self.failure = failure_of(cause, message, attempts)
        super().__init__(self.failure.message)


class RunFailed(RunError):
    """The run failed; the message ends ``failed`` with this cause and chain."""


class NoAnswer(RunFailed):
    """A question of a run to its sender got no answer in time, or could not be asked: too many are open."""

    def __init__(self, message: object) -> None:
        super().__init__(Cause.NO_ANSWER, message)


class RunParked(RunError):
    """Every provider refused the run by cooldown or 429.

    The lane is released and the message goes back to the head, to be claimed again at ``until``: a datetime with a
    time zone, or a duration (a timedelta, or a number of seconds); a number from 10**11 on is a wall time in
    milliseconds. It waits for at least one second, and for at most ``max_park`` over all its parks; where ``providers``
    are named, only until one of them is reset.
    """

    until: Any = 0  # for a subclass whose ``__init__`` does not call this one
    providers: Sequence[str] = ()

    def __init__(
        self,
        until: datetime | timedelta | float,
        message: object = "",
        attempts: Sequence[Tried] = (),
        *,
        providers: Sequence[str] = (),
    ) -> None:
        self.until, self.providers = until, providers
        super().__init__(Cause.PROVIDER_COOLING, message, attempts)


def failure_of_error(error: BaseException) -> RunFailure:
    """The failure of a run whose runner raised this error."""
    if isinstance(error, RunError):
        return failure_of(error.failure.cause, error.failure.message, error.failure.attempts)
    if isinstance(error, ConnectionError | EOFError):  # the runner's backend is gone
        return failure_of(Cause.BACKEND_LOST, error)
    if isinstance(error, WaitCycle):
        return failure_of(Cause.WAIT_CYCLE, str(error))
    return failure_of(Cause.RUNNER_FAILED, error)
