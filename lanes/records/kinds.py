"""The kinds that a field of a record may have, each with its JSON.

In Python ids are numbers, moments wall time in milliseconds, durations and ages milliseconds. Outside ids are decimal
strings, moments RFC 3339 in UTC, durations and ages seconds.

Besides these a field may be a record, a tuple of records or texts, a word of an enumeration, a ``str`` or a ``bool``;
all of them with ``| None``. Further words in ``Annotated`` are its meaning for the documents, and the marks below.
"""

import contextlib
import time
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from lanes.records import json_schema
from lanes.records.json_schema import Schema
from lanes.sentences import LAST_MOMENT
from lanes_storage.law import EventType, LaneState

#: The first millisecond of the year 1000.
FIRST_MOMENT = -30_610_224_000_000


class ValueKind:
    """How values of a kind are told: the schema, an expression that writes one, and a function that reads it again.

    ``unit``: how the name of such a field ends in Python, and in JSON.
    """

    __slots__ = ("read", "schema", "unit", "write")

    def __init__(
        self, schema: Schema, write: str, read: Callable[[Any], Any], unit: tuple[str, str] = ("", "")
    ) -> None:
        self.schema = schema
        self.write = write
        self.read = read
        self.unit = unit


class JsonName(NamedTuple):
    """A mark: the name of the field in JSON, where it is another one."""

    name: str


class Trait(Enum):
    """Another mark of a field."""

    HIDDEN = "for Python alone: it is not told outside"
    INLINE = "its own fields stand in its place"
    UNUSUAL = "told only where it is not the default"
    OPEN = "another word than those of the enumeration is possible"


HIDDEN, INLINE, UNUSUAL, OPEN = Trait


# ---------------------------------------------------------------------------------------------- moments


def moment(ms: int) -> str:
    """Wall time as RFC 3339, ``2026-01-31T08:00:00.250Z``."""
    if not FIRST_MOMENT <= ms <= LAST_MOMENT:  # a row may hold any number: the nearest year that a date can have
        ms = FIRST_MOMENT if ms < FIRST_MOMENT else LAST_MOMENT
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # Most of what is shown at a time happened in the same few seconds.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def read_moment(said: Any) -> int:
    """The wall time that ``moment`` told."""
    from datetime import datetime

    return round(datetime.fromisoformat(said).timestamp() * 1000)


# ----------------------------------------------------------------------------------------------- values


def reading(*types: type) -> Callable[[Any], Any]:
    """A function that takes values of these types as they are. Raises TypeError for others; true is no number."""

    def read(said: Any) -> Any:
        if not isinstance(said, types) or (said is True or said is False) is not (bool in types):
            raise TypeError(f"{said!r} is no {types[0].__name__}")
        return said

    return read


def read_id(said: Any) -> int:
    """The number of an id."""
    return int(read_text(said))


def read_seconds(said: Any) -> int:
    """Milliseconds."""
    seconds: float = read_number(said)
    return round(seconds * 1000)


read_text = reading(str)
read_number = reading(float, int)


# ---------------------------------------------------------------------------------------------- details

#: Numbers in the detail of an event that are moments, and those that are ids.
MOMENTS = frozenset({"until", "parked_until"})
IDS = frozenset({"owner", "retried_as", "run"})


def told(detail: dict[str, Any]) -> dict[str, Any]:
    """The detail of an event in the units of the outside; the journal stores milliseconds and numbers."""
    return dict([_told(word, value) for word, value in detail.items()])


def _told(word: str, value: Any) -> tuple[str, Any]:
    if type(value) is not int:
        return (f"{word.removesuffix('_ms')}_s", None) if value is None and word.endswith("_ms") else (word, value)
    if word.endswith("_ms"):
        return f"{word.removesuffix('_ms')}_s", value / 1000
    if word in MOMENTS:
        return word, moment(value)
    return word, str(value) if word in IDS else value


def read_detail(said: Any) -> dict[str, Any]:
    """What ``told`` was given."""
    return dict(_untold(word, value) for word, value in reading(dict)(said).items())


def _untold(word: str, value: Any) -> tuple[str, Any]:
    if word.endswith("_s") and (value is None or type(value) in (int, float)):
        return f"{word.removesuffix('_s')}_ms", None if value is None else read_seconds(value)
    if isinstance(value, str) and word in MOMENTS | IDS:
        with contextlib.suppress(ValueError):
            return word, read_moment(value) if word in MOMENTS else int(value)
    return word, value


_DETAIL: Schema = {"type": "object", "description": "as the type of the event has it"}
_BY_STATE = json_schema.exactly(**dict.fromkeys(map(str, LaneState), json_schema.COUNT))

# ------------------------------------------------------------------------------------------- their list

Id = Annotated[int, ValueKind(json_schema.ID, "str({})", read_id)]
Key = Annotated[str, ValueKind(json_schema.KEY, "{}", read_text)]
Count = Annotated[int, ValueKind(json_schema.COUNT, "{}", reading(int))]
Number = Annotated[int, ValueKind(json_schema.NUMBER, "{}", reading(int))]
Moment = Annotated[int, ValueKind(json_schema.MOMENT, "moment({})", read_moment)]
Seconds = Annotated[int, ValueKind(json_schema.SECONDS, "{} / 1000", read_seconds, ("_ms", "_s"))]
#: Seconds in Python as well.
Waited = Annotated[float, ValueKind(json_schema.SECONDS, "round({}, 3)", read_number)]
Anything = Annotated[Any, ValueKind({}, "{}", lambda said: said)]
EventWord = Annotated[str, ValueKind(json_schema.words(EventType), "{}", read_text)]
Object = Annotated[dict[str, Any], ValueKind({"type": "object"}, "{}", reading(dict))]
Detail = Annotated[dict[str, Any], ValueKind(_DETAIL, "told({})", read_detail)]
#: How many lanes are in each state.
ByState = Annotated[dict[str, int], ValueKind(_BY_STATE, "dict({})", reading(dict))]
TEXT = ValueKind(json_schema.TEXT, "{}", read_text)
FLAG = ValueKind(json_schema.FLAG, "{}", reading(bool))
