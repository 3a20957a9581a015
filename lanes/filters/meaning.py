"""The meaning of a filter without a database: whether a lane, a message or an event fits it.

It is evaluated on facts: the values of fields by name, texts or moments (wall time, milliseconds). If a field has
several values, one of them has to match; a field without a value matches nothing. So lanes of other sources are chosen
by the same rules. ``lanes_storage.reads.choices`` is the same in SQL, and a property test compares the two for rows of
each kind.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from lanes.filters.fields import FIELDS, FieldKind
from lanes.records import HERE, Event
from lanes_storage.globs import as_pattern
from lanes_storage.records import Comparison, Condition, How, LaneFilter

Value: TypeAlias = str | int | None
Facts: TypeAlias = Mapping[str, Value | Sequence[Value]]

_LOWER = str.maketrans({chr(letter): chr(letter).lower() for letter in range(ord("A"), ord("Z") + 1)})


def fits(facts: Facts, chosen: LaneFilter) -> bool:
    """Whether a filter chooses what has these facts. ``abortable`` is not evaluated here."""
    if chosen.keys is not None and facts.get("key") not in chosen.keys:
        return False
    return all(_holds(condition, facts, chosen.at) for condition in chosen.conditions)


def has(text: str, part: str) -> bool:
    """Whether a text contains a part, ignoring the case of ASCII letters, as SQLite does."""
    return part.translate(_LOWER) in text.translate(_LOWER)


def of_event(event: Event) -> Facts:
    """The facts of an event."""
    return {
        "state": event.to_state,
        "key": event.key,
        "cause": event.cause,
        "changed": event.at,
        "actor": event.actor,
        "text": tuple(value for value in (event.detail or {}).values() if isinstance(value, str)),
        "source": HERE,
    }


def _holds(condition: Condition, facts: Facts, at: int) -> bool:
    values = facts.get(condition.field)
    several = values if isinstance(values, tuple | list) else (values,)
    age = FIELDS[condition.field].kind is FieldKind.AGE
    passed = any(
        _passes(at - int(value) if age else value, comparison)
        for value in several
        if value is not None
        for comparison in condition.any_of
    )
    return passed is not condition.negated


def _passes(value: str | int, comparison: Comparison) -> bool:
    how, operand = comparison
    if isinstance(value, str):
        text = str(operand)
        match how:
            case How.HAS:
                return has(value, text)
            case How.FITS:
                return as_pattern(text).fullmatch(value) is not None
        return value == text
    number = int(operand)
    match how:
        case How.MORE:
            return value > number
        case How.LESS:
            return value < number
        case How.LEAST:
            return value >= number
        case How.MOST:
            return value <= number
    return value == number
