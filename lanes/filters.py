"""The filter language, as people type it: ``state:errored,running held:>5m feishu -cron``.

Terms stand side by side, and a lane has to fulfil them all. A bare word is a part of the key; what the fields mean
is said in ``FIELDS``. A word in double quotes is taken as it is, spaces and colons too; ``-`` before a word means a
part that the key must not have. Nothing typed is an error: a term that is not understood yet chooses nothing away,
and the problem is told beside it.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from lanes.config import durations
from lanes_storage.law import LaneState
from lanes_storage.records import LaneFilter

#: What can be said, for help and hints: an example of each field and what it means.
FIELDS = {
    "state": ("state:errored,running", "in one of these states; a beginning is enough"),
    "key": ("key:agent:*:feishu:*", "the whole key fits the pattern; without * it is a part of it"),
    "owner": ("owner:gw-2", "held by an owner of that host, host:pid, pid or id"),
    "held": ("held:>5m", "held for longer than that (held:<5m: not as long)"),
    "wait": ("wait:>1m", "the first message has waited for longer"),
    "beat": ("beat:>30s", "the owner's last heartbeat is older"),
    "queue": ("queue:>3", "more messages wait (also <, >=, <=, or a number)"),
    "error": ("error:timeout", "a part of the last error, cause or text"),
    "paused": ("paused:yes", "claims nothing until it is resumed"),
}

#: A longer filter is not read to its end: nobody types one, and each word of it is looked for in every key.
MOST_CHARACTERS = 4_096
MOST_WORDS = 64

_TERM = re.compile(r'-?(?:[^\s"]*"[^"]*"?|[^\s"]+)+')
_FIELD = re.compile(r"([A-Za-z]+):(.*)", re.DOTALL)
_COMPARED = re.compile(r"(>=|<=|>|<|)(.*)", re.DOTALL)
_YES_NO = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


class Parsed(NamedTuple):
    """What a typed filter means at one moment, and what in it means nothing."""

    chosen: LaneFilter
    problem: str | None = None


class _Problem(Exception):
    """A term that is not understood, with a sentence for a person."""


@dataclass(slots=True)
class _Reading:
    """A filter that is being read, at wall time ``now``."""

    now: int
    chosen: LaneFilter

    def add(self, **changes: Any) -> None:
        self.chosen = self.chosen._replace(**changes)


def parse(typed: str, now: int) -> Parsed:
    """Read a filter; ages in it are counted back from wall time ``now``."""
    reading = _Reading(now, LaneFilter())
    problem = _too_long(typed)
    for found in islice(_TERM.finditer(typed[:MOST_CHARACTERS]), MOST_WORDS):
        term = found[0]
        try:
            _read(reading, term)
        except _Problem as unclear:
            problem = problem or str(unclear)
    return Parsed(reading.chosen, problem)


def _too_long(typed: str) -> str | None:
    """What is said of a filter of which only the beginning counts."""
    if len(typed) > MOST_CHARACTERS:
        return f"it has {len(typed)} characters; at most {MOST_CHARACTERS} are read"
    words = sum(1 for _ in _TERM.finditer(typed))
    return f"it has {words} words; at most {MOST_WORDS} are read" if words > MOST_WORDS else None


def quoted(key: str) -> str:
    """A term that chooses keys with exactly this part."""
    return key if _is_plain(key) else '"' + key.replace('"', "") + '"'


def only(chosen: LaneFilter, keys: Iterable[str]) -> LaneFilter:
    """The same filter, for these lanes only."""
    return chosen._replace(keys=tuple(keys))


def written(chosen: LaneFilter, now: int) -> str:
    """A filter as somebody could have typed it at wall time ``now``; the choice of ``keys`` is not part of it."""
    terms = [f"state:{','.join(chosen.states)}"] if chosen.states else []
    terms += [f'key:"{chosen.match}"'] if chosen.match is not None else []
    terms += [f'"{part}"' for part in chosen.contains]
    terms += [f'-"{part}"' for part in chosen.without]
    terms += [f'owner:"{chosen.owner}"'] if chosen.owner is not None else []
    terms += [f'error:"{part}"' for part in chosen.error]
    for name, since, after in (
        ("held", chosen.held_since, chosen.held_after),
        ("wait", chosen.waits_since, chosen.waits_after),
        ("beat", chosen.beat_since, chosen.beat_after),
    ):
        terms += [f"{name}:>{now - since}ms"] if since is not None else []
        terms += [f"{name}:<{now - after}ms"] if after is not None else []
    terms += [f"queue:>={chosen.queued_least}"] if chosen.queued_least is not None else []
    terms += [f"queue:<{chosen.queued_most + 1}"] if chosen.queued_most is not None else []
    terms += [f"paused:{'yes' if chosen.paused else 'no'}"] if chosen.paused is not None else []
    return " ".join(terms)


def _is_plain(key: str) -> bool:
    field = _FIELD.fullmatch(key)
    return not re.search(r'[\s"]', key) and not key.startswith("-") and (field is None or field[1] not in FIELDS)


def _read(reading: _Reading, term: str) -> None:
    excluded = term.startswith("-") and len(term) > 1
    word = term[1:] if excluded else term
    plain = word.replace('"', "")
    field = None if word.startswith('"') else _FIELD.fullmatch(plain)
    name = "" if field is None else field[1].lower()
    if field is None or name not in FIELDS:
        if plain and plain != "-":
            kind = "without" if excluded else "contains"
            reading.add(**{kind: (*getattr(reading.chosen, kind), plain)})
        if name and (meant := difflib.get_close_matches(name, FIELDS, 1, 0.75)):
            raise _Problem(f"no field “{name}:” — did you mean {meant[0]}:?")
        return
    if excluded:
        raise _Problem(f"-{name}: only a part of the key can be excluded")
    if not field[2]:
        raise _Problem(f"{name}: is followed by a value, such as {FIELDS[name][0]}")
    _READERS[name](reading, field[2])


def _state(reading: _Reading, value: str) -> None:
    words = [word for word in value.lower().split(",") if word]
    states = [state for word in words for state in LaneState if state.startswith(word)]
    reading.add(states=tuple(dict.fromkeys((*reading.chosen.states, *states))))
    for word in words:
        if not any(state.startswith(word) for state in LaneState):
            raise _Problem(f"no state “{word}”: {', '.join(LaneState)}")


def _key(reading: _Reading, value: str) -> None:
    if not re.search(r"[*?\[]", value):
        reading.add(contains=(*reading.chosen.contains, value))
    elif reading.chosen.match is None:
        reading.add(match=value)
    else:
        raise _Problem("key: only one pattern with * can be given")


def _owner(reading: _Reading, value: str) -> None:
    reading.add(owner=value)


def _error(reading: _Reading, value: str) -> None:
    reading.add(error=(*reading.chosen.error, value))


def _paused(reading: _Reading, value: str) -> None:
    if value.lower() not in _YES_NO:
        raise _Problem("paused: is followed by yes or no")
    reading.add(paused=_YES_NO[value.lower()], at=reading.now)


def _age(name: str, since: str, after: str) -> "Callable[[_Reading, str], None]":
    """A reader of an age: older goes to the field ``since``, younger to ``after``."""

    def read(reading: _Reading, value: str) -> None:
        compared = _COMPARED.fullmatch(value)
        assert compared is not None
        try:
            moment = reading.now - durations.parse(compared[2])
        except ValueError:
            example = FIELDS[name][0]
            raise _Problem(f"{name}:{value}: a duration is a number and a unit, such as {example}") from None
        reading.add(**{after if compared[1].startswith("<") else since: moment}, at=reading.now)

    return read


def _queue(reading: _Reading, value: str) -> None:
    compared = _COMPARED.fullmatch(value)
    assert compared is not None
    if not re.fullmatch("[0-9]{1,9}", compared[2]):
        raise _Problem(f"queue:{value}: a number is missing, such as queue:>3")
    number = int(compared[2])
    match compared[1]:
        case ">":
            reading.add(queued_least=number + 1)
        case ">=":
            reading.add(queued_least=number)
        case "<":
            reading.add(queued_most=number - 1)
        case "<=":
            reading.add(queued_most=number)
        case _:
            reading.add(queued_least=number, queued_most=number)


_READERS: dict[str, "Callable[[_Reading, str], None]"] = {
    "state": _state,
    "key": _key,
    "owner": _owner,
    "held": _age("held", "held_since", "held_after"),
    "wait": _age("wait", "waits_since", "waits_after"),
    "beat": _age("beat", "beat_since", "beat_after"),
    "queue": _queue,
    "error": _error,
    "paused": _paused,
}
