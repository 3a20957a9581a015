"""Converts values of other programs, and of runners, to text that can be stored.

Except ``chain_of``, no function here raises, whatever its argument.
"""

import itertools
import json
from collections.abc import Iterable
from typing import Any, Protocol

from lanes_storage.law import Cause, is_cause
from lanes_storage.records import ProviderAttempt, RunFailure

#: How many characters of a sentence are kept.
LONGEST = 2_000
#: How many characters of the name of a provider or a cause are kept in an attempt, and how many attempts.
LONGEST_NAME = 200
MOST_ATTEMPTS = 1_000
#: The latest wall time that is accepted: the last millisecond of the year 9999.
LAST_MOMENT = 253_402_300_799_999


class Tried(Protocol):
    """The description of one provider that was tried: a ``lanes.Attempt``, or its row."""

    @property
    def provider(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def at(self) -> int: ...


def in_json(value: object) -> str:
    """A value of another program's JSON, shortened to be quoted in a sentence."""
    match value:
        case None | bool() | int() | float() | str():
            return sentence(json.dumps(value), 100)
        case dict() | list():
            return "an object" if isinstance(value, dict) else "an array"
    return sentence(value, 100)


def sentence(value: object, longest: int = LONGEST) -> str:
    """Any value as text of bounded length that can be stored; an exception with the name of its type."""
    try:
        text = value if isinstance(value, str) else _worded(value)
        return str.__str__(text)[:longest].encode("utf-8", "replace").decode()
    except BaseException:  # its own __str__ may raise anything, even SystemExit, which must not end this process
        return f"({type.__dict__['__name__'].__get__(type(value))}, which cannot be shown)"


def _worded(value: object) -> str:
    if isinstance(value, BaseException):
        text = str(value)
        return f"{type(value).__name__}: {text}" if text else type(value).__name__
    if isinstance(value, bytes | bytearray):
        return bytes(value[: 4 * LONGEST]).decode("utf-8", "replace")
    return "" if value is None else str(value)


def failure_of(cause: object, message: object, attempts: object = ()) -> RunFailure:
    """The failure that a runner reports. An invalid cause becomes ``runner_failed``, with a sentence that says so."""
    text = sentence(message)
    try:
        chain = chain_of(attempts)
    except Exception as wrong:  # an iterable that the runner defines may raise anything
        return RunFailure(Cause.RUNNER_FAILED, f"its attempts cannot be read ({sentence(wrong)}): {text}"[:LONGEST])
    if is_cause(cause):
        return RunFailure(Cause.read(cause), text, chain)
    named = ascii(sentence(cause, LONGEST_NAME))
    return RunFailure(Cause.RUNNER_FAILED, f"it named {named}, which is not a cause: {text}"[:LONGEST], chain)


def chain_of(attempts: object) -> tuple[ProviderAttempt, ...]:
    """The providers that were tried, to be stored. Raises TypeError for what is no sequence of attempts."""
    if not isinstance(attempts, Iterable):
        raise TypeError(f"attempts must be a sequence of Attempt, not {type(attempts).__name__}")
    return tuple(map(_attempt, itertools.islice(attempts, MOST_ATTEMPTS)))


def _attempt(attempt: Any) -> ProviderAttempt:
    if not all(hasattr(attempt, name) for name in ProviderAttempt._fields):
        raise TypeError(f"attempts must be a sequence of Attempt, but it holds {type(attempt).__name__}")
    at = int(attempt.at) if isinstance(attempt.at, int | float) and 0 <= attempt.at <= LAST_MOMENT else 0
    status = attempt.status if type(attempt.status) is int else None
    words = [
        None if word is None else sentence(word, LONGEST_NAME) for word in (attempt.type, attempt.param, attempt.code)
    ]
    return ProviderAttempt(
        sentence(attempt.provider, LONGEST_NAME),
        sentence(attempt.cause, LONGEST_NAME),
        sentence(attempt.message),
        at,
        status,
        *words,
    )
