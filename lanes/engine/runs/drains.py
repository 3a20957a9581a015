"""A drain: an owner claims nothing more, and runs that remain at its end are interrupted.

It is stored in the owner's row. So it works no matter which process committed it (this one at a signal, a command, or
an API call), everyone can see it, and it ends with that row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import Stop, StopKind
from lanes_storage.clock import Now
from lanes_storage.law import Cause

#: How long an interrupted run may take to stop before its lane is released by force.
CUT_GRACE_MS = 1_000


@dataclass(frozen=True, slots=True)
class OwnerDrain:
    """A drain of an owner: who requested it, and until when (wall time, milliseconds) its runs may continue."""

    by: str
    until: int


def cut(live: LiveSet, why: str, now: Now) -> None:
    """Stop every live run for a drain: its message goes back to its place, uncounted, or ends, by its policy.

    The watchdog releases by force the lanes of runs that do not stop within their grace.
    """
    for run in live.all():
        cut_one(run, why, now)


def cut_one(run: ActiveRun, why: str, now: Now) -> None:
    """``cut`` for one run."""
    run.order_stop(Stop(StopKind.DRAIN, Cause.DRAINED, why, CUT_GRACE_MS, now.mono))


class DrainWatch:
    """Follows the drain in one owner's row, and interrupts the runs at its end. For the upkeep's thread.

    ``obey`` is called whenever the drain begins, changes or is gone with its row.
    """

    def __init__(self, live: LiveSet, obey: Callable[[OwnerDrain | None], None]) -> None:
        self._live = live
        self._obey = obey
        self._drain: OwnerDrain | None = None
        self._cut_at: int | None = None  # by the monotonic clock of this process

    def look(self, row: tuple[str, int, int] | None, now: Now) -> None:
        """Process the value of the row: by whom, since when and until when, or None."""
        drain = None if row is None else OwnerDrain(row[0], row[2])
        if drain == self._drain:
            return
        # the difference of the row's two times is a duration, which stays correct if clocks differ or jump
        self._cut_at = None if row is None else now.mono + max(0, row[2] - row[1])
        self._drain = drain
        self._obey(drain)

    def over(self, now: Now) -> bool:
        """Whether there is a drain, and its time has passed."""
        return self._cut_at is not None and now.mono >= self._cut_at

    def cut_when_over(self, now: Now) -> None:
        """Interrupt the remaining runs once the time of the drain has passed."""
        if self._drain is not None and self.over(now):
            cut(self._live, f"its gateway was drained by {self._drain.by}", now)
