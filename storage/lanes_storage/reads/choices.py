"""Filters as SQL: the conditions for WHERE, and the joins that they need.

Each field is one or more expressions, of which one must match. ``lanes.filters`` implements the same in Python; a
test compares them.
"""

import json
import re
from collections.abc import Mapping

from lanes_storage.fragments import head_of, no_pause, reruns_of, shown_key, shown_of_session, unlisted
from lanes_storage.globs import as_sqlite
from lanes_storage.law import Scope
from lanes_storage.reads.orders import MAY_QUEUE, QUEUED, QUEUES
from lanes_storage.records import Comparison, Condition, How, LaneFilter, Subject
from lanes_storage.tuples import NamedTuple

#: The joins of ``lanes l``: to its run, to that run's owner and message, and to the head of the lane.
_OF_LANES = {
    "s": "JOIN json_each(:silent) s ON s.value = l.run_id",
    "r": "LEFT JOIN runs r ON r.id = l.run_id",
    "o": "LEFT JOIN owners o ON o.id = r.owner_id",
    "rm": "LEFT JOIN messages rm ON rm.id = r.message_id",
    "hm": f"LEFT JOIN messages hm ON hm.id = {head_of('l')}",
}
_OF_MESSAGES = "messages m JOIN lanes l ON l.id = m.lane_id LEFT JOIN runs r ON r.id = m.run_id"
_ALIAS = r"\b([a-z]+)\."

#: A lane that was made for one request is listed only until that request has ended.
#: Of the lanes of one session, one is listed for all.
LISTED = f"NOT ({unlisted('l.')}) AND {shown_of_session('l')}"
_KEY = shown_key("l")
#: The message that a lane is about: the running one, otherwise the head.
_MESSAGE = "CASE WHEN l.run_id IS NULL THEN hm.{0} ELSE rm.{0} END"
_PAUSED = f"NOT ({no_pause('l', ':at')})"
_HERE = "'here'"
#: The entries of a JSON column; another program may have written invalid JSON there.
_ENTRIES = "EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid({0}) THEN {0} END) j WHERE {1})"

#: What an abort with each scope would end: a run, heads that ran before (requeued or parked), waiting messages.
_ABORTABLE = {
    Scope.RUN: f"(l.run_id IS NOT NULL OR (l.id IN ({MAY_QUEUE}) AND {reruns_of('l')} > 0))",
    Scope.QUEUE: f"(l.id IN ({MAY_QUEUE}) AND {QUEUES})",
    Scope.BOTH: f"(l.run_id IS NOT NULL OR (l.id IN ({MAY_QUEUE}) AND {QUEUES}))",
}


#: The SQL expressions of each field, of which one must match. An age is stored as the time from which it is counted.
FIELDS: Mapping[Subject, Mapping[str, str | tuple[str, ...]]] = {
    Subject.LANE: {
        "state": "l.state",
        "key": _KEY,
        "owner": ("o.host || ':' || o.pid", "CAST(o.pid AS TEXT)", "CAST(o.id AS TEXT)"),
        "held": "r.claimed_at",
        "wait": "hm.accepted_at",
        "beat": "o.heartbeat_at",
        "silent": "r.progress_at",
        "queue": QUEUED,
        "error": "l.error_cause || ' ' || l.error_message",
        "cause": "l.error_cause",
        "runner": "CASE WHEN l.run_id IS NULL THEN hm.runner ELSE r.runner END",
        "provider": "CASE WHEN json_valid(r.attempt) THEN json_extract(r.attempt, '$.provider') END",
        "paused": _PAUSED,
        "changed": "l.updated_at",
        "actor": _MESSAGE.format("actor"),
        "text": (_MESSAGE.format("text"), _MESSAGE.format("request")),
        "source": _HERE,
    },
    Subject.MESSAGE: {
        "state": "m.state",
        "key": _KEY,
        "wait": "CASE WHEN m.state = 'queued' THEN m.accepted_at END",
        "error": "m.error_cause || ' ' || coalesce(m.error_message, '')",
        "cause": "m.error_cause",
        "runner": "coalesce(r.runner, m.runner)",
        "provider": "json_extract(m.attempts, j.fullkey || '.provider')",
        "paused": _PAUSED,
        "changed": "coalesce(m.ended_at, m.started_at, m.accepted_at)",
        "actor": "m.actor",
        "text": ("m.text", "m.request"),
        "source": _HERE,
    },
    Subject.EVENT: {
        "state": "e.to_state",
        "key": _KEY,
        "cause": "e.cause",
        "changed": "e.at",
        "actor": "e.actor",
        "text": "CASE WHEN j.type = 'text' THEN j.value END",
        "source": _HERE,
    },
}
#: Where a field is in the entries of a JSON column.
_WITHIN = {(Subject.MESSAGE, "provider"): "m.attempts", (Subject.EVENT, "text"): "e.detail"}
#: Fields that are compared by age; and the field that is a condition without a value.
AGES = frozenset({"held", "wait", "beat", "silent", "changed"})
FLAG = "paused"
#: Fields that only lanes have in which something waits.
OF_WAITING = frozenset({"queue", "wait"})

_ORDERED = {How.MORE: ">", How.LESS: "<", How.LEAST: ">=", How.MOST: "<="}
#: A greater age means an earlier start time, so the comparison is reversed.
_OLDER = {How.MORE: "<", How.LESS: ">", How.LEAST: "<=", How.MOST: ">="}


class Conditions(NamedTuple):
    """Conditions, to be joined by AND, and their parameters."""

    conditions: list[str]
    params: dict[str, object]

    @property
    def where(self) -> str:
        """SQL to append to another condition."""
        return "".join(f" AND {condition}" for condition in self.conditions)

    def table(self, *more: str) -> str:
        """``lanes l`` with only the joins that the conditions and the ``more`` expressions need."""
        names = set(re.findall(_ALIAS, " ".join((*self.conditions, *more)))) & set(_OF_LANES)
        if names & {"o", "rm"}:
            names.add("r")
        return " ".join(("lanes l", *(join for name, join in _OF_LANES.items() if name in names)))


def choice_of(chosen: LaneFilter) -> Conditions:
    """The conditions of a filter of lanes. Values are always passed as parameters."""
    choice = _choice(chosen, Subject.LANE)
    choice.conditions.insert(0, LISTED)
    if chosen.abortable is not None:
        choice.conditions.append(_ABORTABLE[chosen.abortable])
    return choice


def messages_among(chosen: LaneFilter) -> Conditions:
    """The condition on ``messages c`` that a filter of messages adds; empty if the filter chooses all messages."""
    choice = _choice(chosen, Subject.MESSAGE)
    if choice.conditions:
        found = f"(SELECT 1 FROM {_OF_MESSAGES} WHERE m.id = c.id{choice.where}) IS NOT NULL"
        return Conditions([found], choice.params)
    return choice


def events_among(chosen: LaneFilter) -> Conditions:
    """The conditions of a filter of events, on ``events e`` and its lane ``l``."""
    return _choice(chosen, Subject.EVENT)


def _choice(chosen: LaneFilter, subject: Subject) -> Conditions:
    if chosen.of is not subject:
        raise ValueError(f"a filter of {chosen.of}s chooses no {subject}s")
    choice = Conditions([], {})
    if chosen.keys is not None:
        keys = f"(SELECT value FROM json_each({_given(choice, json.dumps(chosen.keys))}))"
        choice.conditions.append(
            f"(l.key IN {keys} OR l.parent_id IN (SELECT p.id FROM lanes p WHERE p.key IN {keys}))"
        )
    for condition in chosen.conditions:
        _add(choice, condition, chosen)
    if ":at" in choice.where:
        choice.params["at"] = _moment(chosen)
    return choice


def _add(choice: Conditions, condition: Condition, chosen: LaneFilter) -> None:
    field, column = FIELDS[chosen.of][condition.field], _WITHIN.get((chosen.of, condition.field))
    passed = " OR ".join(
        _compared(choice, sql, condition.field, comparison, chosen)
        for comparison in condition.any_of
        for sql in ((field,) if isinstance(field, str) else field)
    )
    whole = f"({passed})" if column is None else _ENTRIES.format(column, passed)
    if condition.negated:
        whole = f"NOT coalesce({whole}, 0)"
    elif (
        chosen.of is Subject.LANE
        and condition.field in OF_WAITING
        and all(_counts(comparison) for comparison in condition.any_of)
    ):
        whole = f"l.id IN ({MAY_QUEUE}) AND {whole}"  # no other lane is read
    choice.conditions.append(whole)


def _compared(choice: Conditions, sql: str, field: str, comparison: Comparison, chosen: LaneFilter) -> str:
    how, value = comparison
    if field == FLAG:
        return sql if value else f"NOT ({sql})"
    if field in AGES:
        return f"{sql} {_OLDER[how]} {_given(choice, _moment(chosen) - int(value))}"
    match how:
        case How.IS:
            return f"{sql} = {_given(choice, value)}"
        case How.FITS:
            return f"{sql} GLOB {_given(choice, as_sqlite(str(value)))}"
        case How.HAS:
            return f"instr(lower({sql}), lower({_given(choice, value)})) > 0"
    return f"{sql} {_ORDERED[how]} {_given(choice, value)}"


def _counts(comparison: Comparison) -> bool:
    """Whether a count of 0 does not match the comparison."""
    how, value = comparison
    return (how is How.MORE) or (how in (How.IS, How.LEAST) and int(value) > 0)


def _given(choice: Conditions, value: object) -> str:
    """Add a parameter with this value; returns its placeholder."""
    name = f"given_{len(choice.params)}"
    choice.params[name] = value
    return f":{name}"


def _moment(chosen: LaneFilter) -> int:
    if not chosen.at:  # without it, expired pauses would count as pauses, and every age would be 0
        raise ValueError("a filter by age or pause needs the time at which they are evaluated (at)")
    return chosen.at
