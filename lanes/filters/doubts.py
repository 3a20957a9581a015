"""Words of a filter that may be a mistyped field or a part of a key: the existing keys decide."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from lanes.base.errors import LanesError, Unfit
from lanes.base.procedure import Effect, QueryBlock
from lanes.filters.fields import FIELDS
from lanes.filters.reading import FIELD, mistyped
from lanes.filters.spelling import resembling
from lanes_storage import reads
from lanes_storage.interface import Query, Reads
from lanes_storage.records import Condition, How, LaneFilter, Subject

T = TypeVar("T")


def doubts_of(params: Iterable[Any]) -> list[Condition]:
    """The doubtful words of all filters among these parameters."""
    return [doubt for param in params if isinstance(param, LaneFilter) for doubt in param.doubtful]


def unknown_fields(chosen: LaneFilter) -> list[Condition]:
    """The words that look like a field, but name no field and so are parts of a key."""
    return [each for each in chosen.conditions if not each.negated and named(each) is not None]


def named(condition: Condition) -> str | None:
    """The word before the colon in a part of a key, if it looks like a field but is none."""
    if condition.field != "key" or condition.any_of[0].how not in (How.HAS, How.FITS):
        return None
    field = FIELD.fullmatch(str(condition.any_of[0].value))
    return None if field is None or field[1].lower() in FIELDS else field[1]


def no_field(condition: Condition, of: Subject) -> str:
    """The sentence about an unknown field, where no lane has such a key either."""
    fields = " ".join(f"{name}:" for name in FIELDS if FIELDS[name].of(of))
    return f"no key has “{condition.any_of[0].value}”, and “{named(condition)}:” is not a field; these are: {fields}"


def sources_named(chosen: LaneFilter) -> list[str]:
    """The names of sources that a filter asks for. Such a name is no error: a source is known once it is watched."""
    asked = (each for each in chosen.conditions if each.field == "source" and not each.negated)
    return [str(word.value) for each in asked for word in each.any_of if word.how is How.IS]


def no_source(name: str, known: Sequence[str]) -> str:
    """The sentence about an unknown source, which suggests the most similar one."""
    suggestion = resembling(name, known)
    which = f"did you mean {suggestion}?" if suggestion else f"these are: {', '.join(known)}"
    return f"no source “{name}” is known; {which}"


def cleared(effect: Effect[T], doubts: Sequence[Condition]) -> Effect[T]:
    """A reading effect that first checks the doubtful words: if no lane has such a key, a field was mistyped, and the
    effect returns Unfit."""
    if not doubts:
        return effect
    assert isinstance(effect, Query | QueryBlock), "what takes a filter reads"

    def look(read: Reads) -> T | LanesError:
        for doubt in doubts:
            if not read(reads.lanes(LaneFilter((doubt._replace(negated=False),)), limit=1)):
                return Unfit(f"filter: {mistyped(doubt)}")
        return cast("T | LanesError", effect.look(read) if isinstance(effect, QueryBlock) else read(effect))

    return QueryBlock(look)
