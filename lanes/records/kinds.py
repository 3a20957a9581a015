"""The kinds of fields of records, each with its JSON.

In Python ids are numbers, moments wall time in milliseconds, durations and ages milliseconds. Outside ids are decimal
strings, moments RFC 3339 in UTC, durations and ages seconds.

A field may also be a record, a tuple of records or texts, a word of an enumeration, a ``str`` or a ``bool``;
each of them with ``| None``. ``Annotated`` may also hold its meaning for the documentation, and the marks below.
"""

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar

from lanes.base.sentences import in_json
from lanes.records import json_schema
from lanes.records.json_schema import Schema
from lanes.text.timestamps import moment
from lanes_storage.law import EventType, LaneState

T = TypeVar("T")


class ValueKind:
    """A kind: its schema, an expression that writes a value, and a function that reads one.

    ``unit``: the suffixes of such a field's name, in Python and in JSON.
    """

    __slots__ = ("read", "schema", "unit", "write")

    def __init__(
        self, schema: Schema, write: str, read: Callable[[Any], Any], unit: tuple[str, str] = ("", "")
    ) -> None:
        self.schema = schema
        self.write = write
        self.read = read
        self.unit = unit


class JsonName:
    """A mark: the name of the field in JSON, if it differs."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Trait:
    """A flag on a field, such as ``HIDDEN``, compared by identity."""

    __slots__ = ()


#: For Python only: it is not in the JSON.
HIDDEN = Trait()
#: The fields of the record take the place of this field.
INLINE = Trait()
#: In the JSON only if it is not the default.
UNUSUAL = Trait()
#: Words that are not in the enumeration are possible.
OPEN = Trait()


# ----------------------------------------------------------------------------------------------- values


def plainly(noun: str) -> Callable[[Callable[[Any], T]], Callable[[Any], T]]:
    """A decorator: any error of the function becomes a ValueError that says ``… is no NOUN``."""

    def wrapped(read: Callable[[Any], T]) -> Callable[[Any], T]:
        @wraps(read)
        def plain(value: Any) -> T:
            try:
                return read(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{in_json(value)} is not a valid {noun}") from error

        return plain

    return wrapped


@plainly("time")
def read_moment(value: Any) -> int:
    """The wall time, in milliseconds, of an RFC 3339 text."""
    from datetime import datetime

    return round(datetime.fromisoformat(value).timestamp() * 1000)


_NAMES = {str: "text", float: "number", int: "whole number", bool: "truth value", dict: "object", list: "array"}


def reading(*types: type) -> Callable[[Any], Any]:
    """A function that returns values of these types unchanged, and raises TypeError for others. A bool is no number."""

    def read(value: Any) -> Any:
        if not isinstance(value, types) or (value is True or value is False) is not (bool in types):
            raise TypeError(f"{in_json(value)} is not a valid {_NAMES[types[0]]}")
        return value

    return read


@plainly("id")
def read_id(value: Any) -> int:
    """The number of an id."""
    return int(read_text(value))


@plainly("number of seconds")
def read_seconds(value: Any) -> int:
    """Seconds as milliseconds."""
    seconds: float = read_number(value)
    return round(seconds * 1000)


def read_counts(value: Any) -> dict[str, int]:
    """A number for each word."""
    return {word: read_count(number) for word, number in reading(dict)(value).items()}


read_object = reading(dict)
read_text = reading(str)
read_number = reading(float, int)
read_count = reading(int)


# ---------------------------------------------------------------------------------------------- details

#: Names in the detail of an event whose numbers are moments, and those whose numbers are ids.
MOMENTS = frozenset({"until", "parked_until"})
IDS = frozenset({"owner", "retried_as", "run"})


def json_detail(detail: dict[str, Any]) -> dict[str, Any]:
    """The detail of an event in the units of JSON; the journal stores milliseconds and numbers."""
    return dict([_json_entry(word, value) for word, value in detail.items()])


def _json_entry(word: str, value: Any) -> tuple[str, Any]:
    if type(value) is not int:
        return (f"{word.removesuffix('_ms')}_s", None) if value is None and word.endswith("_ms") else (word, value)
    if word.endswith("_ms"):
        return f"{word.removesuffix('_ms')}_s", value / 1000
    if word in MOMENTS:
        return word, moment(value)
    return word, str(value) if word in IDS else value


def read_detail(value: Any) -> dict[str, Any]:
    """The inverse of ``json_detail``."""
    return dict(_stored_entry(word, value) for word, value in reading(dict)(value).items())


def _stored_entry(word: str, value: Any) -> tuple[str, Any]:
    if word.endswith("_s") and (value is None or type(value) in (int, float)):
        return f"{word.removesuffix('_s')}_ms", None if value is None else read_seconds(value)
    if isinstance(value, str) and word in MOMENTS | IDS:
        with contextlib.suppress(ValueError):
            return word, read_moment(value) if word in MOMENTS else int(value)
    return word, value


_DETAIL: Schema = {"type": "object", "description": "depends on the type of the event"}
_BY_CAUSE: Schema = {"type": "object", "additionalProperties": json_schema.COUNT}
_BY_STATE = json_schema.exactly(**dict.fromkeys(map(str, LaneState), json_schema.COUNT))

# -------------------------------------------------------------------------------------------- the kinds

Id = Annotated[int, ValueKind(json_schema.ID, "str({})", read_id)]
Key = Annotated[str, ValueKind(json_schema.KEY, "{}", read_text)]
Count = Annotated[int, ValueKind(json_schema.COUNT, "{}", read_count)]
Number = Annotated[int, ValueKind(json_schema.NUMBER, "{}", reading(int))]
Moment = Annotated[int, ValueKind(json_schema.MOMENT, "moment({})", read_moment)]
Seconds = Annotated[int, ValueKind(json_schema.SECONDS, "{} / 1000", read_seconds, ("_ms", "_s"))]
#: Seconds in Python as well.
Waited = Annotated[float, ValueKind(json_schema.SECONDS, "round({}, 3)", read_number)]
#: US dollars.
Money = Annotated[float, ValueKind(json_schema.MONEY, "{}", read_number)]
Anything = Annotated[Any, ValueKind({}, "{}", lambda value: value)]
EventWord = Annotated[str, ValueKind(json_schema.words(EventType), "{}", read_text)]
Object = Annotated[dict[str, Any], ValueKind({"type": "object"}, "{}", reading(dict))]
Detail = Annotated[dict[str, Any], ValueKind(_DETAIL, "json_detail({})", read_detail)]
#: A count for each cause; a cause is any word.
ByCause = Annotated[dict[str, int], ValueKind(_BY_CAUSE, "dict({})", read_counts)]
#: A count of lanes for each state.
ByState = Annotated[dict[str, int], ValueKind(_BY_STATE, "dict({})", read_counts)]
TEXT = ValueKind(json_schema.TEXT, "{}", read_text)
FLAG = ValueKind(json_schema.FLAG, "{}", reading(bool))
