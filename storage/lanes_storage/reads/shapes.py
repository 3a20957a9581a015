"""Column lists, and functions that convert their rows to records."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from lanes_storage.fragments import columns, of_own_lane, open_of, queued_of, shown_key
from lanes_storage.globs import from_sqlite
from lanes_storage.interface import Row
from lanes_storage.law import Cause, Edge, LaneState, OnInterrupt, OnSurvivors, PauseKind, RunnerKind
from lanes_storage.records import (
    AttemptPhase,
    LaneRow,
    LastErrorRow,
    OwnerRow,
    PauseRow,
    ProviderAttempt,
    RunQuestion,
    RunRow,
    RunUsage,
    Terms,
)

#: How many characters of invalid JSON are shown.
UNREADABLE = 500

T = TypeVar("T")
_OF_PHASE = AttemptPhase.__annotations__


#: With ``FROM runs r`` and its lane ``rl``.
RUN_COLUMNS = columns(
    RunRow._fields,
    "r.",
    key=shown_key("rl"),
    terms=columns(Terms._fields, "r."),
    waiting="""(SELECT 1 FROM waits w JOIN messages wm ON wm.id = w.message_id
  WHERE w.run_id = r.id AND wm.ended_at IS NULL LIMIT 1) IS NOT NULL""",
)
RUN_WIDTH = len(RunRow._fields) + len(Terms._fields) - 1

OWNER_ROW = columns(OwnerRow._fields[:-1], "o.")
#: Contains the number of lanes that the owner holds. Not for lists of lanes: the count would be repeated for each row.
OWNER_COLUMNS = f"{OWNER_ROW}, (SELECT count(*) FROM runs h WHERE h.owner_id = o.id AND h.ended_at IS NULL)"

PAUSE_COLUMNS = columns(PauseRow._fields, "pa.")

#: With ``FROM lanes l``, its pause ``pa``, its head ``hm`` and the message ``rm`` that runs.
LANE_COLUMNS = f"""
l.id, {shown_key("l")}, l.state, l.epoch, l.anonymous, {PAUSE_COLUMNS},
{queued_of("l")},
hm.id, hm.accepted_at, hm.parked_until, l.error_cause, l.error_message, l.error_at, l.updated_at,
coalesce(rm.interruptions, hm.interruptions, 0),
{open_of("l")},
{", ".join(of_own_lane("l", used) for used in ("input_tokens", "output_tokens", "cost_micros"))}
"""
LANE_WIDTH = 24


def many(shape: Callable[[Row], T]) -> Callable[[list[Row]], list[T]]:
    """Convert a function for one row to a function for all rows."""
    return lambda rows: [shape(row) for row in rows]


def one(shape: Callable[[Row], T]) -> Callable[[list[Row]], T | None]:
    """Convert a function for one row to a function that returns the first row, or None if there is none."""
    return lambda rows: shape(rows[0]) if rows else None


def optional(kind: Callable[[Any], T], value: Any) -> T | None:
    """The converted value; None stays None."""
    return None if value is None else kind(value)


def parsed(text: str | bytes, kind: type[T]) -> T | None:
    """The value of a JSON text, such as a column; None if it is invalid, nested too deeply, or of another type."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, kind) else None


def to_attempts(stored: str | None) -> tuple[ProviderAttempt, ...]:
    """The provider chain as it was stored. Invalid JSON becomes one attempt with an unknown cause."""
    if not stored:
        return ()
    entries: list[Any] | None = parsed(stored, list)
    return (_unreadable(stored),) if entries is None else tuple(map(_to_attempt, entries))


def _to_attempt(entry: Any) -> ProviderAttempt:
    """One entry. Fields of other versions are ignored."""
    at = entry.get("at") if isinstance(entry, dict) else None
    if not isinstance(at, int):
        return _unreadable(json.dumps(entry))
    provider, cause, message = (str(entry.get(name, "")) for name in ("provider", "cause", "message"))
    status = entry.get("status")
    words = (value if isinstance(value := entry.get(name), str) else None for name in ("type", "param", "code"))
    return ProviderAttempt(provider, cause, message, at, status if isinstance(status, int) else None, *words)


def _unreadable(text: str) -> ProviderAttempt:
    return ProviderAttempt("unknown", "unreadable", text[:UNREADABLE], 0)


def to_run(row: Row) -> RunRow:
    """A run from RUN_COLUMNS."""
    limits = [*row[7:13], OnInterrupt.read(row[13]), OnSurvivors.read(row[14])]
    end = [optional(Cause.read, row[36]), optional(Edge.read, row[37]), optional(Cause.read, row[38]), bool(row[39])]
    values = [*row[:6], RunnerKind.read(row[6]), Terms(*limits), *row[15:36], *end, *row[40:44], bool(row[44])]
    return RunRow(*[*values, *row[45:47], _to_phase(row[47]), to_question(row[48]), row[49]])


def _to_phase(stored: str | None) -> AttemptPhase | None:
    """The provider that a run asks now; None if it asks none, or if another version stored something else."""
    fields: dict[str, Any] = (stored and parsed(stored, dict)) or {}
    if not all(isinstance(fields.get(name), kind) for name, kind in _OF_PHASE.items()):
        return None
    return AttemptPhase(**{name: fields[name] for name in _OF_PHASE})


def to_question(stored: str | None) -> RunQuestion | None:
    """The open question of a run. Invalid JSON, and fields of other versions, are ignored."""
    if stored is None:
        return None
    fields: dict[str, Any] = parsed(stored, dict) or {}
    known = {name: value for name, value in fields.items() if name in RunQuestion._fields}
    if not (known.keys() >= {*RunQuestion._fields} - {"answer"} and isinstance(known["options"], list)):
        return None
    return RunQuestion(**{**known, "options": tuple(map(str, known["options"]))})


def to_owner(row: Row) -> OwnerRow:
    """An owner from OWNER_COLUMNS."""
    values = [*row[:10], _names(row[10]), *row[11:]]
    return OwnerRow(*values)


@lru_cache(maxsize=64)
def _names(stored: str) -> tuple[str, ...]:
    """Cached: owners are read often, and have the same few runners."""
    return tuple(map(str, parsed(stored, list) or ()))


def to_pause(row: Row) -> PauseRow:
    """A pause from PAUSE_COLUMNS."""
    reason, actor, at, until, kind, pattern = row
    return PauseRow(reason or "", actor or "", at, until, PauseKind.read(kind), optional(from_sqlite, pattern))


def to_lane(row: Row) -> LaneRow:
    """A lane from LANE_COLUMNS, followed by RUN_COLUMNS and OWNER_ROW."""
    pause = None if row[7] is None else to_pause(row[5:11])
    error = None if row[15] is None else LastErrorRow(Cause.read(row[15]), row[16] or "", row[17] or 0)
    of_run, of_owner = row[LANE_WIDTH : LANE_WIDTH + RUN_WIDTH], row[LANE_WIDTH + RUN_WIDTH :]
    run = None if of_run[0] is None else to_run(of_run)
    owner = None if of_owner[0] is None else to_owner(of_owner)
    values = [*row[:2], LaneState.read(row[2]), row[3], bool(row[4]), pause, *row[11:15], error, row[18]]
    used = None if row[21] is None else RunUsage(*row[21:24])
    return LaneRow(*[*values, run, owner, *row[19:21], used])
