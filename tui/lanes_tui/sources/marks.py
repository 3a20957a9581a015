"""A lane that is marked for an action, as it was on the screen when it was marked."""

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
