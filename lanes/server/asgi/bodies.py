"""The JSON of a request's body, checked and bounded."""

import json
import re
from collections import Counter
from typing import Any, NoReturn

from lanes.base.errors import TooMuch
from lanes.server.asgi.errors import HttpProblem
from lanes_storage.threads import in_thread

#: A larger body is read in a thread: megabytes of text would block the event loop for too long.
LARGE_BODY = 65_536
#: The most values in one body. The parser blocks all threads, and its time depends mostly on their number.
MOST_VALUES = 100_000

#: A string, also an unterminated one: if that did not match, the search would start again at each quotation mark.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BETWEEN = (b",", b"[", b"{")
#: The most characters of a field name in an error.
_LONGEST_NAME = 64


async def parsed(raw: bytes) -> dict[str, Any]:
    """The object in a body; an empty body is an empty object. Raises HttpProblem, TooMuch."""
    return _parsed(raw) if len(raw) <= LARGE_BODY else await in_thread(_parsed, raw)


def _parsed(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    if len(raw) > MOST_VALUES and too_many_values(raw):
        raise TooMuch(f"the body has more than {MOST_VALUES} values")
    try:
        data = _decode(raw.decode("utf-8-sig"))  # Windows programs prepend a byte order mark
        if b"\\u" in raw:  # only an escape can be a lone surrogate, which cannot be stored
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, "bad_json", "the body is not valid JSON in UTF-8") from error
    if not isinstance(data, dict):
        raise HttpProblem(400, "bad_json", "the body must be a JSON object")
    return data


def too_many_values(raw: bytes) -> bool:
    """Whether JSON may have more than ``MOST_VALUES`` values, by an upper bound that needs no parsing."""
    if _marks(raw, 0, len(raw)) < MOST_VALUES:
        return False
    marks = end = 0
    for text in _STRING.finditer(raw):  # marks within strings do not count
        marks += _marks(raw, end, text.start())
        end = text.end()
        if marks >= MOST_VALUES:
            return True
    return marks + _marks(raw, end, len(raw)) >= MOST_VALUES


def _marks(raw: bytes, start: int, end: int) -> int:
    return sum(raw.count(mark, start, end) for mark in _BETWEEN)


def _named_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that stands twice in it is refused, since parsers disagree about its value."""
    fields = dict(members)
    if len(fields) < len(members):
        ((twice, _),) = Counter(name for name, _ in members).most_common(1)
        raise HttpProblem(
            400, "bad_json", f"{json.dumps(twice[:_LONGEST_NAME])} appears twice in one object of the body"
        )
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return value


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_named_once).decode
