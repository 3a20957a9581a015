"""Watches that the path of the database still names the open file."""

from lanes.engine.runs.drains import cut
from lanes.engine.runs.liveset import LiveSet
from lanes_storage.clock import Now
from lanes_storage.errors import DatabaseReplaced
from lanes_storage.interface import AsyncStore
from lanes_storage.logs import Log

log = Log("lanes.upkeep")

#: The reason of the interruption of a run in that case.
LOST = "its gateway lost the file of its database"


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
                log.critical("nothing is accepted, claimed or told any more: %s: %s", error, error.fix)
            self._lost = True
            # their ends are stored once the right file is back, and their messages go back to their places
            cut(self._live, LOST, now)
            raise
        if self._lost:
            log.warning("the file of %s is back: everything goes on", self._store.name)
            self._lost = False
