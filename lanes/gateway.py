"""The gateway: runs a runner for every message of a desk until it is stopped.

    async with lanes.connect("lanes.db") as desk:
        async with lanes.Gateway(desk, my_runner):
            await desk.send("agent:main:telegram:42", "hello")

``lanes gateway`` is this with runners from a configuration file and an HTTP server.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from lanes.base import arguments
from lanes.base.errors import LanesError, Unfit
from lanes.config import Config, from_data
from lanes.desk import Desk
from lanes.drivers.on_loop import running_loop
from lanes.engine.engine import Engine
from lanes.engine.reconcile.reconciler import ReconcileDecision
from lanes.engine.registration import as_owner
from lanes.engine.runs.hooks import Hooks
from lanes.engine.runs.streams import Listener
from lanes.engine.upkeep.housekeeping import ConfiguredKeep
from lanes.records import Drain, Message
from lanes.runners.base import Runner, RunnerSpec
from lanes_storage import doors
from lanes_storage.errors import StorageError
from lanes_storage.law import Mode, RunnerKind
from lanes_storage.logs import Log
from lanes_storage.records import Head, Terms
from lanes_storage.threads import call_off, in_thread, to_its_end

if TYPE_CHECKING:
    from lanes.alerts.watch import AlertWatch

log = Log("lanes.gateway")

#: A gateway is ready only if the database accepts a write within this time.
WRITABLE_S = 2.0
#: The default number of run slots of a runner that an embedding program passes in.
EMBEDDED_MAX_RUNS = 16


class Gateway:
    """Holds lanes and runs messages. Belongs to the event loop that it is started in.

    Give it one ``runner``, with at most ``max_runs`` runs at a time, or several as ``specs`` (the first is the
    default). ``config`` sets limits and policies; without one, the defaults apply. ``fingerprint`` identifies this
    configuration. ``hooks`` are called when something happens; those that a configuration names are loaded by
    ``lanes.engine.runs.hooks.configured_hooks``.
    """

    def __init__(
        self,
        desk: Desk,
        runner: Runner | None = None,
        *,
        max_runs: int | None = None,
        specs: Mapping[str, RunnerSpec] | None = None,
        config: Config | None = None,
        url: str | None = None,
        fingerprint: str | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        if (runner is None) == (specs is None):
            raise Unfit("give a gateway either one runner or specs")
        if runner is None and max_runs is not None:
            raise Unfit("max_runs is for one runner; each of the specs has its own")
        if specs is not None and not _are_specs(specs):
            raise Unfit("specs must be a dict of RunnerSpecs, each under its own name")
        arguments.instance(config, Config, "config", "lanes.config.from_data(...)")
        arguments.instance(hooks, Hooks, "hooks", "lanes.Hooks(...)")
        if runner is not None:
            slots = EMBEDDED_MAX_RUNS if max_runs is None else max_runs
            specs = {"python": RunnerSpec("python", RunnerKind.PYTHON, runner, slots)}
        self.desk = desk
        self.specs: Mapping[str, RunnerSpec] = specs or {}
        self.config = config or desk.config or from_data({})
        desk.config = desk.config or self.config  # messages sent on the desk use the same policies as the gateway
        self._passed = False
        self._watchers: dict[int, asyncio.Task[None]] = {}
        self._engine = Engine(
            desk.store,
            desk.clock,
            as_owner("gateway", self.config, fingerprint=fingerprint, runners=tuple(self.specs), url=url),
            self.specs,
            _GatewayPolicies(self.config),
            reconcile_interval_ms=self.config.clocks.reconcile_interval_ms,
            reconciled=self._reconciled,
            wait_patience_ms=self._wait_patience_ms,
            keep=ConfiguredKeep(self.config),
            hooks=hooks,
        )
        self._engine.streams.unread = self._unread
        self._alerts: AlertWatch | None = None

    async def __aenter__(self) -> "Gateway":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain, at most for ``drain_timeout``, and stop, also if an error or a cancellation ends the block.

        A cancellation during the drain ends the drain: remaining runs are interrupted.
        """
        try:
            await self.drain(by="exit")
        finally:
            await self.stop()

    # ----------------------------------------------------------------------------------- state

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner. It changes when other processes have declared this one dead. Raises
        Unfit before the start."""
        return self._engine.owner_id

    @property
    def models(self) -> list[str]:
        """The runners that a request may name as its model."""
        return [name for name, spec in self.specs.items() if not spec.internal]

    @property
    def held(self) -> int:
        """How many lanes this gateway holds."""
        return self._engine.held

    @property
    def used(self) -> Mapping[tuple[str, str], int]:
        """What each runner used here: input and output tokens, and millionths of a US dollar (``cost``)."""
        return self._engine.used

    @property
    def strays(self) -> int:
        """How many runs have lost their lanes but have not stopped; each uses its slot until its task has ended."""
        return self._engine.strays

    @property
    def draining(self) -> Drain | None:
        """Who drains it, and until when; None while it takes messages."""
        return self._engine.draining

    @property
    def ready(self) -> bool:
        """Whether it takes messages: started, the first reconcile pass done, not draining."""
        return self._passed and self.draining is None

    @property
    def hook_counts(self) -> Mapping[str, int]:
        """How often each hook failed: ``notice timed_out``, ``before_run failed``, …"""
        return self._engine.hook_counts

    @property
    def silent_ms(self) -> int:
        """The age of its last committed heartbeat in milliseconds, if that is more than half of ``stale_after``;
        otherwise 0.

        At ``stale_after`` other processes declare the gateway dead.
        """
        age = self._engine.beat_age_ms
        return age if 2 * age > self.config.clocks.stale_after_ms else 0

    def healthy(self) -> bool:
        """Whether its loops make progress."""
        return self._engine.healthy()

    async def writable(self) -> bool:
        """Whether the database accepts a write now."""
        try:
            async with asyncio.timeout(WRITABLE_S):
                await self.desk.store.write(doors.touch)
        except (StorageError, TimeoutError):
            return False
        return True

    # -------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Register as an owner, release the lanes of dead processes, and begin to claim.

        Raises StorageError; Unfit in another event loop than the desk's, and if this gateway was ever started before:
        make another one.
        """
        await self.desk.check_loop()
        await self._engine.start()
        if self.config.alerts:
            from lanes.alerts.watch import AlertWatch

            store, clock = self.desk.store, self.desk.clock
            self._alerts = AlertWatch(store, clock, self.config.alerts, lambda: self.owner_id)
            self._alerts.start()

    async def drain(self, *, by: str, timeout_s: float | None = None) -> None:
        """Claim nothing more, and wait for the runs to end, at most ``timeout_s`` (default: drain_timeout).

        ``stop`` then interrupts the remaining runs; their messages go back to their places, and the interruption is not
        counted. Raises Unfit.
        """
        clock_ms = self.config.clocks.drain_timeout_ms
        wait_ms = clock_ms if timeout_s is None else arguments.span_ms(timeout_s, "timeout_s")
        await self.desk.check_loop()
        await self._engine.drain(by=arguments.actor(by), wait_ms=wait_ms)

    async def stop(self) -> None:
        """Interrupt the remaining runs, end the owner's row, and end every loop.

        A second caller waits for the same stop. It completes even if its caller is cancelled meanwhile.
        """
        await self.desk.check_loop()
        await to_its_end(self._stop())

    async def _stop(self) -> None:
        try:
            if self._alerts is not None:
                await in_thread(self._alerts.stop)
            await self._engine.stop()
        finally:
            await call_off(*self._watchers.values())

    # ----------------------------------------------------------------------------------- listening

    def listen(self, message: int | Message) -> Listener:
        """Follow a message's reply piece by piece, from its beginning, until the message has ended.

        ``async for piece in gateway.listen(message.id)``; see ``Listener``. Pieces come only while this gateway runs
        the message; its end is noticed whichever gateway runs it. ``message``: its id, or the message as it was just
        accepted or read, which saves a read. Raises Unfit outside the event loop.
        """
        running_loop()
        message_id = message.id if isinstance(message, Message) else message
        stream = self._engine.streams.of(message_id)
        listener = stream.listen()
        if message_id not in self._watchers and not stream.ended:
            watching = asyncio.create_task(self._watch(message), name=f"lanes-watch-{message_id}")
            self._watchers[message_id] = watching
        return listener

    async def _watch(self, message: int | Message) -> None:
        message_id, error = message.id if isinstance(message, Message) else message, None
        try:
            await self.desk.wait(message)
        except Exception as failed:
            error = failed
            if not isinstance(failed, LanesError):
                log.warning("message %d can not be followed: %s", message_id, failed)
        self._watchers.pop(message_id, None)
        self._engine.streams.end(message_id, error)

    def _unread(self, message_id: int) -> None:
        """Nobody listens to a message any more. May be called in any thread, by the garbage collector."""
        watching = self._watchers.pop(message_id, None)
        if watching is not None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                watching.get_loop().call_soon_threadsafe(watching.cancel)

    def _wait_patience_ms(self, key: str) -> int:
        return self.config.clocks_for(key, RunnerKind.PROVIDER).warn_wait_after_ms  # the same for every kind

    def _reconciled(self, done: list[tuple[ReconcileDecision, bool]]) -> None:
        """Called by the upkeep after each pass."""
        self._passed = True
        for finding, applied in done:
            if applied and finding.wait is not None:
                log.info("a wait of lane %s is over: %s", ascii(finding.wait.key), finding.evidence)
            elif applied and finding.run is not None:
                log.warning("lane %s taken back (%s): %s", ascii(finding.run.key), finding.decision, finding.evidence)


def _are_specs(specs: object) -> bool:
    return isinstance(specs, Mapping) and all(
        isinstance(spec, RunnerSpec) and spec.name == name for name, spec in specs.items()
    )


class _GatewayPolicies:
    """The dispatcher's view of the configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.prioritized, self.budgets, self.retry = config.prioritized, config.budgets, config.retry

    def runner_of(self, key: str) -> str | None:
        return self._config.policy(key).runner or None

    def collects(self, key: str) -> int | None:
        policy = self._config.policy(key)
        return policy.debounce_ms if policy.mode is Mode.COLLECT else None

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        return self._config.terms(head.key, spec.kind, runner=spec.name, acts=bool(head.acts))

    def priority(self, key: str) -> int:
        return self._config.policy(key).priority
