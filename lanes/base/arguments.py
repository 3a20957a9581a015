"""Checks of callers' arguments: a value that cannot be stored is refused where it is passed in.

Every function returns the value to store, or raises ``Unfit`` with a sentence that names the value.
"""

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, SupportsFloat, SupportsInt, TypeGuard, TypeVar

from lanes.base import durations
from lanes.base.errors import Unfit
from lanes.base.sentences import LAST_MOMENT, sentence
from lanes_storage.clock import Now
from lanes_storage.law import Cause, is_cause
from lanes_storage.records import AttemptPhase

E = TypeVar("E", bound=StrEnum)

#: The longest name of an actor or a runner, the longest idempotency key; and the longest reason.
LONGEST_NAME = 512
LONGEST_REASON = 4_000
#: The deepest nesting of a JSON object: a reader may call the parser at a deeper recursion level than the writer did.
DEEPEST = 200
#: A number from here on is a wall time in milliseconds, not a duration in seconds.
FIRST_MOMENT = 10**11


def text(value: object, name: str, longest: int | None = None) -> str:
    """A text of at most ``longest`` characters."""
    if not isinstance(value, str):
        raise Unfit(f"{name} must be a str, not {type(value).__name__}")
    if longest is not None and len(value) > longest:
        raise Unfit(f"{name} has {len(value)} characters; at most {longest} are kept")
    return str.__str__(value)


def text_or_none(value: object, name: str, longest: int | None = None) -> str | None:
    """A text, or None."""
    return None if value is None else text(value, name, longest)


def actor(value: object) -> str:
    """The name of an actor, for the journal."""
    return text(value, "actor", LONGEST_NAME)


def reason(value: object) -> str | None:
    """The reason that an actor gives."""
    return text_or_none(value, "reason", LONGEST_REASON)


def attempt_phase(value: object) -> AttemptPhase:
    """The provider that a run asks, and the limit that ends the attempt."""
    if not isinstance(value, AttemptPhase):
        raise Unfit(f"an attempt must be an AttemptPhase, not {type(value).__name__}")
    return AttemptPhase(
        text(value.provider, "AttemptPhase.provider", LONGEST_NAME),
        text(value.limit, "AttemptPhase.limit", LONGEST_NAME),
        count(value.limit_ms, "AttemptPhase.limit_ms"),
        count(value.number, "AttemptPhase.number", 1),
        count(value.of, "AttemptPhase.of", 1),
        text_or_none(value.next, "AttemptPhase.next", LONGEST_NAME),
        count(value.rest_ms, "AttemptPhase.rest_ms"),
    )


def cause(value: object) -> Cause:
    """A known cause, or one that a program defines."""
    if not is_cause(value):
        raise Unfit(f"a cause must be a word such as tool_missing, not {sentence(value, 100)!a}")
    return Cause.read(value)


def digits(text: str) -> int | None:
    """A text of 1 to 19 decimal digits as a number; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def one_of(words: type[E], value: object, name: str) -> E:
    """One of the allowed words."""
    found = words._value2member_map_.get(value) if isinstance(value, str) else None
    if not isinstance(found, words):
        raise Unfit(f"{name} must be one of {', '.join(words)}, not {sentence(value, 100)!a}")
    return found


def _is_whole(value: object) -> "TypeGuard[SupportsInt]":
    """Whether it is a whole number: an int, or an integral type of another library."""
    if type(value) is int:
        return True
    from numbers import Integral

    return type(value) is not bool and isinstance(value, Integral)


def _is_real(value: object) -> "TypeGuard[SupportsFloat]":
    """Whether it is a real number: an int, a float, or a real type of another library."""
    if type(value) is float or _is_whole(value):
        return True
    from numbers import Real

    return type(value) is not bool and isinstance(value, Real)


def count(value: object, name: str, least: int = 0) -> int:
    """A whole number that can be stored."""
    number = int(value) if _is_whole(value) else least - 1
    if not least <= number < 2**63:
        raise Unfit(f"{name} must be a whole number, {least} or more, not {sentence(value, 100)!a}")
    return number


def span_ms(seconds: object, name: str) -> int:
    """A duration in seconds, as milliseconds: a finite number, not negative, of at most ten years."""
    value = _number(seconds, name)
    if math.isnan(value) or value < 0:
        raise Unfit(f"{name} must be a number of seconds, 0 or more, not {value}")
    if value * 1000 > durations.LONGEST_MS:
        raise Unfit(f"{name} must be at most {durations.show(durations.LONGEST_MS)}")
    return round(value * 1000)


def limit_ms(seconds: object, name: str) -> int | None:
    """A limit in seconds, as milliseconds; None for infinity: no limit."""
    value = _number(seconds, name)
    if value == math.inf:
        return None
    if not value > 0:
        raise Unfit(f"{name} must be a number of seconds, more than 0; math.inf switches it off")
    if value * 1000 > durations.LONGEST_MS:
        raise Unfit(f"{name} must be at most {durations.show(durations.LONGEST_MS)}; math.inf switches it off")
    return max(1, round(value * 1000))


def patience_s(seconds: object) -> float | None:
    """A timeout in seconds; None or infinity: no timeout."""
    if seconds is None:
        return None
    value = _number(seconds, "timeout")
    if math.isnan(value):
        raise Unfit("timeout must be a number of seconds, not nan")
    return None if value == math.inf else min(max(value, 0.0), durations.LONGEST_MS / 1000)


def patience_ms(seconds: object, none: int | None = None) -> int | None:
    """A timeout in whole milliseconds; ``none`` is returned if there is no timeout."""
    patience = patience_s(seconds)
    return none if patience is None else round(patience * 1000)


def moment_ms(value: object, name: str) -> int:
    """A wall time: whole milliseconds since 1970, or a datetime with a time zone."""
    if isinstance(value, datetime):
        return _of_datetime(value, name)
    ms = int(value) if _is_whole(value) else -1
    if not 0 <= ms <= LAST_MOMENT:
        raise Unfit(f"{name} must be a wall time: whole milliseconds since 1970, or a datetime with a time zone")
    return ms


def until_ms(value: object, now: Now) -> int:
    """A future time: a datetime with a time zone, or the time until then (a timedelta, or a number of seconds).

    A number from 10**11 on is a wall time in milliseconds.
    """
    if isinstance(value, timedelta):
        return min(now.wall + value // timedelta(milliseconds=1), LAST_MOMENT)
    if _is_real(value):
        seconds = _number(value, "until")
        if math.isfinite(seconds) and seconds < FIRST_MOMENT:
            return max(0, min(now.wall + round(seconds * 1000), LAST_MOMENT))
        if seconds <= LAST_MOMENT:
            return round(seconds)
    if isinstance(value, datetime):
        return _of_datetime(value, "until")
    shown = ascii(sentence(value, 100))
    raise Unfit(f"until must be a datetime with a time zone, or a duration (a timedelta, or seconds), not {shown}")


def json_text(value: object, name: str) -> str:
    """A value as JSON for storage. NaN and infinity are refused: they are not JSON, and other programs cannot read
    them."""
    try:
        written = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(f"{name} is not valid JSON: {sentence(error, 200)}") from error
    if _deeper(value, DEEPEST):
        raise Unfit(f"{name} is nested more than {DEEPEST} deep")
    return written


def dict_or_none(value: object, name: str) -> dict[str, Any] | None:
    """A JSON object, or None."""
    if value is None or isinstance(value, dict):
        return value
    raise Unfit(f"{name} must be a dict, not {type(value).__name__}")


def amount_or_none(value: object, name: str) -> float | None:
    """An amount of money, or None."""
    if value is None:
        return None
    if type(value) is bool or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise Unfit(f"{name} must be an amount of 0 or more")
    return float(value)


def _number(value: object, name: str) -> float:
    if not _is_real(value):
        raise Unfit(f"{name} must be a number of seconds, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError as error:
        raise Unfit(f"{name} must be a number of seconds of at most {durations.show(durations.LONGEST_MS)}") from error


def _of_datetime(value: datetime, name: str) -> int:
    if value.tzinfo is None:
        raise Unfit(f"{name} is a datetime without a time zone: say which, datetime.now(UTC) for one")
    return max(0, min(round(value.timestamp() * 1000), LAST_MOMENT))


def _deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested more than ``levels`` deep."""
    here = [value]
    for _ in range(levels + 1):
        here = [
            inner
            for outer in here
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list | tuple)
        ]
        if not here:
            return False
    return True


def question(text_: object, timeout: object, options: object, permission: bool) -> tuple[str, int, tuple[str, ...]]:
    """A question of a run: its text, its limit in milliseconds, and the words that answer it."""
    limit = limit_ms(timeout, "timeout")
    if limit is None:
        raise Unfit("a question has a limit: timeout must be a number of seconds")
    question = text(text_, "a question", LONGEST_REASON)
    if not question.strip():
        raise Unfit("a question must not be empty")
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise Unfit("options must be a sequence of texts")
    words = tuple(text(option, "an option", LONGEST_NAME) for option in options)
    folded = [word.strip().casefold() for word in words]
    if len({*folded}) < len(folded) or "" in folded or (permission and not words):
        raise Unfit("options must be different texts, none of them empty")
    return question, limit, words


def instance(value: object, kind: type, name: str, how: str) -> None:
    """Check that a value is None or of this class; ``how`` says what makes one. Raises Unfit."""
    if value is not None and not isinstance(value, kind):
        raise Unfit(f"{name} must be made by {how}, not {type(value).__name__}")
