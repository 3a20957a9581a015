"""What chooses lanes, messages or events: the conditions of a filter.

``lanes.filters`` reads them from text and has their meaning in memory; ``lanes_storage.reads.choices`` has it in SQL.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from lanes_storage.law import Scope


class Subject(StrEnum):
    """What a filter chooses."""

    LANE = "lane"
    MESSAGE = "message"
    EVENT = "event"


class How(StrEnum):
    """How a value is compared with what stands in a filter."""

    IS = "is"
    FITS = "fits"  # a glob
    HAS = "has"  # as a part of it, in whatever case (of the letters of ASCII)
    MORE = "more"
    LESS = "less"
    LEAST = "least"
    MOST = "most"


class Comparison(NamedTuple):
    """One comparison. Of a moment it compares the age, in milliseconds."""

    how: How
    value: str | int


class Condition(NamedTuple):
    """The field passes one of the comparisons; ``negated``: none of them. A missing value passes none."""

    field: str
    any_of: tuple[Comparison, ...]
    negated: bool = False


class LaneFilter(NamedTuple):
    """Which lanes (``of``: or messages, or events) to list. Every condition that is given must hold.

    ``keys`` is an exact choice, and an empty one chooses nothing; ``abortable`` are lanes of which an abort with that
    scope would end something. ``at`` is the wall time from which ages are counted back, and at which pauses are judged:
    a desk takes the present moment where it is not given; a query that needs it refuses to go without.
    """

    conditions: tuple[Condition, ...] = ()
    keys: tuple[str, ...] | None = None
    abortable: Scope | None = None
    at: int = 0
    of: Subject = Subject.LANE

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.conditions and self.keys is None and self.abortable is None

    def only(self, keys: Iterable[str]) -> "LaneFilter":
        """The same, of these lanes only."""
        return self._replace(keys=tuple(key for key in keys if self.keys is None or key in self.keys))

    def where(self, field: str, how: How, value: str | int, *, negated: bool = False) -> "LaneFilter":
        """The same with one condition more."""
        return self._replace(conditions=(*self.conditions, Condition(field, (Comparison(how, value),), negated)))
