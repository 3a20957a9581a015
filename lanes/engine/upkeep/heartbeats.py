"""Heartbeats: they prove that the process is alive, and name every run that it holds. Between two of them, lanes that
were taken away (for example by force) are noticed, so that their runs stop soon."""

from collections.abc import Callable

from lanes.engine.background.loop import WriteFunction
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader, Transaction, within
from lanes_storage.logs import Log
from lanes_storage.records import Beat, NewOwner

log = Log("lanes.upkeep")

#: Milliseconds between two checks: for attempts that have changed, and for runs that are missing in the database. A run
#: that is missing twice is lost; once, it may just have been released.
LOOK_EVERY_MS = 100


class Heartbeats:
    """Sends the heartbeats of one owner. For the upkeep's thread; ``owner_id`` and ``beaten_mono`` may be read from
    any.

    ``beaten_mono``: when the last committed heartbeat began, by the monotonic clock.
    """

    def __init__(self, write: WriteFunction, new_owner: NewOwner, owner_id: int, live: LiveSet, now: Now) -> None:
        self.owner_id = owner_id
        self.beaten_mono = now.mono
        self._write = write
        self._new_owner = new_owner
        self._live = live
        self._next_mono = now.mono + new_owner.heartbeat_interval_ms
        self._written: dict[int, Beat] = {}  # by the last heartbeat, of the runs whose rows were not written since

    @property
    def by(self) -> str:
        """The name of this owner in the journal."""
        return f"owner:{self.owner_id}"

    def hurry(self) -> None:
        """Send a heartbeat in the next round, before any run is judged."""
        self._next_mono = 0

    def beat_when_due(self, now: Now) -> None:
        """Send a heartbeat, and stop the runs that have lost their lanes. Raises StorageError, TimeoutError."""
        if now.mono < self._next_mono:
            return

        # a heartbeat that fails may still be committed: the next one writes everything
        written, self._written = self._written, {}

        def step(tx: Transaction) -> tuple[list[int] | None, list[ActiveRun], dict[int, Beat]]:
            # read in the writer, after every claim that has committed
            named = self._live.holding()
            beats = {run.id: run.beat() for run in named}
            unchanged = {run_id for run_id, beat in beats.items() if written.get(run_id) == beat}
            lost = doors.heartbeat(self.owner_id, [*beats.values()], now, unchanged)(tx)
            return None if lost is None else [ticket.run_id for ticket in lost], named, beats

        lost, named, self._written = self._write(step)
        if lost is None:
            self._register_again(now)
        self.beaten_mono = now.mono
        self._next_mono = now.mono + self._new_owner.heartbeat_interval_ms
        for run in named:
            run.note_shown()
        for run in self._live.among(lost or ()):
            lose(run)

    def show_new(self, now: Now) -> None:
        """Store between two heartbeats the attempts that have lasted for a while; short ones cost nothing.

        Raises StorageError, TimeoutError.
        """
        new = self._live.unseen(now)
        if not new:
            return
        for run in new:
            self._written.pop(run.id, None)
        self._write(lambda tx: doors.note_progress(tx, self.owner_id, [run.beat() for run in new]))
        for run in new:
            run.note_shown()

    def _register_again(self, now: Now) -> None:
        """Other processes declared this one dead while it was suspended: its runs are lost, and it registers again."""
        before = self.owner_id
        self.owner_id = self._write(lambda tx: doors.register(tx, self._new_owner, now))
        log.warning(
            "owner %d was given up by others while this process was silent; this process is now owner %d",
            before,
            self.owner_id,
        )
        for run in self._live.all():
            if run.owner_id == before:
                lose(run)


def lose(run: ActiveRun) -> None:
    """Stop a run whose lane was taken away. A run whose own release is stored has lost nothing."""
    if not (run.lost or run.released):
        log.warning("%s has lost its lane", run.named)
        run.lose()


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
            return self._missing_in(lambda: within(tx, reads.runs_of_owner(owner)))

        return self._write(step)

    def _missing_in(self, stored: Callable[[], frozenset[int]]) -> list[ActiveRun]:
        live = [run for run in self._live.holding() if not run.lost]
        runs = stored() if live else frozenset()
        return [run for run in live if run.id not in runs]
