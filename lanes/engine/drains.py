"""A drain: an owner claims nothing more, and what still runs at its end is cut.

It stands in the owner's row, so it is obeyed whoever committed it (this process at a signal, a command, another
surface), everyone can see it, and it ends with that row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lanes.engine.live import ActiveRun, LiveSet, Stop, StopKind
from lanes_storage.law import Cause
from lanes_storage.moment import Now

#: How long a run that was cut has to stop by itself before its lane is released without it.
CUT_GRACE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Drain:
    """An owner that claims nothing more: by whom, and until when (wall time, milliseconds) what runs may go on."""

    by: str
    until: int


def cut(live: LiveSet, why: str, now: Now) -> None:
    """Tell every live run to stop for a drain: its message goes to its place, uncounted, or ends by its policy.

    What has not stopped in its grace is released by force by the watchdog.
    """
    for run in live.all():
        cut_one(run, why, now)


def cut_one(run: ActiveRun, why: str, now: Now) -> None:
    """The same for one run."""
    run.order_stop(Stop(StopKind.DRAIN, Cause.DRAINED, why, CUT_GRACE_MS, now.mono))


class DrainWatch:
    """Follows the drain of one owner's row, and cuts at its end. Belongs to the upkeep's thread.

    ``obey`` is told each time that the drain begins, changes or is gone with its row.
    """

    def __init__(self, live: LiveSet, obey: Callable[[Drain | None], None]) -> None:
        self._live = live
        self._obey = obey
        self._drain: Drain | None = None
        self._cut_at: int | None = None  # on this process's own monotonic clock

    def look(self, row: tuple[str, int, int] | None, now: Now) -> None:
        """Take note of what the row says: by whom, since when and until when, or None."""
        drain = None if row is None else Drain(row[0], row[2])
        if drain == self._drain:
            return
        # the row's two times give a duration, which holds although clocks differ or jump
        self._cut_at = None if row is None else now.mono + max(0, row[2] - row[1])
        self._drain = drain
        self._obey(drain)

    def over(self, now: Now) -> bool:
        """Whether there is a drain, and its time has passed."""
        return self._cut_at is not None and now.mono >= self._cut_at

    def cut_when_over(self, now: Now) -> None:
        """Cut what still runs once the time of the drain has passed."""
        if self._drain is not None and self.over(now):
            cut(self._live, f"its gateway was drained by {self._drain.by}", now)
