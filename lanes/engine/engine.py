"""The engine of one owner: it claims, runs, beats, watches and reconciles, from its start to its end.

A gateway is an engine that runs messages; the holds of a desk are an engine that runs nothing but them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lanes.engine.dispatcher import Dispatcher, Policies
from lanes.engine.execution import Execution
from lanes.engine.live import LiveSet, Stop, StopKind
from lanes.engine.reconciler import Finding
from lanes.engine.streams import Streams
from lanes.engine.upkeep import Upkeep
from lanes.runners.base import RunnerSpec
from lanes_storage import doors
from lanes_storage.doors import Evidence
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore
from lanes_storage.law import Cause
from lanes_storage.moment import Clock
from lanes_storage.records import Failure, NewOwner

log = logging.getLogger("lanes.engine")

#: How long a run that was cut has to stop by itself before its lane is released without it.
CUT_GRACE_MS = 2_000
#: A loop that has not ticked for so long is not healthy.
UNHEALTHY_MS = 5_000


@dataclass(frozen=True, slots=True)
class Drain:
    """An owner that claims nothing more: by whom, and until when (wall time, milliseconds)."""

    by: str
    until: int


class Engine:
    """Holds lanes for one owner. Belongs to the event loop that it is started in.

    ``reconciled`` is called after each reconcile pass, in the upkeep's thread. ``bound_only``: it claims only
    what is bound to it, and leaves everything else to others.
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
        reconciled: Callable[[list[tuple[Finding, bool]]], None],
        bound_only: bool = False,
    ) -> None:
        self.draining: Drain | None = None
        self.streams = Streams()
        self._store = store
        self._clock = clock
        self._new_owner = new_owner
        self._specs = specs
        self._policies = policies
        self._reconcile_interval_ms = reconcile_interval_ms
        self._reconciled = reconciled
        self._bound_only = bound_only
        self._live = LiveSet()
        self._dispatcher: Dispatcher | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._execution: Execution | None = None
        self._upkeep: Upkeep | None = None

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner; another one after others had taken it for dead."""
        assert self._upkeep is not None, "the engine was not started"
        return self._upkeep.owner_id

    @property
    def held(self) -> int:
        """How many lanes it holds."""
        return len(self._live)

    def healthy(self) -> bool:
        """Whether its loops tick."""
        if self._upkeep is None or self._dispatcher is None:
            return False
        oldest = min(self._upkeep.ticked_at, self._dispatcher.ticked_at)
        return self._clock().mono - oldest < UNHEALTHY_MS

    async def start(self) -> None:
        """Register as an owner, take back what the dead left held, and begin to claim. Raises StorageError."""
        now = self._clock()
        owner_id = await self._store.write(lambda tx: doors.register(tx, self._new_owner, now))
        self._execution = Execution(self._store, self._clock, self._live, self.streams, f"owner:{owner_id}")
        self._dispatcher = Dispatcher(
            self._store,
            self._clock,
            lambda: self.owner_id,
            self._specs,
            self._policies,
            self._live,
            self._execution.start,
            bound_only=self._bound_only,
        )
        self._store.on_commit(self._dispatcher.wake_threadsafe)
        self._upkeep = Upkeep(
            self._store,
            self._clock,
            self._new_owner,
            owner_id,
            self._live,
            reconcile_interval_ms=self._reconcile_interval_ms,
            changed=self._dispatcher.wake_threadsafe,
            reconciled=self._reconciled,
        )
        self._upkeep.start()
        self._dispatching = asyncio.create_task(self._dispatcher.run(), name="lanes-dispatcher")
        self._dispatching.add_done_callback(_loud)

    async def drain(self, *, by: str, wait_ms: int) -> None:
        """Claim nothing more, and wait for what runs, at most so long.

        What still runs then is cut by ``stop``, and its message goes back to its place, uncounted.
        """
        now = self._clock()
        self.draining = Drain(by, now.wall + wait_ms)
        assert self._dispatcher is not None
        assert self._execution is not None
        self._dispatcher.open = False
        with contextlib.suppress(StorageError):  # the row only tells others; the drain itself needs no database
            await self._store.write(lambda tx: doors.drain(tx, self.owner_id, now, by=by, until=now.wall + wait_ms))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._execution.idle()

    async def stop(self) -> None:
        """Cut what still runs, end the owner's row, and end every loop. Harmless twice."""
        if self._upkeep is None or self._dispatching is None or self._execution is None:
            return
        self.draining = self.draining or Drain("stop", self._clock().wall)
        self._dispatching.cancel()
        await asyncio.gather(self._dispatching, return_exceptions=True)
        await self._cut(self._execution)
        owner_id, upkeep = self.owner_id, self._upkeep
        await asyncio.to_thread(upkeep.stop)
        await self._execution.close()
        now = self._clock()
        try:
            await self._store.write(
                lambda tx: doors.end_owner(tx, owner_id, now, cause="stopped", by=f"owner:{owner_id}")
            )
        except StorageError as error:
            log.warning("owner %d could not be closed; others will find it gone: %s", owner_id, error)
        self.streams.end_all()
        self._dispatching = None

    async def _cut(self, execution: Execution) -> None:
        """End what runs: by asking, then without it."""
        now = self._clock()
        for run in self._live.all():
            run.order_stop(Stop(StopKind.DRAIN, Cause.DRAINED, "its gateway stopped", CUT_GRACE_MS, now.boot))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_GRACE_MS / 1000):
                await execution.idle()
        failure = Failure(Cause.DRAINED, "its gateway stopped and it did not")
        for run in self._live.all():
            ticket, by, then = run.ticket, f"owner:{self.owner_id}", self._clock()
            with contextlib.suppress(StorageError):  # then the next gateway finds it
                await self._store.write(
                    lambda tx, ticket=ticket, by=by, then=then: doors.reclaim(  # type: ignore[misc]
                        tx, ticket, failure, then, by=by, evidence=Evidence()
                    )
                )
            run.lose()


def _loud(task: "asyncio.Task[None]") -> None:
    """A loop that dies of an error says so: nothing would be claimed any more."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("the dispatcher died; nothing will be claimed", exc_info=task.exception())
