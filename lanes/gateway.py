"""The gateway: runs a runner for every message of a desk, until it is stopped.

    async with lanes.connect("lanes.db") as desk:
        async with lanes.Gateway(desk, my_runner):
            await desk.send("agent:main:telegram:42", "hello")

``lanes gateway`` is this with runners from a configuration file and an HTTP server before it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from lanes.config import Config, from_data
from lanes.desk import Desk
from lanes.engine.dispatcher import Dispatcher
from lanes.engine.execution import Execution
from lanes.engine.live import LiveSet, Stop, StopKind
from lanes.engine.reconciler import Finding
from lanes.engine.streams import Listener, Streams
from lanes.engine.upkeep import Upkeep
from lanes.identity import this_process
from lanes.runners.base import Runner, RunnerSpec
from lanes_storage import doors
from lanes_storage.doors import Evidence
from lanes_storage.errors import StorageError
from lanes_storage.law import Cause, RunnerKind
from lanes_storage.records import Failure, NewOwner, Terms

log = logging.getLogger("lanes.gateway")

#: How long a run that was cut has to stop by itself before its lane is released without it.
CUT_GRACE_MS = 2_000
#: A loop that has not ticked for so long is not healthy.
UNHEALTHY_MS = 5_000
#: A gateway is ready only while the database takes a write within this time.
WRITABLE_S = 2.0
#: Run slots of a runner that an embedding program hands in.
EMBEDDED_MAX_RUNS = 16


@dataclass(frozen=True, slots=True)
class Drain:
    """A gateway that claims nothing more: by whom, and until when (wall time, milliseconds)."""

    by: str
    until: int


class Gateway:
    """Holds lanes and runs messages. Belongs to the event loop that it is started in.

    Give it one ``runner``, or several as ``specs`` (the first is the default). ``config`` sets limits and
    policies; without one, everything has its default. ``fingerprint`` tells this configuration from others.
    """

    def __init__(
        self,
        desk: Desk,
        runner: Runner | None = None,
        *,
        specs: Mapping[str, RunnerSpec] | None = None,
        config: Config | None = None,
        url: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        if (runner is None) == (specs is None):
            raise TypeError("give a gateway either one runner or specs")
        if runner is not None:
            specs = {"python": RunnerSpec("python", RunnerKind.PYTHON, runner, EMBEDDED_MAX_RUNS)}
        self.desk = desk
        self.specs: Mapping[str, RunnerSpec] = specs or {}
        self.config = config or from_data({})
        self.draining: Drain | None = None
        self._url = url
        self._fingerprint = fingerprint or self.config.fingerprint
        self._live = LiveSet()
        self._streams = Streams()
        self._watchers: dict[int, asyncio.Task[None]] = {}
        self._passed = False
        self._dispatcher: Dispatcher | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._execution: Execution | None = None
        self._upkeep: Upkeep | None = None

    async def __aenter__(self) -> "Gateway":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ----------------------------------------------------------------------------------- how it is

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner; another one after others had taken it for dead."""
        assert self._upkeep is not None, "the gateway was not started"
        return self._upkeep.owner_id

    @property
    def held(self) -> int:
        """How many lanes it holds."""
        return len(self._live)

    @property
    def ready(self) -> bool:
        """Whether it takes messages: started, the first reconcile pass done, not draining."""
        return self._passed and self.draining is None

    def healthy(self) -> bool:
        """Whether its loops tick."""
        if self._upkeep is None or self._dispatcher is None:
            return False
        oldest = min(self._upkeep.ticked_at, self._dispatcher.ticked_at)
        return self.desk.clock().mono - oldest < UNHEALTHY_MS

    async def writable(self) -> bool:
        """Whether the database takes a write now."""
        try:
            async with asyncio.timeout(WRITABLE_S):
                await self.desk.store.write(doors.touch)
        except (StorageError, TimeoutError):
            return False
        return True

    # -------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Register as an owner, take back what the dead left held, and begin to claim. Raises StorageError."""
        desk, clocks = self.desk, self.config.clocks
        new_owner = self._as_owner()
        now = desk.clock()
        owner_id = await desk.store.write(lambda tx: doors.register(tx, new_owner, now))
        by = f"owner:{owner_id}"
        self._execution = Execution(desk.store, desk.clock, self._live, self._streams, by)
        self._dispatcher = Dispatcher(
            desk.store,
            desk.clock,
            lambda: self.owner_id,
            self.specs,
            _Policies(self.config),
            self._live,
            self._execution.start,
        )
        desk.store.on_commit(self._dispatcher.wake_threadsafe)
        self._upkeep = Upkeep(
            desk.store,
            desk.clock,
            new_owner,
            owner_id,
            self._live,
            reconcile_interval_ms=clocks.reconcile_interval_ms,
            changed=self._dispatcher.wake_threadsafe,
            reconciled=self._reconciled,
        )
        self._upkeep.start()
        self._dispatching = asyncio.create_task(self._dispatcher.run(), name="lanes-dispatcher")
        self._dispatching.add_done_callback(_loud)

    async def drain(self, *, by: str, timeout_s: float | None = None) -> None:
        """Claim nothing more, and wait for what runs: at most ``timeout_s`` (default: drain_timeout).

        What still runs then is cut by ``stop``, and its message goes back to its place, uncounted.
        """
        wait_ms = self.config.clocks.drain_timeout_ms if timeout_s is None else round(timeout_s * 1000)
        now = self.desk.clock()
        self.draining = Drain(by, now.wall + wait_ms)
        assert self._dispatcher is not None
        assert self._execution is not None
        self._dispatcher.open = False
        with contextlib.suppress(StorageError):  # the row only tells others; the drain itself needs no database
            await self.desk.store.write(lambda tx: doors.drain(tx, self.owner_id, now, by=by, until=now.wall + wait_ms))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._execution.idle()

    async def stop(self) -> None:
        """Cut what still runs, end the owner's row, and end every loop. Harmless twice."""
        if self._upkeep is None or self._dispatching is None or self._execution is None:
            return
        self.draining = self.draining or Drain("stop", self.desk.clock().wall)
        self._dispatching.cancel()
        await asyncio.gather(self._dispatching, return_exceptions=True)
        await self._cut()
        owner_id, upkeep, execution = self.owner_id, self._upkeep, self._execution
        await asyncio.to_thread(upkeep.stop)
        await execution.close()
        now = self.desk.clock()
        try:
            await self.desk.store.write(
                lambda tx: doors.end_owner(tx, owner_id, now, cause="stopped", by=f"owner:{owner_id}")
            )
        except StorageError as error:
            log.warning("owner %d could not be closed; others will find it gone: %s", owner_id, error)
        self._streams.end_all()
        for task in list(self._watchers.values()):
            task.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        self._dispatching = None

    async def _cut(self) -> None:
        """End what runs: by asking, then without it."""
        assert self._execution is not None
        now = self.desk.clock()
        for run in self._live.all():
            run.order_stop(Stop(StopKind.DRAIN, Cause.DRAINED, "its gateway stopped", CUT_GRACE_MS, now.boot))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_GRACE_MS / 1000):
                await self._execution.idle()
        failure = Failure(Cause.DRAINED, "its gateway stopped and it did not")
        for run in self._live.all():
            ticket, by, then = run.ticket, f"owner:{self.owner_id}", self.desk.clock()
            with contextlib.suppress(StorageError):  # then the next gateway finds it
                await self.desk.store.write(
                    lambda tx, ticket=ticket, by=by, then=then: doors.reclaim(  # type: ignore[misc]
                        tx, ticket, failure, then, by=by, evidence=Evidence()
                    )
                )
            run.lose()

    # ----------------------------------------------------------------------------------- listening

    def listen(self, message_id: int) -> Listener:
        """Follow a message's reply piece by piece, from its beginning, until the message has ended.

        Pieces come only while this gateway runs the message; its end is noticed whoever brings it.
        """
        listener = self._streams.of(message_id).listen()
        if message_id not in self._watchers:
            task = asyncio.create_task(self._watch(message_id), name=f"lanes-watch-{message_id}")
            self._watchers[message_id] = task
            task.add_done_callback(lambda _: self._watchers.pop(message_id, None))
        return listener

    async def _watch(self, message_id: int) -> None:
        try:
            await self.desk.wait(message_id)
        except StorageError as error:
            log.warning("message %d can not be followed: %s", message_id, error)
        finally:
            self._streams.end(message_id)

    def _reconciled(self, done: list[tuple[Finding, bool]]) -> None:
        """Called by the upkeep after each pass."""
        self._passed = True
        for finding, landed in done:
            if landed and finding.run is not None:
                log.warning("lane %s taken back (%s): %s", ascii(finding.run.key), finding.decision, finding.evidence)

    def _as_owner(self) -> NewOwner:
        me, clocks = this_process(), self.config.clocks
        return NewOwner(
            kind="gateway",
            host=me.host,
            boot_id=me.boot_id,
            pid_ns=me.pid_ns,
            pid=me.pid,
            start_time=me.start_time,
            fingerprint=self._fingerprint,
            heartbeat_interval_ms=clocks.heartbeat_interval_ms,
            stale_after_ms=clocks.stale_after_ms,
            runners=tuple(self.specs),
            url=self._url,
        )


class _Policies:
    """The configuration, as the dispatcher asks it."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def runner_of(self, key: str) -> str | None:
        return self._config.policy(key).runner or None

    def terms(self, key: str, spec: RunnerSpec) -> Terms:
        return self._config.terms(key, spec.kind, runner=spec.name)


def _loud(task: "asyncio.Task[None]") -> None:
    """A loop that dies of an error says so: nothing would be claimed any more."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("the dispatcher died; nothing will be claimed", exc_info=task.exception())
