"""The kinds of parameters of verbs: how each is written on a command line, in a query and in JSON, and how a value from
Python is checked. ``Key``, ``Duration`` and the other types for signatures are at the end.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeAlias

from lanes.base import arguments, durations
from lanes.base.errors import Unfit
from lanes.base.terminal import check_key
from lanes.records import json_schema
from lanes.records.json_schema import Schema, nullable
from lanes_storage.clock import Now
from lanes_storage.law import MAX_KEY, is_cause
from lanes_storage.records import LaneFilter, Subject
from lanes_storage.tuples import NamedTuple

#: The largest `limit` of a list.
MOST_LISTED = 10**9
#: The longest wait of one request, in seconds.
MOST_WAIT_S = 600.0
#: How error messages name the types of JSON.
_CALLED: dict[type, str] = {str: "a string", int: "a whole number", bool: "true or false", dict: "an object"}


class ParamKind:
    """One kind of parameter. ``check`` converts a value from Python, ``parse`` a text; both also get the name of the
    parameter, and raise Unfit. Without ``parse``, a text is checked like any value if the kind is a string in JSON, and
    refused otherwise.

    ``metavar``: its placeholder in the help. ``json``: its type in JSON, to which ``show`` converts a value.
    """

    def __init__(
        self,
        metavar: str,
        schema: Schema,
        check: Callable[[Any, str], Any],
        parse: Callable[[str, str], Any] | None = None,
        json: type = str,
        show: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.metavar, self.schema, self.check = metavar, schema, check
        self.parse = parse or (check if json is str else _never_text)
        self.json, self.show = json, show

    def read(self, value: object, name: str) -> Any:
        """Convert a value from JSON. Raises Unfit."""
        if self.json is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # in JSON, 1.0 is a whole number
        if not isinstance(value, self.json) or (self.json is int and isinstance(value, bool)):
            raise Unfit(f"{name} must be {_CALLED[self.json]}", name)
        return self.parse(value, name) if isinstance(value, str) else self.check(value, name)


def _parse_id(text: str, name: str) -> int:
    number = arguments.digits(text)
    if number is None or number > json_schema.MOST_NUMBER:
        raise Unfit(f"{name} must be an id: digits")
    return number


def _parse_count(text: str, name: str) -> int:
    if (number := arguments.digits(text)) is None:
        raise Unfit(f"{name} must be a whole number, 0 or more")
    return arguments.count(number, name)


def _parse_duration(text: str, name: str) -> int:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise Unfit(f"{name}: {error}") from error


def _parse_flag(text: str, name: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise Unfit(f"{name} must be true or false")
    return text in ("true", "1")


def _check_flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"{name} must be true or false, not {type(value).__name__}")
    return value


def _check_step(value: object, name: str) -> int:
    if value not in (-1, 0, 1) or isinstance(value, bool):
        raise Unfit(f"{name} must be -1, 0 or 1")
    return int(value)


def _never_text(text: str, name: str) -> Any:
    raise Unfit(f"{name} cannot be given as text: {text!a}")


def _text(longest: int | None = None, least: int = 0, metavar: str = "TEXT") -> ParamKind:
    bound = {} if longest is None else {"maxLength": longest}
    bound |= {"minLength": least} if least else {}

    def check(value: object, name: str) -> str:
        text = arguments.text(value, name, longest)
        if len(text) < least:
            raise Unfit(f"{name} is empty")
        return text

    return ParamKind(metavar, {"type": "string", **bound}, check)


def _check_chat(value: object, name: str) -> dict[str, Any] | None:
    """Refuse a request that no run could answer, before it is stored."""
    request = arguments.dict_or_none(value, name)
    if request is not None:
        from lanes.dialects.table import dialect_of

        dialect_of(request).check(request)
    return request


@cache
def words(of: type[StrEnum]) -> ParamKind:
    """One of these words."""

    def check(value: object, name: str) -> StrEnum:
        return arguments.one_of(of, value, name)

    return ParamKind("WORD", {"type": "string", "enum": [str(word) for word in of]}, check, show=str)


@cache
def filter_of(subject: Subject) -> ParamKind:
    """A filter of lanes, of messages or of events. Its ages count back from the time of the call."""

    def parse(text: str, name: str) -> LaneFilter:
        from lanes import filters

        parsed = filters.parse(text, 0, subject)
        if parsed.problem is not None:
            raise Unfit(f"{name}: {parsed.problem}")
        return parsed.chosen

    def check(value: object, name: str) -> LaneFilter:
        if isinstance(value, LaneFilter) and value.of is subject:
            return value
        return parse(arguments.text(value, name), name)

    def show(value: LaneFilter) -> str:
        from lanes import filters

        return filters.written(value)

    return ParamKind("FILTER", {"type": "string", "description": f"a filter of {subject}s"}, check, parse, show=show)


@cache
def count(least: int, most: int) -> ParamKind:
    """A whole number from ``least`` to ``most``."""

    def check(value: object, name: str) -> int:
        number = arguments.count(value, name)
        if not least <= number <= most:
            raise Unfit(f"{name} must be a whole number from {least} to {most}")
        return number

    def parse(text: str, name: str) -> int:
        number = arguments.digits(text)
        return check(most + 1 if number is None else number, name)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return ParamKind("N", schema, check, parse, int)


def timed(chosen: LaneFilter, now: Now) -> LaneFilter:
    """The filter with its reference time for ages and pauses: ``now``, unless it already has one."""
    return chosen if chosen.at or not chosen.conditions else chosen._replace(at=now.wall)


_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"


def _parse_seconds(text: str, name: str) -> int:
    seconds = float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else -1.0
    if not 0 <= seconds <= MOST_WAIT_S:
        raise Unfit(f"{name} must be a number from 0 to {MOST_WAIT_S:g}")
    return round(seconds * 1000)


#: The key of a lane. One that cannot exist is simply not found.
KEY = ParamKind("KEY", json_schema.KEY, arguments.text)
#: The key of a lane that may be created: it is checked.
NEW_KEY = ParamKind("KEY", json_schema.KEY, lambda value, _: check_key(value))
ID = ParamKind("ID", json_schema.ID, arguments.count, _parse_id, show=str)
COUNT = ParamKind("N", json_schema.COUNT, arguments.count, _parse_count, int)
DURATION = ParamKind("D", json_schema.DURATION, arguments.count, _parse_duration, show=durations.show)
#: The shortest pause: one that ends immediately would only replace another.
LEAST_PAUSE_MS = 1_000


def _check_pause(value: object, name: str) -> int:
    if (ms := arguments.count(value, name)) < LEAST_PAUSE_MS:
        raise Unfit(f"{name}: a pause lasts at least {durations.show(LEAST_PAUSE_MS)}; resume ends one", name)
    return ms


PAUSE_TIME = ParamKind(
    "D",
    json_schema.DURATION,
    _check_pause,
    lambda text, name: _check_pause(_parse_duration(text, name), name),
    show=durations.show,
)
#: A wait in whole milliseconds; a number of seconds in a query.
SECONDS = ParamKind(
    "S",
    {"type": "number", "minimum": 0, "maximum": MOST_WAIT_S},
    arguments.count,
    _parse_seconds,
    show=lambda ms: f"{ms / 1000:.3f}",
)
MOMENT = ParamKind("TIME", {"type": "integer", "minimum": 0}, arguments.moment_ms, json=int)


def _check_event_type(value: object, name: str) -> str:
    word = arguments.text(value, name)
    if not is_cause(word):  # any such word is allowed: a newer version may write other types
        from lanes_storage.law import EventType

        raise Unfit(f"a type of event must be a word such as {', '.join(EventType)}")
    return word


EVENT_TYPE = ParamKind("WORD", {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}, _check_event_type)
CAUSE = ParamKind("WORD", {"type": "string"}, lambda value, _: arguments.cause(value))
STEP = ParamKind("N", {"type": "integer", "minimum": -1, "maximum": 1}, _check_step, json=int)
FLAG = ParamKind("", {"type": "boolean"}, _check_flag, _parse_flag, bool)
#: The fields of a chat request that lanes itself reads or refuses; all others are passed to the provider unchanged.
CHAT_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1},
        "model": {**nullable(json_schema.TEXT), "description": "a runner; any other name is the runner of the policy"},
        "n": {"enum": [1, None], "description": "a message gets one answer"},
        "stream": nullable(json_schema.FLAG),
        "stream_options": nullable({"type": "object", "properties": {"include_usage": nullable(json_schema.FLAG)}}),
        "metadata": nullable({"type": "object", "properties": {"lanes_session": nullable(json_schema.KEY)}}),
        "conversation": {
            "anyOf": [
                json_schema.KEY,
                {"type": "object", "properties": {"id": json_schema.KEY}, "required": ["id"]},
                {"type": "null"},
            ]
        },
    },
    "required": ["messages"],
}
CHAT = ParamKind("JSON", CHAT_SCHEMA, _check_chat, json=dict)
OBJECT = ParamKind("JSON", {"type": "object"}, arguments.dict_or_none, json=dict)
#: For parameters that only Python programs pass; the verb itself checks them.
ANY = ParamKind("", {}, lambda value, _: value)
TEXT = _text()
NAME = _text(arguments.LONGEST_NAME, least=1)
#: The longest glob over keys, in characters.
MOST_PATTERN = 2 * MAX_KEY


class ParamRestriction(StrEnum):
    """Where a parameter cannot be given."""

    NOT_TYPED = "not on a command line"
    ONLY_PYTHON = "only by a program"


class ParamHeader(NamedTuple):
    """An HTTP header that gives a parameter: ``alone``, or besides query and body. If these differ from it, the request
    is refused, unless the header ``wins``.
    """

    name: str
    alone: bool = False
    wins: bool = False


#: A parameter for programs, also over HTTP.
NOT_TYPED = ParamRestriction.NOT_TYPED
#: A parameter for Python programs only.
ONLY_PYTHON = ParamRestriction.ONLY_PYTHON

Key: TypeAlias = Annotated[str, KEY]
NewKey: TypeAlias = Annotated[str, NEW_KEY]
Id: TypeAlias = Annotated[int, ID]
Count: TypeAlias = Annotated[int, COUNT]
#: Whole milliseconds; ``30s`` in text and JSON.
Duration: TypeAlias = Annotated[int, DURATION]
#: A duration of at least a second.
PauseTime: TypeAlias = Annotated[int, PAUSE_TIME]
#: Wall time in milliseconds, or a datetime with a time zone.
Moment: TypeAlias = Annotated[int, MOMENT]
Lanes: TypeAlias = Annotated[LaneFilter, filter_of(Subject.LANE), "The lanes that fit, such as 'state:errored feishu'."]
Messages: TypeAlias = Annotated[
    LaneFilter, filter_of(Subject.MESSAGE), "The messages that fit, such as 'cause:run_timeout since:1h'."
]
Events: TypeAlias = Annotated[LaneFilter, filter_of(Subject.EVENT), "The events that fit, such as 'agent:* since:1h'."]
Flag: TypeAlias = Annotated[bool, FLAG]
Seconds: TypeAlias = Annotated[int, SECONDS]
Limit: TypeAlias = Annotated[int, count(1, MOST_LISTED), "At most N."]
Chat: TypeAlias = Annotated[dict[str, Any], CHAT, "A chat request with its own history."]
Name: TypeAlias = Annotated[str, NAME]
Text: TypeAlias = Annotated[str, TEXT]
Glob: TypeAlias = Annotated[str, _text(least=1, metavar="GLOB")]
#: A glob that is stored.
KeptGlob: TypeAlias = Annotated[
    str, _text(MOST_PATTERN, least=1, metavar="GLOB"), "a glob over keys, such as `agent:*`; `*`: all lanes"
]
Reason: TypeAlias = Annotated[str, _text(arguments.LONGEST_REASON), "Why; stored in the journal."]
Source: TypeAlias = Annotated[
    str,
    _text(arguments.LONGEST_NAME, least=1, metavar="NAME"),
    "The lane of that source: `here`, or another program's gateway that lanes watches.",
]
Epoch: TypeAlias = Annotated[int, COUNT, "Only if the lane is still at this epoch."]
