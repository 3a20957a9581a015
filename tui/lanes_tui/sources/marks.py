"""The lanes that are marked for an action, each as it was on the screen when it was marked."""

from collections.abc import Iterable
from typing import NamedTuple

from lanes.records import Lane
from lanes_storage.law import LaneState

#: The most lanes that can be marked: more are probably a mistake, and an action on them would take too long.
MOST = 10_000


class MarkedLane(NamedTuple):
    """A lane as it was when somebody chose it for an action: what has moved on since is left alone."""

    key: str
    epoch: int
    state: LaneState

    @classmethod
    def of(cls, lane: Lane) -> "MarkedLane":
        """The lane as it is on the screen."""
        return cls(lane.key, lane.epoch, lane.state)


class Marks:
    """Marked lanes by key, in the order in which they were marked."""

    def __init__(self) -> None:
        self._marks: dict[str, MarkedLane] = {}

    def __len__(self) -> int:
        return len(self._marks)

    def __contains__(self, key: object) -> bool:
        return key in self._marks

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all."""
        return tuple(self._marks)

    @property
    def all(self) -> list[MarkedLane]:
        """All of them."""
        return list(self._marks.values())

    def toggle(self, mark: MarkedLane) -> None:
        """Mark a lane, or remove its mark."""
        if self._marks.pop(mark.key, None) is None:
            self._marks[mark.key] = mark

    def add(self, marks: Iterable[MarkedLane]) -> None:
        """Mark these lanes; marked ones get a new mark."""
        self._marks |= {mark.key: mark for mark in marks}

    def invert(self, marks: Iterable[MarkedLane]) -> None:
        """Mark those of these lanes that are not marked, and no other of them."""
        for mark in marks:
            self.toggle(mark)

    def drop(self, keys: Iterable[str]) -> None:
        """Remove the marks of these lanes."""
        for key in keys:
            self._marks.pop(key, None)

    def clear(self) -> None:
        """Remove every mark."""
        self._marks.clear()
