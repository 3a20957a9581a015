"""Upkeep: a thread beside the event loop, so that a runner which blocks the loop stops none of this.

Every tick it looks whether the database changed (a new message: wake the dispatcher; an abort: stop the run),
lets the watchdog judge the runs of this process, and, each at its own interval, beats and reconciles.
"""

import logging
import threading
from collections.abc import Callable

from lanes.engine.drains import Drain, DrainWatch
from lanes.engine.live import ActiveRun, LiveSet, Stop, StopKind
from lanes.engine.observer import Observer
from lanes.engine.reconciler import Finding
from lanes.engine.watchdog import Verdict, judge
from lanes_storage import doors, reads
from lanes_storage.doors import Evidence
from lanes_storage.errors import StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, Reader, Transaction
from lanes_storage.moment import Clock, Now
from lanes_storage.records import Failure, NewOwner, Release

log = logging.getLogger("lanes.upkeep")

#: Between two looks at the version of the database.
TICK_S = 0.02
#: A tick that comes this much late was suspended: what it did not see is not held against anyone.
LATE_MS = 2_000
#: How long one write of the upkeep may take before the tick goes on without its answer.
PATIENCE_S = 10.0


class Upkeep:
    """The upkeep of one owner. ``start`` from the event loop; ``stop`` from anywhere but its own thread."""

    def __init__(
        self,
        store: AsyncStore,
        clock: Clock,
        new_owner: NewOwner,
        owner_id: int,
        live: LiveSet,
        *,
        reconcile_interval_ms: int,
        changed: Callable[[], None],
        drained: Callable[[Drain | None], None],
        reconciled: Callable[[list[tuple[Finding, bool]]], None],
    ) -> None:
        self.owner_id = owner_id
        self.ticked_at = clock().mono
        self._store = store
        self._clock = clock
        self._new_owner = new_owner
        self._live = live
        self._reconcile_interval_ms = reconcile_interval_ms
        self._changed = changed
        self._reconciled = reconciled
        self._drain = DrainWatch(live, drained)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lanes-upkeep", daemon=True)
        self._version: int | None = None
        self._next_beat = clock().mono + new_owner.heartbeat_interval_ms
        self._next_pass = clock().mono
        self._judged_from_boot = clock().boot
        self._complained_at: int | None = None

    @property
    def by(self) -> str:
        """This owner as the journal names it."""
        return f"owner:{self.owner_id}"

    def start(self) -> None:
        """Begin. The first reconcile pass comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present tick."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        reader = self._store.reader()
        observer = Observer(
            reader,
            lambda step: self._store.write_blocking(step, PATIENCE_S),
            self._clock,
            by=self.by,
            interval_ms=self._reconcile_interval_ms,
        )
        try:
            while not self._stopping.wait(TICK_S):
                try:
                    self._tick(observer, reader)
                except StoreClosed:
                    return
                except (StorageError, TimeoutError) as error:
                    self._complain(error)
                except Exception:
                    log.exception("upkeep of %s failed; it goes on", self.by)
        finally:
            reader.close()

    def _tick(self, observer: Observer, reader: Reader) -> None:
        now, version = self._clock(), reader.version()
        if now.mono - self.ticked_at > LATE_MS:
            log.warning("the upkeep was suspended for %.1f s", (now.mono - self.ticked_at) / 1000)
            self._judged_from_boot = now.boot
            self._next_beat = now.mono  # tell everyone, and find out what was lost, before judging anyone
        self.ticked_at = now.mono
        if now.mono >= self._next_beat:
            self._beat(now)
        if version != self._version:
            self._version = version
            self._follow_orders(reader, now)
            self._changed()
        self._drain.cut_when_over(now)
        self._watch(now)
        if now.mono >= self._next_pass:
            self._next_pass = now.mono + self._reconcile_interval_ms
            self._reconciled(observer.run_once())

    # ------------------------------------------------------------------------------- heartbeats

    def _beat(self, now: Now) -> None:
        def step(tx: Transaction) -> list[int] | None:
            # read in the writer, behind every claim that has committed
            lost = doors.heartbeat(tx, self.owner_id, self._live.beats(), now)
            return None if lost is None else [ticket.run_id for ticket in lost]

        lost = self._store.write_blocking(step, PATIENCE_S)
        self._next_beat = now.mono + self._new_owner.heartbeat_interval_ms
        if lost is None:
            self._register_anew(now)
            return
        for run_id in lost:
            self._lose(self._live.get(run_id))

    def _register_anew(self, now: Now) -> None:
        """Others took this process for dead while it was suspended: its runs are lost, and it goes on."""
        before = self.owner_id
        self.owner_id = self._store.write_blocking(lambda tx: doors.register(tx, self._new_owner, now), PATIENCE_S)
        log.warning(
            "owner %d was given up by others while this process was silent; it is owner %d now", before, self.owner_id
        )
        for run in self._live.all():
            if run.owner_id == before:
                self._lose(run)

    def _lose(self, run: ActiveRun | None) -> None:
        if run is not None and not run.lost:
            log.warning("run %d of lane %s has lost its lane", run.id, ascii(run.key))
            run.lose()

    # ----------------------------------------------------------------------------------- orders

    def _follow_orders(self, reader: Reader, now: Now) -> None:
        """Obey the drain of this owner's row, and stop the runs whose abort was requested, by whichever process."""
        self._drain.look(reader.read(reads.drain_of_owner(self.owner_id)), now)
        if not len(self._live):
            return
        for ticket, cause, grace_ms in reader.read(reads.aborts_of_owner(self.owner_id)):
            run = self._live.get(ticket.run_id)
            if run is None:
                continue
            run.order_stop(Stop(StopKind.ABORT, cause, "aborted", grace_ms, now.boot))
            run.hurry(grace_ms)
        waiting = reader.read(reads.waiting_of_owner(self.owner_id))
        for run in self._live.all():
            run.set_waiting(run.id in waiting)

    # --------------------------------------------------------------------------------- watchdog

    def _watch(self, now: Now) -> None:
        for run in self._live.all():
            judgement = judge(run, now, self._judged_from_boot)
            if judgement.verdict is Verdict.STOP and judgement.stop is not None:
                log.warning("run %d of lane %s: %s", run.id, ascii(run.key), judgement.stop.message)
                run.order_stop(judgement.stop)
            elif judgement.verdict is Verdict.FORCE and not run.lost:
                self._force(run, now)

    def _force(self, run: ActiveRun, now: Now) -> None:
        """The run has not stopped in its grace: release its lane without it."""
        stop = run.stop
        assert stop is not None

        def step(tx: Transaction) -> Release:
            if stop.kind is StopKind.ABORT:
                return doors.abort(tx, run.ticket, now, by=self.by, forced=True)
            failure = Failure(stop.cause, stop.message)
            if stop.kind is StopKind.DRAIN:
                return doors.reclaim(tx, run.ticket, failure, now, by=self.by, evidence=Evidence())
            return doors.expire(tx, run.ticket, failure, now, by=self.by, forced=True)

        self._store.write_blocking(step, PATIENCE_S)
        self._lose(run)

    def _complain(self, error: Exception) -> None:
        """At most one line in five seconds: a database that refuses does so at every tick."""
        now = self._clock().mono
        if self._complained_at is None or now - self._complained_at > 5_000:
            self._complained_at = now
            log.warning("upkeep of %s: %s", self.by, error)
