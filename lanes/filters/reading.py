"""Parsing filters, and writing them as text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from lanes.base import durations
from lanes.base.errors import Unfit
from lanes.filters.fields import ALIASES, FIELDS, FieldKind
from lanes.filters.spelling import resembling
from lanes_storage.globs import is_glob
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import Comparison, Condition, How, LaneFilter, Subject

#: A longer filter is refused: each of its words is compared with every key.
MOST_CHARACTERS = 4_096
MOST_WORDS = 64
#: A filter with an error, which chooses nothing.
NOTHING = LaneFilter(keys=())

_WORD = re.compile(r'(?:[^\s"]|"(?:[^"]|"")*"?)+')
_QUOTED = re.compile(r'"((?:[^"]|"")*)"?')
FIELD = re.compile(r"([A-Za-z_-]+):(.*)", re.DOTALL)
_COMPARED = re.compile(r"(>=|<=|>|<|=|)(.*)", re.DOTALL)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_ORDERED = {">": How.MORE, ">=": How.LEAST, "<": How.LESS, "<=": How.MOST, "=": How.IS}
_WRITTEN = {how: sign for sign, how in _ORDERED.items()}
_YES_NO = {"yes": 1, "y": 1, "true": 1, "no": 0, "n": 0, "false": 0}
#: Words that lists show in place of a state, and the filters that find such lanes.
_NO_STATES = {"parked": "-state:running wait:>0s", "paused": "paused:yes"}
_STATES = {Subject.LANE: LaneState, Subject.MESSAGE: MessageState, Subject.EVENT: LaneState}


class Parsed(NamedTuple):
    """A filter that was read. With a ``problem``, a sentence for people, it chooses nothing."""

    chosen: LaneFilter
    problem: str | None = None


class _Problem(Exception):
    """An error in a word, with a sentence for people."""


def parse(typed: str, now: int, of: Subject = Subject.LANE) -> Parsed:
    """Parse a filter; its ages count back from wall time ``now``."""
    try:
        return Parsed(LaneFilter(tuple(_conditions(typed, of)), at=now, of=of))
    except _Problem as unclear:
        return Parsed(NOTHING._replace(of=of), str(unclear))


def understood(text: str, now: int) -> str:
    """The text of a filter without the words that are wrong or may be mistyped."""
    return " ".join(word for word in _WORD.findall(text[:MOST_CHARACTERS]) if typed(word, now).problem is None)


def chosen(typed: str, now: int, of: Subject = Subject.LANE) -> LaneFilter:
    """Parse a filter. Raises Unfit for an error, and for a word that may be a mistyped field."""
    parsed = parse(typed, now, of)
    problem = parsed.problem or next(map(mistyped, parsed.chosen.doubtful), None)
    if problem is not None:
        raise Unfit(f"filter: {problem}")
    return parsed.chosen


def typed(text: str, now: int) -> Parsed:
    """Parse a filter for a screen that applies it while it is typed, and cannot first look which keys exist.

    A word that may be a mistyped field counts as a part of a key, and the problem is returned too; a negated one makes
    the filter choose nothing.
    """
    parsed = parse(text, now)
    if not parsed.chosen.doubtful:
        return parsed
    problem = mistyped(parsed.chosen.doubtful[0])
    if any(doubt.negated for doubt in parsed.chosen.doubtful):
        return Parsed(NOTHING, problem)
    plain = tuple(condition._replace(resembles="") for condition in parsed.chosen.conditions)
    return Parsed(parsed.chosen._replace(conditions=plain), problem)


def mistyped(condition: Condition) -> str:
    """The sentence about a doubtful word where no lane has such a key, which names the field that was meant."""
    text = str(condition.any_of[0].value)
    return (
        f'no field “{text.partition(":")[0]}:”: did you mean “{condition.resembles}:”? A key stands in quotes: "{text}"'
    )


def written(chosen: LaneFilter) -> str:
    """A filter as text, without ``keys`` and ``abortable``."""
    return " ".join(map(_written, chosen.conditions))


def _conditions(typed: str, of: Subject) -> Iterator[Condition]:
    if len(typed) > MOST_CHARACTERS:
        raise _Problem(f"it has {len(typed)} characters; at most {MOST_CHARACTERS} are read")
    if _UNSTORABLE.search(typed):
        raise _Problem("it has a character that no text may contain")
    words = _WORD.findall(typed)
    if len(words) > MOST_WORDS:
        raise _Problem(f"it has {len(words)} words; at most {MOST_WORDS} are read")
    for word in words:
        yield _condition(word, of)


def _condition(word: str, of: Subject) -> Condition:
    negated = word[0] in "!-"
    rest = word[1:] if negated else word
    text = _QUOTED.sub(lambda match: match[1].replace('""', '"'), rest)
    if not text:
        raise _Problem(
            f"{word} is not a word" if rest else f"write {word} before what is to be left out, such as {word}cron"
        )
    field = None if rest.startswith('"') else FIELD.fullmatch(text)
    name = "" if field is None else field[1].lower()
    if field is None or name not in FIELDS:
        how = How.FITS if is_glob(text) and not rest.startswith('"') else How.HAS
        return Condition("key", (Comparison(how, text),), negated, (field and resembling(name, FIELDS)) or "")
    if not FIELDS[name].of(of):
        able = ", ".join(f"{other}:" for other in FIELDS if FIELDS[other].of(of))
        raise _Problem(f"{name}: is not a field of {'an' if of is Subject.EVENT else 'a'} {of}; these are: {able}")
    if not field[2]:
        raise _Problem(f"{name}: is followed by a value, such as {FIELDS[name].example}")
    return Condition(ALIASES.get(name, name), tuple(_comparisons(name, field[2], of)), negated)


def _comparisons(name: str, value: str, of: Subject) -> Iterator[Comparison]:
    match FIELDS[name].kind:
        case FieldKind.PART:
            yield _part(name, value)
        case FieldKind.WORD:
            yield from _words(name, value, of)
        case FieldKind.AGE:
            yield _age(name, value)
        case FieldKind.NUMBER:
            yield _number(name, value)
        case FieldKind.FLAG:
            if value.lower() not in _YES_NO:
                raise _Problem(f"{name}: is followed by yes or no")
            yield Comparison(How.IS, _YES_NO[value.lower()])


def _part(name: str, value: str) -> Comparison:
    if value.startswith("=") and len(value) > 1:
        return Comparison(How.IS, value[1:])
    if name == "owner" and value.isdecimal():  # a number is whole: a pid, or an owner's id
        return Comparison(How.IS, value)
    return Comparison(How.FITS if is_glob(value) else How.HAS, value)


def _words(name: str, value: str, of: Subject) -> Iterator[Comparison]:
    words = list(dict.fromkeys(word for word in value.split(",") if word))
    if not words or len(words) > MOST_WORDS:
        raise _Problem(f"{name}: is followed by 1 to {MOST_WORDS} words, such as {FIELDS[name].example}")
    for word in words:
        if name == "state":
            states = [state for state in _STATES[of] if state.startswith(word.lower())]
            if not states:
                instead = _NO_STATES.get(word.lower()) if of is Subject.LANE else None
                find = "" if instead is None else f"; {instead} finds those that are shown as {word.lower()}"
                raise _Problem(f"no state “{word}”: {', '.join(_STATES[of])}{find}")
            yield from (Comparison(How.IS, state.value) for state in states)
        else:
            known = word.lower() if name == "cause" else word
            yield Comparison(How.FITS if is_glob(known) else How.IS, known)


def _age(name: str, value: str) -> Comparison:
    sign, text = _compared(value)
    recent = name in ALIASES
    try:
        if sign == "=" or (recent and sign):
            raise ValueError
        age = durations.parse(text)
    except ValueError:
        raise _Problem(
            f"{name}:{value}: a duration must be a number and a unit, such as {FIELDS[name].example}"
        ) from None
    return Comparison(How.MOST if recent else _ORDERED.get(sign, How.LEAST), age)


def _number(name: str, value: str) -> Comparison:
    sign, text = _compared(value)
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _Problem(f"{name}:{value}: a number is missing, such as {FIELDS[name].example}")
    return Comparison(_ORDERED.get(sign, How.IS), int(text))


def _compared(value: str) -> tuple[str, str]:
    found = _COMPARED.fullmatch(value)
    assert found is not None, "either part may be empty"
    return found[1], found[2]


def _written(condition: Condition) -> str:
    negation, field = "-" if condition.negated else "", condition.field
    how, value = condition.any_of[0]
    kind = FIELDS[field].kind
    if condition.resembles:
        name, _, rest = str(value).partition(":")
        return f"{negation}{name}:{_quote(rest) if how is How.HAS else rest}"
    if field == "key" and how is How.HAS:
        return negation + _quote(str(value))
    if kind is FieldKind.WORD:
        text = _quote(",".join(str(comparison.value) for comparison in condition.any_of))
    elif kind is FieldKind.PART:
        text = _quote(("=" if how is How.IS else "") + str(value))
    elif kind is FieldKind.FLAG:
        text = "yes" if value else "no"
    else:
        text = f"{_WRITTEN[how]}{value}{'ms' if kind is FieldKind.AGE else ''}"
    return f"{negation}{field}:{text}"


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
