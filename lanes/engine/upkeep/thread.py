"""Upkeep: a thread beside the event loop, so that a runner that blocks the loop does not stop it.

In every round it judges the runs of this process, sends a heartbeat, checks whether the database changed (a new
message: wake the dispatcher; an abort or a drain: stop runs), reconciles, and warns, each when it is due. A commit of
any process starts a round (``background.inotify``), in which little else is due; without commits there are ten rounds a
second.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from lanes.engine.background.inotify import pause_on
from lanes.engine.background.isolation import by_page, isolated
from lanes.engine.background.loop import Duty, Loop, Pulse, every
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import ReconcileDecision
from lanes.engine.reconcile.survivors import SurvivorWatch
from lanes.engine.runs.drains import DrainWatch, FileWatch
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.upkeep.agenda import Agenda
from lanes.engine.upkeep.alarms import LOOK_AT_HEADS_MS, HeldAlarms, WaitAlarms
from lanes.engine.upkeep.due import LOOK_MS, settle_due
from lanes.engine.upkeep.heartbeats import LOOK_EVERY_MS, Heartbeats, Losses, lose
from lanes.engine.upkeep.watchdog import is_stubborn, judge, look_again_at
from lanes.records import Drain
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.interface import AsyncStore, Reader, Step, Transaction, carry_out
from lanes_storage.law import Cause
from lanes_storage.logs import Log
from lanes_storage.records import NewOwner, OwnerOrders

log = Log("lanes.upkeep")
T = TypeVar("T")

#: A round that is this late was suspended: unobserved time must not count against any run or owner.
LATE_MS = 2_000
#: Milliseconds between two attempts to judge a run whose judgement raised.
JUDGE_AGAIN_MS = 1_000
#: Forced releases per transaction, so that other writers get the lock in between.
PAGE = 64


class Upkeep(Loop):
    """The upkeep of one owner. ``start`` from the event loop; ``stop`` from anywhere but its own thread.

    ``changed``, ``drained`` and ``reconciled`` are called in its thread. ``wait_patience_ms`` returns
    ``warn_wait_after`` of a key; None: other processes warn about waiting heads. Once ``abandoned`` returns True,
    nothing can run here any more: it gives up the lanes, calls ``gave_up`` and ends.
    """

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
        reconciled: Callable[[list[tuple[ReconcileDecision, bool]]], None],
        wait_patience_ms: Callable[[str], int] | None,
        abandoned: Callable[[], bool],
        gave_up: Callable[[], None],
    ) -> None:
        now = clock()
        pause, self._longest_s = pause_on(store.changes_file, self._anything_new)
        super().__init__("upkeep", store, clock, pause)
        self.pulse = Pulse(clock)
        self._live = live
        self.heartbeats = Heartbeats(self._write, new_owner, owner_id, live, now)
        self._drain = DrainWatch(live, drained)
        self._file = FileWatch(store, live)
        self._reconcile_interval_ms = reconcile_interval_ms
        self._changed = changed
        self._reconciled = reconciled
        self._wait_patience_ms = wait_patience_ms
        self._abandoned = abandoned
        self._gave_up = gave_up
        self._reader: Reader | None = None
        self._observer: Observer | None = None
        self._version: int | None = None
        self._new_version: int | None = None  # the version that ended the pause, if it is another
        self._limits = Agenda(live)
        self._held = HeldAlarms(self._write, live)
        self._waiting: frozenset[int] = frozenset()  # runs that wait for other lanes
        self._newest_input: dict[int, int] = {}  # runs that may take a message, and the newest of each
        self._next_pass = now.mono
        self._begun = now  # the present round
        self._blind = False  # the previous round could not read or commit
        self._judged_from_mono = now.mono

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner. It changes if other processes have declared this one dead."""
        return self.heartbeats.owner_id

    def _duties(self, reader: Reader) -> Sequence[Duty]:
        # those that need no database come first
        self._reader, self._new_version = reader, None
        self._observer = observer = Observer(
            reader, self._write, self._clock, by=self.heartbeats.by, interval_ms=self._reconcile_interval_ms
        )
        losses = Losses(self._write, reader, self.heartbeats, self._live)
        survivors = SurvivorWatch(reader, self._write)
        duties: list[Duty] = [
            self._begin,
            self._give_up,
            self._judge,
            self._file.run_once,
            self.heartbeats.beat_when_due,
            every(LOOK_EVERY_MS, self.heartbeats.show_new),
            lambda now: self._look(reader, now),
            lambda now: losses.run_once(now, self._version),
            self._drain.cut_when_over,
            self._force,
            lambda now: self._reconcile(observer, now),
            lambda now: survivors.run_once(now, by=self.heartbeats.by, version=self._version),
            lambda now: self._held.run_once(now, by=self.heartbeats.by),
        ]
        if self._wait_patience_ms is not None:
            waits = WaitAlarms(reader, self._write, self._wait_patience_ms)
            duties += [
                every(LOOK_AT_HEADS_MS, lambda now: waits.run_once(now, by=self.heartbeats.by)),
                every(LOOK_MS, lambda now: settle_due(reader, self._write, now, by=self.heartbeats.by)),
            ]
        return duties

    def _pause_s(self) -> float:
        return self._longest_s

    def _begin(self, now: Now) -> None:
        """Record the start of a round. If it is late, or the previous round failed, observation starts again."""
        late, slept = now.mono - self._begun.mono, now.slept - self._begun.slept
        if late > LATE_MS and not self._blind:  # else it waited, and said so
            log.warning("the upkeep was suspended for %.1f s", late / 1000)
        if slept > LATE_MS:
            log.warning("the machine slept for %.1f s, which counts against no limit", slept / 1000)
        if max(late, slept) > LATE_MS:
            self.heartbeats.hurry()  # send a heartbeat, and find out which runs were lost, before judging anything
        if late > LATE_MS or self._blind:
            self._judged_from_mono = now.mono
        self._begun, self._blind = now, False
        self.pulse.tick()

    def _give_up(self, now: Now) -> None:
        """End the owner if nothing can run here any more: further heartbeats would keep its lanes from other
        processes."""
        if not self._abandoned():
            return
        owner, by = self.owner_id, self.heartbeats.by
        log.critical("the event loop of %s was closed while it held lanes: it leaves them to others", by)
        self._write(lambda tx: doors.end_owner(tx, owner, now, cause=Cause.OWNER_GONE, by=by))
        self.halt()
        self._gave_up()

    def _note_refusal(self) -> None:
        """Start observation again: the round that failed is missing."""
        self._blind = True
        if self._observer is not None:
            self._observer.forget()
        self.pulse.tick()

    def _write(self, step: Step[T]) -> T:
        with self.pulse.waiting():
            return super()._write(step)

    # ----------------------------------------------------------------------------------- orders

    def _anything_new(self) -> bool:
        if self._reader is None:
            return True
        version = self._reader.version()
        self._new_version = None if version == self._version else version
        return self._new_version is not None

    def _look(self, reader: Reader, now: Now) -> None:
        """Check whether any process has committed, and obey requests for this one."""
        new_version, self._new_version = self._new_version, None
        version = reader.version() if new_version is None else new_version
        if version == self._version:
            return
        orders = reader.read(reads.orders_of_owner(self.owner_id))
        self._drain.look(orders.drain, now)
        if len(self._live):
            self._stop_aborted(orders, now)
            self._mark_waiting(orders)
            self._wake_input(orders)
        self._version = version  # only after everything was read: a failed read is repeated
        self._changed()

    def _stop_aborted(self, orders: OwnerOrders, now: Now) -> None:
        for ticket, cause, grace_ms in orders.aborts:
            run = self._live.get(ticket.run_id)
            if run is None:
                continue
            with isolated(log, run.named):
                run.order_stop(Stop(StopKind.ABORT, cause, "aborted", grace_ms, now.mono))
                run.hurry(grace_ms)

    def _mark_waiting(self, orders: OwnerOrders) -> None:
        """Tell the runs whose wait for a message of another lane has begun or ended."""
        before, self._waiting = self._waiting, orders.waits
        for run in self._live.among(before ^ orders.waits):
            run.set_waiting(run.id in orders.waits)

    def _wake_input(self, orders: OwnerOrders) -> None:
        """Wake the runs for which a message was stored since the last look."""
        before, self._newest_input = self._newest_input, orders.input
        for run in self._live.among(run_id for run_id, _ in orders.input.items() - before.items()):
            run.wake_input()

    # --------------------------------------------------------------------------------- watchdog

    def _judge(self, now: Now) -> None:
        """Stop the runs that are past a limit. Needs no database."""
        for run in self._limits.due(now):
            again: int | None = now.mono + JUDGE_AGAIN_MS
            with isolated(log, f"{run.named} can not be judged"):
                stop = judge(run, now, self._judged_from_mono)
                if (over := run.question_over_mono) is not None and over <= now.mono:
                    run.wake_input()
                if stop is not None and run.order_stop(stop):
                    log.warning("%s: %s", run.named, stop.message)
                again = look_again_at(run, now, self._judged_from_mono)
            if again is not None:
                self._limits.put(run.id, again)

    def _force(self, now: Now) -> None:
        """Release by force the lanes of the runs that did not stop within their grace, a page at a time."""
        stopping = [(run, run.stop) for run in self._live.stopping() if run.stop is not None and not run.lost]
        stubborn = []
        for run, stop in stopping:
            with isolated(log, run.named):
                if is_stubborn(run, now, self._judged_from_mono):
                    stubborn.append((run, stop))

        def force(page: Sequence[tuple[ActiveRun, Stop]]) -> None:
            for run in self._write(partial(_force, page, now)):
                lose(run)

        by_page(log, stubborn, PAGE, force, lambda each: each[0].named)

    def _reconcile(self, observer: Observer, now: Now) -> None:
        if now.mono >= self._next_pass:
            self._next_pass = now.mono + self._reconcile_interval_ms
            observer.by, observer.own = self.heartbeats.by, self.owner_id  # it may be a new owner
            self._reconciled(observer.run_once())


def _force(page: Sequence[tuple[ActiveRun, Stop]], now: Now, tx: Transaction) -> list[ActiveRun]:
    """Take the lanes from runs that did not stop; returns those that no longer hold them.

    A run whose body has ended while this waited for its turn is left alone: it releases its lane itself.
    """
    stubborn = [(run, stop) for run, stop in page if run.body_ended_at is None]
    carry_out(tx, [stop.release(run.ticket, now, by=run.by, forced=True) for run, stop in stubborn])
    return [run for run, _ in stubborn]
