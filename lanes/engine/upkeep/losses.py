"""Notices between two heartbeats that a lane was taken away (for example by force), so that its run stops soon."""

from collections.abc import Callable

from lanes.engine.background.loop import WriteFunction
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.upkeep.heartbeats import Heartbeats, lose
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader, Transaction

#: Seconds between two checks. A run that is missing in two checks is lost; in one, it may just have been released.
LOOK_EVERY_MS = 100


class Losses:
    """Compares the live runs of an owner with the database. For the upkeep's thread."""

    def __init__(self, write: WriteFunction, reader: Reader, heartbeats: Heartbeats, live: LiveSet) -> None:
        self._write = write
        self._reader = reader
        self._heartbeats = heartbeats
        self._live = live
        self._missing: set[int] = set()
        self._next_mono = 0
        self._version: int | None = None  # the version of the database at the last check

    def run_once(self, now: Now, version: int | None) -> None:
        """Stop the lost runs, if a check is due and the database has changed. Raises StorageError."""
        if now.mono < self._next_mono or (version == self._version and not self._missing):
            return
        self._next_mono = now.mono + LOOK_EVERY_MS
        missing = self._look()
        self._version = version  # only after everything was read
        for run in missing:
            if run.id in self._missing:
                lose(run)
        self._missing = {run.id for run in missing}

    def _look(self) -> list[ActiveRun]:
        owner = self._heartbeats.owner_id
        if not self._missing_in(lambda: self._reader.read(reads.runs_of_owner(owner))):
            return []

        def step(tx: Transaction) -> list[ActiveRun]:
            # read in the writer, after every claim that has committed
            return self._missing_in(lambda: doors.runs_of_owner(tx, owner))

        return self._write(step)

    def _missing_in(self, stored: Callable[[], frozenset[int]]) -> list[ActiveRun]:
        live = [run for run in self._live.holding() if not run.lost]
        runs = stored() if live else frozenset()
        return [run for run in live if run.id not in runs]
