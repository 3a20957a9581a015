"""Noticing between two heartbeats that others took a lane away, by force say, so that its run stops soon."""

from lanes.engine.heart import Heart, lose
from lanes.engine.live import ActiveRun, LiveSet
from lanes.engine.loop import Write
from lanes_storage import doors, reads
from lanes_storage.interface import Reader, Transaction
from lanes_storage.moment import Now

#: Between two looks. What is missing in two of them is lost; in one, its own release may just have been committed.
LOOK_EVERY_MS = 100


class Losses:
    """Compares the live runs of an owner with what it holds. Belongs to the upkeep's thread."""

    def __init__(self, write: Write, reader: Reader, heart: Heart, live: LiveSet) -> None:
        self._write = write
        self._reader = reader
        self._heart = heart
        self._live = live
        self._missing: set[int] = set()
        self._next_mono = 0
        self._version: int | None = None  # of the database, at the last look

    def run_once(self, now: Now, version: int | None) -> None:
        """Let go of the runs that are lost, when it is time to look and there is anything new. Raises StorageError."""
        if now.mono < self._next_mono or (version == self._version and not self._missing):
            return
        self._next_mono = now.mono + LOOK_EVERY_MS
        missing = self._look()
        self._version = version  # not before all of it was read
        for run in missing:
            if run.id in self._missing:
                lose(run)
        self._missing = {run.id for run in missing}

    def _look(self) -> list[ActiveRun]:
        owner, live = self._heart.owner_id, len(self._live.holding())
        if not live or self._reader.read(reads.count_open_runs(owner)) >= live:
            return []

        def step(tx: Transaction) -> list[ActiveRun]:
            # read in the writer, behind every claim that has committed
            standing = doors.standing_runs(tx, owner)
            return [run for run in self._live.holding() if not run.lost and run.id not in standing]

        return self._write(step)
