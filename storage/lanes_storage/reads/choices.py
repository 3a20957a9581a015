"""Filters and orders of lanes as SQL.

A filter is conditions for WHERE, and the joins that they need. Each field is one or more expressions, of which one must
match. ``lanes.filters`` implements the same in Python; a test compares them.

An order is a few walks, one after another: each selects lanes by a condition and sorts them by terms. If one index
serves both, as for ``attention``, ``silent``, ``lane``, ``held`` and ``wait``, a first page costs the same for a
thousand lanes and for a million. The other orders read all lanes that have a value, and keep only as many as the limit.
"""

import json
import re
from collections.abc import Mapping

from lanes_storage.fragments import (
    head_of,
    names,
    no_pause,
    of_own_lane,
    queued_of,
    reruns_of,
    shown_key,
    shown_of_session,
    unlisted,
)
from lanes_storage.globs import as_sqlite
from lanes_storage.law import REMEMBERING, Scope
from lanes_storage.records import Comparison, Condition, How, LaneFilter, LaneOrder, LaneSort, Subject
from lanes_storage.tuples import NamedTuple


class Term(NamedTuple):
    """An expression to sort by; never null within its walk."""

    sql: str
    descending: bool = False

    @property
    def turned(self) -> "Term":
        return Term(self.sql, not self.descending)

    @property
    def rising(self) -> str:
        """A number that increases in the direction of this term."""
        return f"-({self.sql})" if self.descending else self.sql


class Walk(NamedTuple):
    """Lanes that meet a condition, sorted by a text, if any, and then by one or two numbers.

    If a walk sorts only by a text, that text is unique; otherwise the last number is unique.
    """

    condition: str
    numbers: tuple[Term, ...]
    text: Term | None = None

    @property
    def turned(self) -> "Walk":
        text = None if self.text is None else self.text.turned
        return Walk(self.condition, tuple(term.turned for term in self.numbers), text)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The sort terms, the most significant first."""
        return self.numbers if self.text is None else (self.text, *self.numbers)

    @property
    def order(self) -> str:
        """The SQL that follows ORDER BY."""
        return ", ".join(f"{term.sql}{' DESC' if term.descending else ''}" for term in self.terms)

    @property
    def values(self) -> str:
        """Three columns to sort the lanes of several walks: a text and two ascending numbers."""
        text = "''" if self.text is None else self.text.sql
        first, second, *_ = (*(term.rising for term in self.numbers), "0", "0")
        return f"{text} AS word, {first} AS first, {second} AS second"


NEWEST = Term("l.id", descending=True)
HEAD = Term("l.head_id")
#: The same for lanes that may have no head; unique, too.
ANY_HEAD = Term("coalesce(l.head_id, -l.id)")
#: The id of a run increases with each claim, so this is the longest held first.
RUN = Term("l.run_id")
QUEUED = queued_of("l")
#: A message waits in the lane or, for a session with child lanes, in any of its lanes. Only the lanes of ``MAY_QUEUE``,
#: which two indexes find, can meet this condition.
QUEUES = f"{head_of('l')} IS NOT NULL"
MAY_QUEUE = """
SELECT id FROM lanes WHERE head_id IS NOT NULL UNION ALL SELECT id FROM lanes WHERE parent_id IS NOT NULL
UNION ALL SELECT parent_id FROM lanes WHERE parent_id IS NOT NULL
"""

TRIED = "coalesce(rm.interruptions, hm.interruptions, 0)"

_USED, _COST = of_own_lane("l", "input_tokens"), of_own_lane("l", "cost_micros")

HELD = "l.run_id IS NOT NULL"
NOT_HELD = Walk("l.run_id IS NULL", (NEWEST,))
NOT_WAITING = Walk("l.head_id IS NULL", (NEWEST,))

ATTENTION = (
    Walk("l.head_id IS NOT NULL", (HEAD,)),
    Walk("l.head_id IS NULL AND l.run_id IS NOT NULL", (RUN,)),
    Walk("l.head_id IS NULL AND l.state = 'errored'", (NEWEST,)),
    Walk("l.head_id IS NULL AND l.state = 'aborted'", (NEWEST,)),
    Walk("l.head_id IS NULL AND l.state = 'idle'", (NEWEST,)),
)
SILENT = "s.value IS NOT NULL"  # joined from the ids that the order names
NOT_SILENT = "(l.run_id IS NULL OR l.run_id NOT IN (SELECT value FROM json_each(:silent)))"

WALKS: dict[LaneSort, tuple[Walk, ...]] = {
    LaneSort.ATTENTION: ATTENTION,
    LaneSort.SILENT: (
        Walk(SILENT, (Term("s.key"),)),
        *(each._replace(condition=f"{each.condition} AND {NOT_SILENT}") for each in ATTENTION[:2]),
        *ATTENTION[2:],
    ),
    LaneSort.STATE: (
        Walk("l.state = 'errored'", (NEWEST,)),
        Walk("l.state = 'aborted'", (NEWEST,)),
        Walk(HELD, (RUN,)),
        Walk("l.state = 'idle'", (NEWEST,)),
    ),
    LaneSort.LANE: (Walk("1 = 1", (), text=Term("l.key")),),
    LaneSort.HELD: (Walk(HELD, (RUN,)), NOT_HELD),
    LaneSort.BEAT: (Walk(HELD, (Term("o.heartbeat_at"), RUN)), NOT_HELD),
    LaneSort.QUEUE: (
        Walk(f"l.id IN ({MAY_QUEUE}) AND {QUEUES}", (Term(QUEUED, descending=True), ANY_HEAD)),
        Walk(f"NOT ({QUEUES})", (NEWEST,)),
    ),
    LaneSort.WAIT: (Walk("l.head_id IS NOT NULL", (HEAD,)), NOT_WAITING),
    LaneSort.OWNER: (Walk(HELD, (Term("o.pid"), RUN), text=Term("o.host")), NOT_HELD),
    LaneSort.ERROR: (
        Walk("l.state = 'errored'", (Term("l.error_at", descending=True), NEWEST), text=Term("l.error_cause")),
        Walk("l.state = 'aborted'", (NEWEST,)),
        Walk(f"l.state NOT IN ({names(REMEMBERING)})", (NEWEST,)),
    ),
    LaneSort.TRY: (Walk(f"{TRIED} > 0", (Term(TRIED, descending=True), NEWEST)), Walk(f"{TRIED} = 0", (NEWEST,))),
    LaneSort.COST: (
        Walk(f"{_USED} IS NOT NULL", (Term(f"coalesce({_COST}, 0)", descending=True), NEWEST)),
        Walk(f"{_USED} IS NULL", (NEWEST,)),
    ),
    LaneSort.EPOCH: (Walk("1 = 1", (Term("l.epoch", descending=True), NEWEST)),),
    LaneSort.CHANGED: (Walk("1 = 1", (Term("l.updated_at", descending=True), NEWEST)),),
}
#: In these orders every lane has a value, so reversing the order reverses all walks.
WHOLE = frozenset({LaneSort.ATTENTION, LaneSort.SILENT, LaneSort.STATE})


def walks_of(order: LaneOrder) -> tuple[Walk, ...]:
    """The walks of an order, in the order in which they are listed."""
    walks = WALKS[order.by]
    if not order.reverse:
        return walks
    if order.by in WHOLE:
        return tuple(walk.turned for walk in reversed(walks))
    return walks[0].turned, *walks[1:]


# --------------------------------------------------------------------------------------------- filters

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

#: A lane that was made for one request is listed only until that request has ended. Of the lanes of a session, one is
#: listed for all.
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
#: The fields that are in the entries of a JSON column, and which column that is.
_WITHIN = {(Subject.MESSAGE, "provider"): "m.attempts", (Subject.EVENT, "text"): "e.detail"}
#: Fields that are compared by age; and the field that is a condition without a value.
AGES = frozenset({"held", "wait", "beat", "silent", "changed"})
FLAG = "paused"
#: Fields that only lanes with waiting messages have.
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
        keys = f"(SELECT value FROM json_each({_placeholder(choice, json.dumps(chosen.keys))}))"
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
        return f"{sql} {_OLDER[how]} {_placeholder(choice, _moment(chosen) - int(value))}"
    match how:
        case How.IS:
            return f"{sql} = {_placeholder(choice, value)}"
        case How.FITS:
            return f"{sql} GLOB {_placeholder(choice, as_sqlite(str(value)))}"
        case How.HAS:
            return f"instr(lower({sql}), lower({_placeholder(choice, value)})) > 0"
    return f"{sql} {_ORDERED[how]} {_placeholder(choice, value)}"


def _counts(comparison: Comparison) -> bool:
    """Whether a count of 0 does not match the comparison."""
    how, value = comparison
    return (how is How.MORE) or (how in (How.IS, How.LEAST) and int(value) > 0)


def _placeholder(choice: Conditions, value: object) -> str:
    """Add a parameter with this value; returns its placeholder."""
    name = f"given_{len(choice.params)}"
    choice.params[name] = value
    return f":{name}"


def _moment(chosen: LaneFilter) -> int:
    if not chosen.at:  # without it, expired pauses would count as pauses, and every age would be 0
        raise ValueError("a filter by age or pause needs the time at which they are evaluated (at)")
    return chosen.at
