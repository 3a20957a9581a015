"""Words of a filter that may be a mistyped field or a part of a key: the keys that there are tell which."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from lanes.base.errors import LanesError, Unfit
from lanes.base.procedure import Effect, QueryBlock
from lanes.filters.reading import mistyped
from lanes_storage import reads
from lanes_storage.interface import Query, Reads
from lanes_storage.records import Condition, LaneFilter

T = TypeVar("T")


def doubts_of(params: Iterable[Any]) -> list[Condition]:
    """The doubtful words of all filters among these parameters."""
    return [doubt for param in params if isinstance(param, LaneFilter) for doubt in param.doubtful]


def cleared(effect: Effect[T], doubts: Sequence[Condition]) -> Effect[T]:
    """The effect, which reads; an error in its place where no lane has such a key, so that a field was mistyped."""
    if not doubts:
        return effect
    assert isinstance(effect, Query | QueryBlock), "what takes a filter reads"

    def look(read: Reads) -> T | LanesError:
        for doubt in doubts:
            if not read(reads.lanes(LaneFilter((doubt._replace(negated=False),)), limit=1)):
                return Unfit(f"filter: {mistyped(doubt)}")
        return cast("T | LanesError", effect.look(read) if isinstance(effect, QueryBlock) else read(effect))

    return QueryBlock(look)
