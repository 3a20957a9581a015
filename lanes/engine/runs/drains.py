"""What interrupts the runs of an owner: a drain, and the loss of its database file.

A drain: the owner claims nothing more, and runs that remain at its end are interrupted. It is stored in the owner's
row. So it works no matter which process committed it (this one at a signal, a command, or an API call), everyone can
see it, and it ends with that row.
"""

from collections.abc import Callable

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import Stop, StopKind
from lanes.records import Drain
from lanes_storage.clock import Now
from lanes_storage.errors import DatabaseReplaced
from lanes_storage.interface import AsyncStore
from lanes_storage.law import Cause
from lanes_storage.logs import Log

log = Log("lanes.upkeep")

#: How long an interrupted run may take to stop before its lane is released by force.
CUT_GRACE_MS = 1_000
#: The reason for an interruption by the loss of the database file.
LOST = "its gateway lost the file of its database"


def cut(live: LiveSet, reason: str, now: Now) -> None:
    """Stop every live run for a drain: its message goes back to its place, uncounted, or ends, by its policy.

    The watchdog releases by force the lanes of runs that do not stop within their grace.
    """
    for run in live.all():
        cut_one(run, reason, now)


def cut_one(run: ActiveRun, reason: str, now: Now) -> None:
    """``cut`` for one run."""
    run.order_stop(Stop(StopKind.DRAIN, Cause.DRAINED, reason, CUT_GRACE_MS, now.mono))


class DrainWatch:
    """Follows the drain in one owner's row, and interrupts the runs at its end. For the upkeep's thread.

    ``obey`` is called whenever the drain begins, changes or is gone with its row.
    """

    def __init__(self, live: LiveSet, obey: Callable[[Drain | None], None]) -> None:
        self._live = live
        self._obey = obey
        self._drain: Drain | None = None
        self._cut_at: int | None = None  # by the monotonic clock of this process

    def look(self, row: tuple[str, int, int] | None, now: Now) -> None:
        """Process the value of the row: by whom, since when and until when, or None."""
        drain = None if row is None else Drain(row[0], row[2])
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


class FileWatch:
    """Stops the runs of an owner when its database was deleted, moved away or replaced: another process may hold their
    lanes in the file that is there now. For the upkeep's thread.
    """

    def __init__(self, store: AsyncStore, live: LiveSet) -> None:
        self._store = store
        self._live = live
        self._lost = False

    def run_once(self, now: Now) -> None:
        """Check the file. Raises DatabaseReplaced while the path names another file, so that nothing else is done in
        that round."""
        try:
            self._store.check()
        except DatabaseReplaced as error:
            if not self._lost:
                log.critical("nothing is accepted, claimed or reported any more: %s: %s", error, error.fix)
            self._lost = True
            # their ends are stored once the right file is back, and their messages go back to their places
            cut(self._live, LOST, now)
            raise
        if self._lost:
            log.warning("the file of %s is back: everything goes on", self._store.name)
            self._lost = False
