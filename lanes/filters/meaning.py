"""The meaning of a filter without a database: whether a lane, a message or an event fits it.

It is evaluated on facts: the values of fields by name, texts or moments (wall time, milliseconds). If a field has
several values, one of them has to match; a field without a value matches nothing. So lanes of other sources are chosen
by the same rules. ``lanes_storage.reads.choices`` is the same in SQL, and a property test compares the two.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from lanes.filters.fields import FIELDS, FieldKind
from lanes.records import HERE, Event
from lanes_storage.globs import as_pattern
from lanes_storage.law import MessageState
from lanes_storage.records import Comparison, Condition, How, LaneFilter, LaneRow, MessageRow, RunRow

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


def of_lane(lane: LaneRow, message: MessageRow | None, at: int) -> Facts:
    """The facts of a lane; ``message`` is the running one, otherwise the first waiting one. Pauses count at ``at``."""
    run, owner, error, pause = lane.run, lane.owner, lane.last_error, lane.pause
    return {
        "state": lane.state,
        "key": lane.key,
        "owner": owner and (f"{owner.host}:{owner.pid}", str(owner.pid), str(owner.id)),
        "held": run and run.claimed_at,
        "wait": lane.head_accepted_at,
        "beat": owner and owner.heartbeat_at,
        "silent": run and run.progress_at,
        "queue": lane.queued,
        "error": error and f"{error.cause} {error.message}",
        "cause": error and error.cause,
        "runner": run.runner if run else message and message.runner,
        "provider": run and run.attempt and run.attempt.provider,
        "paused": int(pause is not None and (pause.until is None or pause.until > at)),
        "changed": lane.updated_at,
        "actor": message and message.actor,
        "text": message and (message.text, message.request),
        "source": HERE,
    }


def of_message(message: MessageRow, run: RunRow | None, *, paused: bool) -> Facts:
    """The facts of a message; ``run`` is its last one, and ``paused`` whether its lane is."""
    error = message.error
    return {
        "state": message.state,
        "key": message.key,
        "wait": message.accepted_at if message.state is MessageState.QUEUED else None,
        "error": error and f"{error.cause} {error.message}",
        "cause": error and error.cause,
        "runner": run.runner if run else message.runner,
        "provider": tuple(attempt.provider for attempt in message.attempts),
        "paused": int(paused),
        "changed": message.ended_at or message.started_at or message.accepted_at,
        "actor": message.actor,
        "text": (message.text, message.request),
        "source": HERE,
    }


def of_event(event: Event) -> Facts:
    """The facts of an event."""
    return {
        "state": event.to_state,
        "key": event.key,
        "cause": event.cause,
        "changed": event.at,
        "actor": event.actor,
        "text": tuple(said for said in (event.detail or {}).values() if isinstance(said, str)),
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
    how, given = comparison
    if isinstance(value, str):
        text = str(given)
        match how:
            case How.HAS:
                return has(value, text)
            case How.FITS:
                return as_pattern(text).fullmatch(value) is not None
        return value == text
    number = int(given)
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
