"""What a filter of lanes means: the part of WHERE that it adds, and the joins that this needs."""

import json
import re
from typing import NamedTuple

from lanes_storage.law import Scope
from lanes_storage.reads.orders import QUEUED
from lanes_storage.records import LaneFilter
from lanes_storage.wording import no_pause, unlisted

#: How ``lanes l`` is joined: its run, the run's owner and message, its head.
_JOINS = {
    "r": "LEFT JOIN runs r ON r.id = l.run_id",
    "o": "LEFT JOIN owners o ON o.id = r.owner_id",
    "rm": "LEFT JOIN messages rm ON rm.id = r.message_id",
    "hm": "LEFT JOIN messages hm ON hm.id = l.head_id",
}
_ALIAS = re.compile(r"\b([a-z]+)\.")

#: A lane that was made for one request is listed only until that has ended.
LISTED = f"NOT ({unlisted('l.')})"
_NO_PAUSE = f"({no_pause('l', ':at')})"

#: What an abort with a scope would end: a run, a head that ran before (requeued or parked), what waits.
_ABORTABLE = {
    Scope.RUN: "(l.run_id IS NOT NULL OR (l.head_id IS NOT NULL AND hm.started_at IS NOT NULL))",
    Scope.QUEUE: "l.head_id IS NOT NULL",
    Scope.BOTH: "(l.run_id IS NOT NULL OR l.head_id IS NOT NULL)",
}


class Choice(NamedTuple):
    """Conditions, each to be joined by AND, and their parameters."""

    conditions: list[str]
    params: dict[str, object]

    @property
    def where(self) -> str:
        """To be put behind another condition."""
        return "".join(f" AND {condition}" for condition in self.conditions)

    def table(self, *more: str) -> str:
        """``lanes l`` with the joins that the conditions and ``more`` expressions need, and no other."""
        names = set(_ALIAS.findall(" ".join((*self.conditions, *more))))
        if names & {"o", "rm"}:
            names.add("r")
        return " ".join(("lanes l", *(join for name, join in _JOINS.items() if name in names)))


def choice_of(chosen: LaneFilter) -> Choice:
    """The conditions of a filter. Values are only ever parameters."""
    choice = Choice([LISTED], {})
    _one_of(choice, "l.state", "state", chosen.states)
    if chosen.keys is not None:
        _given(choice, "l.key IN (SELECT value FROM json_each(:keys))", keys=json.dumps(chosen.keys))
    if chosen.abortable is not None:
        choice.conditions.append(_ABORTABLE[chosen.abortable])
    _given(choice, "l.key GLOB :match", match=chosen.match)
    for number, part in enumerate(chosen.contains):
        _given(choice, f"instr(lower(l.key), lower(:part_{number})) > 0", **{f"part_{number}": part})
    for number, part in enumerate(chosen.without):
        _given(choice, f"instr(lower(l.key), lower(:without_{number})) = 0", **{f"without_{number}": part})
    for number, part in enumerate(chosen.error):
        said = "lower(l.error_cause || ' ' || l.error_message)"
        _given(choice, f"instr({said}, lower(:error_{number})) > 0", **{f"error_{number}": part})
    _owner(choice, chosen.owner)
    _ages(choice, chosen)
    _queue(choice, chosen)
    if chosen.paused is not None:
        if not chosen.at:  # every pause that ever ended would count as one
            raise ValueError("a filter by pauses names the moment at which it judges them (at)")
        _given(choice, f"NOT {_NO_PAUSE}" if chosen.paused else _NO_PAUSE, at=chosen.at)
    return choice


def _owner(choice: Choice, owner: str | None) -> None:
    if owner is not None and owner.isdecimal() and len(owner) < 19:
        _given(choice, "(o.id = :owner OR o.pid = :owner)", owner=int(owner))
    else:
        _given(choice, "instr(lower(o.host || ':' || o.pid), lower(:owner)) > 0", owner=owner)


def _ages(choice: Choice, chosen: LaneFilter) -> None:
    _given(choice, "r.claimed_at <= :held_since", held_since=chosen.held_since)
    _given(choice, "r.claimed_at > :held_after", held_after=chosen.held_after)
    _given(choice, "hm.accepted_at <= :waits_since", waits_since=chosen.waits_since)
    _given(choice, "hm.accepted_at > :waits_after", waits_after=chosen.waits_after)
    _given(choice, "o.heartbeat_at <= :beat_since", beat_since=chosen.beat_since)
    _given(choice, "o.heartbeat_at > :beat_after", beat_after=chosen.beat_after)


def _queue(choice: Choice, chosen: LaneFilter) -> None:
    if chosen.queued_least:
        choice.conditions.append("l.head_id IS NOT NULL")  # what waits nowhere needs no counting
    _given(choice, f"{QUEUED} >= :queued_least", queued_least=chosen.queued_least)
    _given(choice, f"{QUEUED} <= :queued_most", queued_most=chosen.queued_most)


def _one_of(choice: Choice, column: str, name: str, values: tuple[str, ...]) -> None:
    if values:
        named = {f"{name}_{i}": value for i, value in enumerate(values)}
        choice.conditions.append(f"{column} IN ({', '.join(':' + each for each in named)})")
        choice.params.update(named)


def _given(choice: Choice, condition: str, **params: object) -> None:
    """Add a condition, if its parameter is given."""
    if all(value is not None for value in params.values()):
        choice.conditions.append(condition)
        choice.params.update(params)
