"""Filters of lanes, messages or events.

``lanes.filters`` parses them from text and evaluates them in memory; ``lanes_storage.reads.choices`` converts them to
SQL.
"""

from collections.abc import Iterable
from enum import StrEnum

from lanes_storage.law import Scope
from lanes_storage.tuples import NamedTuple


class Subject(StrEnum):
    """What a filter chooses."""

    LANE = "lane"
    MESSAGE = "message"
    EVENT = "event"


class How(StrEnum):
    """How a value is compared with the value in a filter."""

    IS = "is"
    FITS = "fits"  # a glob
    HAS = "has"  # as a substring, case-insensitive for ASCII letters
    MORE = "more"
    LESS = "less"
    LEAST = "least"
    MOST = "most"


class Comparison(NamedTuple):
    """One comparison. For a time it compares the age, in milliseconds."""

    how: How
    value: str | int


class Condition(NamedTuple):
    """The field matches one of the comparisons; ``negated``: none of them. A missing value matches none.

    ``resembles``: the field that was perhaps meant, if this is a part of a key that looks like a mistyped field. If no
    lane has such a key, it was mistyped.
    """

    field: str
    any_of: tuple[Comparison, ...]
    negated: bool = False
    resembles: str = ""


class LaneFilter(NamedTuple):
    """Which lanes (``of``: or messages, or events) to list. All given conditions must hold.

    ``keys`` selects exactly these lanes, and an empty value selects none; ``abortable`` selects lanes where an abort
    with that scope would end something. ``at`` is the wall time at which ages and pauses are evaluated: a desk uses
    the present time if it is not given; a query that needs it raises without it.
    """

    conditions: tuple[Condition, ...] = ()
    keys: tuple[str, ...] | None = None
    abortable: Scope | None = None
    at: int = 0
    of: Subject = Subject.LANE

    @property
    def everything(self) -> bool:
        """Whether the filter chooses everything."""
        return not self.conditions and self.keys is None and self.abortable is None

    @property
    def doubtful(self) -> tuple[Condition, ...]:
        """The conditions that may mean a key: only the existing keys decide that."""
        return tuple(condition for condition in self.conditions if condition.resembles)

    def only(self, keys: Iterable[str]) -> "LaneFilter":
        """This filter, limited to these lanes."""
        known = None if self.keys is None else frozenset(self.keys)
        return self._replace(keys=tuple(key for key in keys if known is None or key in known))

    def where(self, field: str, how: How, value: str | int, *, negated: bool = False) -> "LaneFilter":
        """This filter with one more condition."""
        return self._replace(conditions=(*self.conditions, Condition(field, (Comparison(how, value),), negated)))
