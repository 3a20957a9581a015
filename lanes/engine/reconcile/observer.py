"""One pass of the reconciler: read, decide, act. Works in any process, with or without a gateway in it."""

from collections.abc import Sequence
from dataclasses import replace

from lanes.engine.background.isolation import by_page
from lanes.engine.background.loop import WriteFunction
from lanes.engine.reconcile.reconciler import ACTING, ReconcileDecision, act, decide, without_dead_waits
from lanes.engine.reconcile.sightings import Sightings
from lanes.host.identity import this_process
from lanes_storage import reads
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import Reader, Reads, Transaction, carry_out
from lanes_storage.logs import Log
from lanes_storage.records import OwnerRow, Release, RunRow, Wait

log = Log("lanes.reconciler")

#: Findings per transaction, so that other writers get the lock in between.
PAGE = 256


class Observer:
    """Watches every owner of a database. For one thread. ``by``: the actor, as the journal names it.

    ``own``: the owner that it is part of; that owner's watchdog judges the runs that its heartbeats name.
    """

    def __init__(
        self,
        reader: Reader,
        write: WriteFunction,
        clock: Clock,
        *,
        by: str,
        interval_ms: int,
    ) -> None:
        self._reader = reader
        self._write = write
        self._clock = clock
        self.by = by
        self.own: int | None = None
        self._seen = Sightings(interval_ms)

    def look(self) -> list[ReconcileDecision]:
        """Read the database and decide, changing nothing. Raises StorageError."""
        now = self._clock()
        try:
            runs, owners, waits = self._reader.look(self._read)
        except StorageError:
            self.forget()
            raise
        me = this_process()
        runs, dead_waits = without_dead_waits(runs, waits, me)
        self._seen.look(owners, runs, now)
        return dead_waits + decide(owners, runs, self._seen, now, me)

    def _read(self, read: Reads) -> tuple[list[RunRow], list[OwnerRow], list[Wait]]:
        # runs first: an owner that is read later than its run can only look more recent
        runs, owners = read(reads.open_runs(self.own)), read(reads.owners())
        return runs, owners, read(reads.waits()) if any(run.waiting for run in runs) else []

    def act(self, findings: list[ReconcileDecision]) -> list[tuple[ReconcileDecision, bool]]:
        """Apply the findings; returns each with whether it took effect. Raises StorageError, TimeoutError.

        A finding that raises has no effect and does not affect the others.
        """
        due = [finding for finding in findings if finding.decision in ACTING]
        done: dict[int, bool] = {}

        def apply(page: Sequence[ReconcileDecision]) -> None:
            """The releases of a page are one set; findings about owners alone follow."""

            def step(tx: Transaction) -> list[Release | None]:
                now = self._clock()
                return carry_out(tx, [act(finding, now, by=self.by) for finding in page])

            for finding, release in zip(page, self._write(step), strict=True):
                done[id(finding)] = release is None or release.applied

        try:
            by_page(log, due, PAGE, apply, _named)
        except (StorageError, TimeoutError):
            self.forget()  # after a failed commit, old sightings must not be used
            raise
        return [(f, True) if done.get(id(f)) else (self._overtaken(f), False) for f in due]

    def forget(self) -> None:
        """Discard the sightings: there was a time in which the database could not be watched."""
        self._seen.forget()

    def run_once(self) -> list[tuple[ReconcileDecision, bool]]:
        return self.act(self.look())

    def _overtaken(self, finding: ReconcileDecision) -> ReconcileDecision:
        """A finding that came too late, with the present holder of the lane, which was left alone."""
        run = finding.run
        lane = None if run is None else self._reader.read(reads.lane(run.key))
        if run is None or lane is None:
            return finding
        now = f"run {lane.run.id} of owner {lane.run.owner_id} holds it" if lane.run else f"it is {lane.state}"
        was = f"run {run.id} of owner {run.owner_id}, epoch {run.epoch}"
        evidence = f"{finding.evidence} ({was}); left alone: now {now}, at epoch {lane.epoch}"
        return replace(finding, evidence=evidence)


def _named(finding: ReconcileDecision) -> str:
    about = finding.owner
    return f"lane {finding.run.key!a}" if finding.run is not None else f"owner {None if about is None else about.id}"
