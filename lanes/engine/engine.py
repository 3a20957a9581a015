"""The engine of one owner: it claims, runs, sends heartbeats, watches limits and reconciles, from its start to its end.

A gateway is an engine that runs messages; the holds of a desk use an engine that runs only holds.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial

from lanes.base.errors import Unfit
from lanes.engine.background.loop import LONGEST_COMMIT_MS, Pulse
from lanes.engine.dispatch.dispatcher import Dispatcher
from lanes.engine.dispatch.policies import Policies
from lanes.engine.reconcile.reconciler import ReconcileDecision
from lanes.engine.runs.drains import CUT_GRACE_MS, cut
from lanes.engine.runs.execution import Execution
from lanes.engine.runs.hook_runner import HookRunner
from lanes.engine.runs.hooks import Hooks
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.streams import Streams
from lanes.engine.upkeep.housekeeping import ConfiguredKeep, Housekeeper
from lanes.engine.upkeep.thread import Upkeep
from lanes.records import Drain
from lanes.runners.base import RunnerSpec
from lanes_storage import doors, reads, records
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore, Step, Transaction
from lanes_storage.lazily import whole
from lanes_storage.logs import Log
from lanes_storage.records import NewOwner
from lanes_storage.threads import Once, call_off, in_thread, to_its_end

log = Log("lanes.engine")

whole(doors, reads, records)

#: Seconds between two ticks of the event loop.
TICK_S = 0.5


class Engine:
    """Holds lanes for one owner. For the event loop that it is started in.

    ``reconciled`` is called after each reconcile pass, in the upkeep's thread. ``wait_patience_ms`` returns how long
    the head of a lane may wait before a warning; ``keep`` says how long finished rows are kept. None for either: other
    processes do that. ``hooks`` are called at events. ``bound_only``: it claims only messages that are bound to it.
    """

    def __init__(
        self,
        store: AsyncStore,
        clock: Clock,
        new_owner: NewOwner,
        specs: Mapping[str, RunnerSpec],
        policies: Policies,
        *,
        reconcile_interval_ms: int,
        reconciled: Callable[[list[tuple[ReconcileDecision, bool]]], None],
        wait_patience_ms: Callable[[str], int] | None = None,
        keep: ConfiguredKeep | None = None,
        hooks: Hooks | None = None,
        bound_only: bool = False,
    ) -> None:
        self._stopping: Drain | None = None  # the drain with which this process ends
        self._ordered: Drain | None = None  # the drain in the owner's row
        self._started = self._stopped = False
        self.streams = Streams()
        self._store = store
        self._clock = clock
        self._new_owner = new_owner
        self._specs = specs
        self._policies = policies
        self._reconcile_interval_ms = reconcile_interval_ms
        self._reconciled = reconciled
        self._wait_patience_ms = wait_patience_ms
        self._housekeeper = None if keep is None else Housekeeper(store, clock, keep)
        self._hook_runner = HookRunner(hooks or Hooks(), store)
        self._bound_only = bound_only
        self._live = LiveSet()
        self._execution = Execution(store, clock, self._live, self.streams, self._hook_runner)
        self.hook_counts, self.used = self._hook_runner.counts, self._execution.used
        self._dispatcher: Dispatcher | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._upkeep: Upkeep | None = None
        self._pulse = Pulse(clock)  # of the event loop
        self._ticking: asyncio.Task[None] | None = None
        self._ending = Once()
        self._unlisten: Callable[[], None] = lambda: None

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner. It changes if other processes have declared this one dead. Raises Unfit
        before the start."""
        if self._upkeep is None:
            raise Unfit("it was not started yet, so it is not an owner")
        return self._upkeep.owner_id

    @property
    def draining(self) -> Drain | None:
        """Who drains it, and until when; None while it claims."""
        return self._stopping or self._ordered

    @property
    def held(self) -> int:
        """How many lanes it holds."""
        return len(self._live)

    @property
    def strays(self) -> int:
        """How many runs have lost their lanes but continue, each using a slot."""
        return self._live.strays

    def healthy(self) -> bool:
        """Whether its loops are running."""
        if self._upkeep is None or self._dispatching is None or self._dispatcher is None:
            return False
        dispatches = (
            not self._dispatching.done() and self._clock().mono - self._dispatcher.ticked_at < LONGEST_COMMIT_MS
        )
        return dispatches and self._upkeep.pulse.beats and self._pulse.beats

    @property
    def stopped(self) -> bool:
        """Whether its end has begun."""
        return self._stopped

    @property
    def beat_age_ms(self) -> int:
        """The age of its last committed heartbeat, in milliseconds."""
        return 0 if self._upkeep is None else self._clock().mono - self._upkeep.heartbeats.beaten_mono

    async def start(self) -> None:
        """Register as an owner, release the lanes of dead owners, and begin to claim. Raises StorageError; Unfit the
        second time.

        If it fails halfway, everything that was started is ended.
        """
        if self._started:
            raise Unfit("it can be started only once: make another one")
        self._started = True
        try:
            await self._begin()
        except BaseException:
            await self.stop()
            raise

    async def _begin(self) -> None:
        await in_thread(int)  # so that there is a thread for runs and for the end, whatever limit is reached later
        now = self._clock()
        owner_id = await self._registered(now)
        self._dispatcher = Dispatcher(
            self._store,
            self._clock,
            lambda: self.owner_id,
            self._specs,
            self._policies,
            self._live,
            self._execution.start,
            is_open=lambda: self.draining is None,
            bound_only=self._bound_only,
        )
        self._unlisten = self._store.on_commit(self._dispatcher.wake)
        self._upkeep = Upkeep(
            self._store,
            self._clock,
            self._new_owner,
            owner_id,
            self._live,
            reconcile_interval_ms=self._reconcile_interval_ms,
            changed=self._wake,
            drained=self._obey,
            reconciled=self._reconciled,
            wait_patience_ms=self._wait_patience_ms,
            abandoned=asyncio.get_running_loop().is_closed,
            gave_up=(lambda: None) if self._housekeeper is None else self._housekeeper.halt,
        )
        await self._hook_runner.start()
        self._upkeep.start()
        if self._housekeeper is not None:
            self._housekeeper.start()
        self._dispatching = asyncio.create_task(self._dispatcher.run(), name="lanes-dispatcher")
        self._dispatching.add_done_callback(_log_death)
        self._ticking = asyncio.create_task(self._tick(), name="lanes-tick")

    async def _registered(self, now: Now) -> int:
        """Register this process as an owner; returns the id. If the caller is cancelled meanwhile, no owner remains."""
        registering = asyncio.ensure_future(self._store.write(lambda tx: doors.register(tx, self._new_owner, now)))
        try:
            return await to_its_end(registering)
        except asyncio.CancelledError:
            if registering.exception() is None:
                await to_its_end(self._end_owner(registering.result()))
            raise

    async def drain(self, *, by: str, wait_ms: int) -> None:
        """Claim nothing more, and wait up to ``wait_ms`` for the runs to end. Call ``stop`` afterwards.

        ``stop`` interrupts the remaining runs; the messages that may run again keep their places, and this interruption
        is not counted.
        """
        now = self._clock()
        until = now.wall + wait_ms
        self._stopping = Drain(by, until)
        if self._upkeep is None:
            return  # not started yet

        def note(tx: Transaction) -> None:
            doors.drain(tx, self.owner_id, now, by=by, until=until)

        storing = None if await self._stored(note) else asyncio.create_task(self._keep_storing(note))
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await self._execution.idle()
        except TimeoutError:
            pass
        finally:
            if storing is not None:
                storing.cancel()

    async def _keep_storing(self, note: Step[None]) -> None:
        """Retry until the drain is stored: if the process dies while it drains, no message may count that as an
        interruption."""
        while not await self._stored(note):  # noqa: ASYNC110 - it polls the database
            await asyncio.sleep(TICK_S)

    async def _stored(self, note: Step[None]) -> bool:
        """Store the drain in the owner's row, so that other processes see it; returns whether it was stored. The drain
        itself does not need the database."""
        try:
            await self._store.write(note)
        except StorageError:
            return False
        return True

    async def stop(self) -> None:
        """Cut the runs that are left, end the owner's row, and end every loop. Completes even if its caller is
        cancelled; a repeated call waits for the same end."""
        if self._upkeep is not None:
            await self._ending.do(partial(self._end, releasing=True))

    async def abandon(self) -> None:
        """End every loop without changing the database, like the death of the process."""
        await self._end(releasing=False)

    async def _end(self, *, releasing: bool) -> None:
        if self._upkeep is None or self._stopped:
            return
        self._stopped = True
        self._stopping = self._stopping or Drain("stop", self._clock().wall)
        async with contextlib.AsyncExitStack() as ending:  # last in, first out; each runs even if others fail
            ending.callback(self.streams.end_all)
            ending.push_async_callback(self._hook_runner.stop)
            if releasing:
                ending.push_async_callback(self._end_owner, self.owner_id)
            ending.push_async_callback(self._execution.close)
            ending.push_async_callback(in_thread, self._upkeep.stop)
            if self._housekeeper is not None:
                ending.push_async_callback(in_thread, self._housekeeper.stop)
            if releasing:
                ending.push_async_callback(self._cut)
            ending.push_async_callback(self._end_loops)

    async def _end_loops(self) -> None:
        await call_off(*filter(None, (self._dispatching, self._ticking)))
        self._unlisten()
        self._dispatching = None

    async def _end_owner(self, owner_id: int) -> None:
        now = self._clock()
        try:
            await self._store.write(
                lambda tx: doors.end_owner(tx, owner_id, now, cause="stopped", by=f"owner:{owner_id}")
            )
        except StorageError as error:
            log.warning("owner %d could not be closed; others will find it gone: %s", owner_id, error)

    async def _cut(self) -> None:
        """Cancel the runs; the watchdog releases those that do not stop. Runs that have lost their lanes are left
        behind."""
        cut(self._live, "its gateway stopped", self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5 * CUT_GRACE_MS / 1000):
                await self._execution.idle()
        for run in self._live.all():
            log.warning("lane %s could not be released; others will find its owner gone", ascii(run.key))
            run.lose()

    async def _tick(self) -> None:
        """Show that the event loop is alive: this task waits for nothing else, so only a blocked loop delays it."""
        while True:
            self._pulse.tick()
            await asyncio.sleep(TICK_S)

    def _wake(self) -> None:
        """Called by the upkeep after a commit of any process."""
        assert self._dispatcher is not None
        self._dispatcher.wake_threadsafe()
        self._hook_runner.wake_threadsafe()

    def _obey(self, drain: Drain | None) -> None:
        """Called by the upkeep when the drain in the owner's row has changed."""
        self._ordered = drain
        if drain is not None and self._stopping is None:  # requested by another process
            log.warning("%s is drained by %s: it claims nothing more", f"owner:{self.owner_id}", ascii(drain.by))
        assert self._dispatcher is not None
        self._dispatcher.wake_threadsafe()


def _log_death(task: "asyncio.Task[None]") -> None:
    """Log the error that ended the dispatcher: nothing is claimed any more."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("the dispatcher died; nothing will be claimed", exc_info=task.exception())
