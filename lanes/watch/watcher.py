"""The watcher: keeps what is seen of other programs' gateways in the database, and frees their sessions on request.

Each source is watched by one process of a database, whose owner's row proves that it lives. That process connects again
after any failure, reads the files of a gateway that hangs, and recalls the runs that were known before.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from lanes.config.declared.model import WatchConfig
from lanes.config.reading.watches import is_encrypted, is_loopback
from lanes.host.changes import Changes
from lanes.host.holder import is_listened_to_by_others, stopped_holder_of
from lanes.records import Liveness, Outcome
from lanes.watch import ladder
from lanes.watch.adapter import Adapter, SourceDown
from lanes.watch.kinds import adapter_of
from lanes_storage import doors, reads
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore, Step, Transaction, within
from lanes_storage.law import SourceState
from lanes_storage.logs import Log
from lanes_storage.records import Freeing, Sighting
from lanes_storage.threads import call_off, in_thread, kept

log = Log("lanes.watch")
T = TypeVar("T")

#: The time between two reads of the sessions (s): while one is held, otherwise, and at least. An event brings the next
#: read forward.
HELD_S, IDLE_S, LEAST_S = 1.0, 5.0, 0.1
#: The pause between two attempts to connect (s), first and longest, and between two to become the process that watches.
FIRST_S, LAST_S, LEASE_S = 0.5, 10.0, 2.0
#: If a gateway does not answer for this long (s), it is checked whether its process is stopped (SIGSTOP).
SILENT_S = 3.0
#: A later sign of life is stored only if it is later by this much, so that a talkative session costs no commits.
SIGN_MS = 2_000


class Quiet(NamedTuple):
    """The last sign of life of these runs, and since when no later one was seen, by the clock of this process."""

    runs: tuple[str, ...]
    sign: int | None
    mono: int


class WatcherHome(NamedTuple):
    """The database and clock of a watcher. ``owner`` returns the id of this process as an owner; None while it is not
    registered."""

    store: AsyncStore
    changes: Changes
    clock: Clock
    owner: Callable[[], int | None]


class Watcher:
    """Watches the gateways that are configured. ``keys``: the folder of paired devices."""

    def __init__(self, home: WatcherHome, watches: Sequence[WatchConfig], keys: Path) -> None:
        self._sources = [WatchedSource(home, watch, adapter_of(watch, keys)) for watch in watches]
        self._store, self._names = home.store, [watch.name for watch in watches]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            forgets = _write_until_stored(
                self._store, lambda tx: doors.forget_sources(tx, self._names), "which sources there are"
            )
            tasks.create_task(forgets, name="lanes-watch-forget")
            for source in self._sources:
                tasks.create_task(source.run(), name=f"lanes-watch-{source.name}")


class WatchedSource:
    """One gateway of another program."""

    def __init__(self, home: WatcherHome, watch: WatchConfig, adapter: Adapter) -> None:
        self._store, self._changes, self._clock, self._owner = home
        self._watch, self._adapter, self.name = watch, adapter, watch.name
        self._kept: dict[str, Sighting] = {}
        self._quiet: dict[str, Quiet] = {}
        self._whole = True  # the next write replaces all stored sessions, which may be of an earlier connection
        self._down: SourceDown | None = SourceDown(SourceState.UNREACHABLE, "it has not been reached yet")
        self._mine = False
        self._tried = asyncio.Event()
        self._looking = asyncio.Lock()
        self._freeings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Watch it, whenever no other process does, until cancelled."""
        pause = FIRST_S
        requests = asyncio.create_task(self._requests(), name=f"lanes-free-{self.name}")
        try:
            while True:
                try:
                    self._mine = await self._take()
                except StorageError as error:  # it passes, or another part of this process ends by it
                    log.warning("%s is not watched: %s", self.name, error)
                    self._mine = False
                if not self._mine:
                    await asyncio.sleep(LEASE_S)
                    continue
                began = self._clock().mono
                await self._session()
                self._tried.set()
                pause = FIRST_S if self._clock().mono - began > 1000 * LAST_S else min(2 * pause, LAST_S)
                await asyncio.sleep(pause)
        finally:
            await call_off(requests, *self._freeings)
            await self._adapter.close()

    async def _take(self) -> bool:
        owner, now, watch = self._owner(), self._clock(), self._watch
        if owner is None:
            return False

        def is_gone(tx: Transaction, watcher: int) -> bool:
            row = within(tx, reads.owner(watcher))
            return row is None or not Liveness(now).lives(row)

        return await self._store.write(
            lambda tx: doors.watch(tx, watch.name, watch.kind, watch.url, owner, now, is_gone=is_gone)
        )

    async def _session(self) -> None:
        """One connection, until it ends for any reason."""
        try:
            try:
                await self._connected()
            except SourceDown as down:
                await self._note_down(down)
            except StorageError:
                raise
            # An adapter reads what another program sends: its fault must not end the gateway.
            except Exception as error:
                await self._note_down(self._failed(error))
        except StorageError as error:
            log.warning("what is seen of %s cannot be stored: %s", self.name, error)

    async def _connected(self) -> None:
        version = await self._answered(self._adapter.connect)
        stored = await self._store.read(reads.sightings())
        self._adapter.recall([row.seen for row in stored if row.source.name == self.name and not row.from_files])
        self._kept, self._whole = {}, True
        await self._look(version)
        self._tried.set()
        while True:
            rows = list(self._kept.values())
            await self._judge(rows)
            rest = HELD_S if any(row.held for row in rows) else IDLE_S
            await asyncio.sleep(LEAST_S)
            await self._adapter.events(rest)
            await self._look()

    async def _answered(self, request: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of the gateway. Raises SourceDown at once if its process is stopped, or if a token would go to a
        process of another user, which took its port."""
        if await in_thread(self._port_is_foreign):
            why = f"a process of another user listens at {self._watch.url}, and its token is not sent there"
            raise SourceDown(SourceState.REFUSED, why, "end that process, or reach the gateway by wss:// or https://")
        task = asyncio.ensure_future(request())
        try:
            done, _ = await asyncio.wait({task}, timeout=SILENT_S)
            if not done and (stopped := await self._stopped()) is not None:
                raise stopped
            return await task
        except SourceDown as down:
            stopped = await self._stopped() if down.state is SourceState.HUNG else None
            raise stopped or down from None
        finally:
            await call_off(task)

    def _port_is_foreign(self) -> bool:
        watch = self._watch
        sends = watch.token is not None or watch.kind == "openclaw"  # openclaw: the token of a device
        port = urlsplit(watch.url).port if sends and is_loopback(watch.url) and not is_encrypted(watch.url) else None
        return port is not None and is_listened_to_by_others(port)

    async def _stopped(self) -> SourceDown | None:
        port = urlsplit(self._watch.url).port
        pid = None if port is None else await in_thread(stopped_holder_of, port)
        if pid is None:
            return None
        fix = f"`kill -CONT {pid}` lets it go on; else restart it"
        return SourceDown(SourceState.HUNG, f"its process {pid} is stopped", fix)

    async def _look(self, version: str | None = None) -> None:
        """Read its sessions and store those that changed. ``version``: given just after connecting, and stored with
        them. Raises SourceDown."""
        async with self._looking:
            rows = {row.key: row for row in await self._answered(self._adapter.list)}
            if version is not None:
                self._down = None  # before that is stored: who reads "connected" may request to free a session
            await self._keep(rows, version, from_files=False)

    async def _keep(self, rows: dict[str, Sighting], version: str | None = None, *, from_files: bool) -> None:
        changed = [row for row in rows.values() if _differs(self._kept.get(row.key), row)]
        whole = self._whole or bool(self._kept.keys() - rows.keys())
        if not (changed or whole or version is not None):
            return
        owner, now = self._owner(), self._clock()
        every = list(rows.values()) if whole else changed

        def step(tx: Transaction) -> bool:
            if version is not None and owner is not None:
                doors.note_source(tx, self.name, owner, SourceState.CONNECTED, now, version=version)
            return owner is not None and doors.keep_sightings(
                tx, self.name, owner, every, now, from_files=from_files, whole=whole
            )

        if not await self._store.write(step):
            raise SourceDown(SourceState.UNREACHABLE, "another process watches it")
        self._whole = False
        self._kept = {key: self._kept[key] for key in self._kept.keys() & rows.keys()} | {row.key: row for row in every}

    async def _judge(self, rows: Sequence[Sighting]) -> None:
        """Warn about silent sessions, and free those that are silent for longer than ``auto_abort_after``."""
        watch = self._watch
        held = {row.key: row for row in rows if row.held and (row.last_sign or row.since) is not None}
        self._quiet = {key: quiet for key, quiet in self._quiet.items() if key in held}
        for row in held.values():
            silent = await self._silence(row)
            warn = watch.warn_silent_after_ms is not None and silent >= watch.warn_silent_after_ms
            frees = watch.auto_abort_after_ms is not None and silent >= watch.auto_abort_after_ms
            if warn or frees:
                await self._act_on_silence(row, silent, frees=frees)

    async def _silence(self, row: Sighting) -> int:
        """How long a session has shown no sign of life (ms), by the clock of this process: that of its gateway may be
        wrong, or be set. Silence before this process watched counts from when the same runs were last stored."""
        now, last, before = self._clock(), row.last_sign or row.since, self._quiet.get(row.key)
        if before is None:
            stored = await self._store.read(reads.sighting(self.name, row.key))
            known = 0 if stored is None or stored.seen.runs != row.runs else now.wall - stored.changed_at
            claimed = 0 if last is None else now.wall - last
            before = Quiet(row.runs, last, now.mono - max(0, min(known, claimed)))
        elif before[:2] != (row.runs, last):
            before = Quiet(row.runs, last, now.mono)
        self._quiet[row.key] = before
        return now.mono - before.mono

    async def _act_on_silence(self, row: Sighting, silent: int, *, frees: bool) -> None:
        stored, now, owner = await self._store.read(reads.sighting(self.name, row.key)), self._clock(), self._owner()
        if stored is None or owner is None or stored.seen.runs != row.runs:
            return
        epoch = stored.epoch

        def step(tx: Transaction) -> None:
            about = {"silent_ms": silent, "runs": list(row.runs)}
            doors.warn_silent(tx, self.name, row.key, epoch, now, about)
            if frees:
                reason = f"no sign of life for {silent // 1000} s"
                doors.free_by_itself(tx, self.name, row.key, epoch, now, owner=owner, reason=reason)

        if epoch not in (stored.warned_epoch, stored.freed_epoch) or (frees and stored.freed_epoch != epoch):
            await self._store.write(step)

    # ------------------------------------------------------------------------------- its state

    async def _note_down(self, down: SourceDown) -> None:
        self._down = down
        await self._adapter.close()
        await self._note(down.state, why=down.why, fix=down.fix or None)
        if down.state is SourceState.HUNG and (rows := await in_thread(self._offline)) is not None:
            self._kept, self._whole = {}, True
            await self._keep({row.key: row for row in rows}, from_files=True)

    def _offline(self) -> Sequence[Sighting] | None:
        """Its sessions from its files; None if these do not tell."""
        try:
            return self._adapter.offline()
        except SourceDown as unknown:
            log.info("%s: %s", self.name, unknown)
        except Exception as error:
            self._failed(error)
        return None

    def _failed(self, error: Exception) -> SourceDown:
        """Log that its adapter failed, which is a fault in lanes; the gateway then counts as ``foreign``."""
        log.error("the adapter of %s failed", self.name, exc_info=error)
        return SourceDown(SourceState.FOREIGN, f"its adapter failed: {type(error).__name__}")

    async def _note(self, state: SourceState, **about: str | None) -> None:
        owner, now = self._owner(), self._clock()
        if owner is not None:
            await self._store.write(lambda tx: doors.note_source(tx, self.name, owner, state, now, **about))

    # --------------------------------------------------------------------------------- requests

    async def _requests(self) -> None:
        """Carry out the requests to free sessions, each in a separate task."""
        while True:
            mark = self._changes.mark()
            owner = self._owner()
            try:
                if owner is not None and self._mine and await self._store.read(reads.has_freeings(self.name, owner)):
                    now = self._clock()
                    requests = await self._store.write(lambda tx: doors.take_freeings(tx, self.name, owner, now))  # noqa: B023
                    for request in requests:
                        kept(self._freeings, self._free(request), f"lanes-freeing-{request.id}")
            except StorageError as error:
                log.warning("requests to free lanes of %s cannot be read: %s", self.name, error)
            await self._changes.wait(1.0, mark)

    async def _free(self, request: Freeing) -> None:
        freed = await self._freed(request)
        now = self._clock()
        steps = [step.to_json() for step in freed.steps]

        def end(tx: Transaction) -> None:
            doors.end_freeing(tx, request.id, freed.outcome, steps, now)

        await _write_until_stored(self._store, end, f"the outcome of freeing {request.key!a}")  # somebody waits for it

    async def _freed(self, request: Freeing) -> ladder.Freed:
        await self._tried.wait()
        try:
            if self._down is not None:
                raise self._down
            await self._look()
            row = await self._store.read(reads.sighting(self.name, request.key))
            if row is None or not (row.seen.held or request.reset):
                return ladder.Freed(Outcome.NOT_HELD)
            if row.epoch != request.epoch:
                return ladder.Freed(Outcome.CHANGED)
            freed = await ladder.free(self._adapter, row.seen, reset=request.reset)
            with contextlib.suppress(SourceDown, StorageError):  # whether this read fails or not, the outcome is proven
                await self._look()
        except SourceDown as down:
            return ladder.unreachable(down)
        except Exception as error:
            return ladder.unreachable(self._failed(error))
        return freed


async def _write_until_stored(store: AsyncStore, step: Step[Any], subject: str) -> None:
    """Write, and try again until the database takes it."""
    while True:
        try:
            await store.write(step)
            return
        except StorageError as error:
            log.warning("%s is not stored yet: %s", subject, error)
            await asyncio.sleep(LEASE_S)


def _differs(before: Sighting | None, now: Sighting) -> bool:
    if before is None or before._replace(last_sign=None) != now._replace(last_sign=None):
        return True
    return (now.last_sign or 0) - (before.last_sign or 0) >= SIGN_MS


@asynccontextmanager
async def watching(watcher: Watcher) -> AsyncIterator[None]:
    """Watch during a block."""
    task = asyncio.create_task(watcher.run(), name="lanes-watcher")
    try:
        yield
    finally:
        await call_off(task)
