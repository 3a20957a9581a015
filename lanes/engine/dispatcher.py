"""The dispatcher: claims what is claimable, the head that has waited longest first.

What the database alone decides (released, not paused, not parked, not bound elsewhere) is in the statement of
the candidates; what this gateway decides (has the runner, a slot is free, a provider is available, few enough
suspects) is decided here, in the same transaction as the claim.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from lanes import descriptors
from lanes.engine.aside import Aside
from lanes.engine.collecting import Debounce
from lanes.engine.live import ActiveRun, LiveSet
from lanes.runners.base import RunnerSpec
from lanes_storage import doors, reads
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, Transaction
from lanes_storage.law import MAX_INTERRUPTIONS, MAX_SUSPECTS
from lanes_storage.moment import Clock, Now
from lanes_storage.records import Head, Terms

log = logging.getLogger("lanes.dispatcher")

#: The longest time that a claimable lane waits for somebody to look.
TICK_S = 0.1
#: Claims made, and heads looked at, in one transaction, so that others get the write lock in between.
PAGE = 64
LOOKED_AT = 256
#: Between two attempts while the database refuses.
REFUSED_S = 0.5


class Policies(Protocol):
    """What the configuration decides per lane."""

    def runner_of(self, key: str) -> str | None:
        """The name of the runner of a lane; None: the default one."""
        ...

    def collects(self, key: str) -> int | None:
        """How long, in milliseconds, texts of a lane have to be quiet to be answered together; None: one by one."""
        ...

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        """The limits and policies that a run for this head by that runner is claimed under."""
        ...


class Dispatcher:
    """The claiming loop of one gateway. Belongs to the event loop."""

    def __init__(
        self,
        store: AsyncStore,
        clock: Clock,
        owner: Callable[[], int],
        specs: Mapping[str, RunnerSpec],
        policies: Policies,
        live: LiveSet,
        start: Callable[[ActiveRun], None],
        *,
        is_open: Callable[[], bool] = lambda: True,
        bound_only: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._specs = specs
        self._policies = policies
        self._live = live
        self._start = start
        self._bound_only = bound_only  # claims only what is bound to its owner
        self._debounce = Debounce()
        self._aside = Aside()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._is_open = is_open  # False while draining: nothing is claimed
        self.ticked_at = clock().mono

    def wake(self) -> None:
        """Look at once. From the event loop."""
        self._wake.set()

    def wake_threadsafe(self) -> None:
        """Look at once. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing claims any more
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Claim until cancelled. A database that refuses is waited for."""
        while True:
            try:
                while self._is_open() and await self.run_once():
                    pass
            except StoreClosed:
                return
            except StorageError as error:
                if not isinstance(error, DatabaseReplaced):  # of which the upkeep tells, once
                    log.warning("nothing can be claimed at the moment: %s", error)
                await asyncio.sleep(REFUSED_S)
            except Exception:  # a policy that raises, say: it must not end the claiming for good
                log.exception("claiming failed; it goes on")
                await asyncio.sleep(REFUSED_S)
            self.ticked_at = self._clock().mono
            self._wake.clear()
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def run_once(self) -> int:
        """Claim what is claimable now, page by page to its end, and start it; returns how many runs that were.

        A claim that was handed in is waited for also by who is cancelled: what it took is started, not left behind.
        """
        now = self._clock()
        self.ticked_at = now.mono
        if not await self._store.read(reads.claimable(self._owner(), now.wall, bound_only=self._bound_only)):
            return 0  # found without the write lock
        claiming = asyncio.ensure_future(self._claim_and_start())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.gather(claiming, return_exceptions=True)
            raise

    async def _claim_and_start(self) -> int:
        started = 0
        after: int | None = 0
        while after is not None:
            self.ticked_at = self._clock().mono
            try:
                runs, after = await self._store.write(partial(self._claim_page, after=after))
            except StorageError:
                raise
            except Exception:  # of the head that was being claimed: nothing was committed, the others go on
                if not self._aside.put(self._clock().mono):
                    raise
                continue
            for run in runs:
                self._start(run)
            started += len(runs)
        return started

    def _claim_page(self, tx: Transaction, after: int) -> tuple[list[ActiveRun], int | None]:
        """Walk the candidates behind ``after`` until a page is claimed or enough was looked at.

        Returns what was claimed, and where to go on: None where no slot is left, or there are no more.
        """
        now, runs, looked_at = self._clock(), list[ActiveRun](), 0
        self._aside.in_hand = None
        if not self._is_open():  # it was closed while this waited for its turn
            return runs, None
        slots = {spec.name: spec.max_runs - self._live.of_runner(spec.name) for spec in self._specs.values()}
        room = _Room(slots, {c.provider: c.until for c in doors.cooling(tx, now)}, doors.suspects_running(tx))
        room.runs = sys.maxsize if self._bound_only else descriptors.room(len(self._live))
        while self._bound_only or (room.runs > 0 and any(left > 0 for left in slots.values())):
            heads = doors.candidates(tx, self._owner(), now, after=after, limit=PAGE, bound_only=self._bound_only)
            for head in heads:
                run = self._claim(tx, head, room, now) if self._aside.takes_up(head, now.mono) else None
                if run is not None:
                    runs.append(run)
            self._aside.in_hand = None
            if len(heads) < PAGE:
                return runs, None
            after, looked_at = heads[-1].message_id, looked_at + len(heads)
            if len(runs) >= PAGE or looked_at >= LOOKED_AT:
                return runs, after
        return runs, None

    def _claim(self, tx: Transaction, head: Head, room: "_Room", now: Now) -> ActiveRun | None:
        spec = self._spec_of(head)
        if spec is None and self._bound_only:  # whoever took this place has left without giving it up
            doors.end_bound(tx, head.message_id, now, actor=f"owner:{self._owner()}", why="its caller is gone")
        if spec is None or room.runs <= 0 or room.slots.setdefault(spec.name, spec.max_runs) <= 0:
            return None
        suspect = head.interruptions >= MAX_INTERRUPTIONS - 1
        if suspect and room.suspects >= MAX_SUSPECTS:
            return None
        terms = self._policies.terms(head, spec)
        until = room.cooling_until(spec)
        if until is not None:
            doors.postpone(tx, head, until, terms.max_park_ms, now)
            return None
        members = self._together(tx, head, now)
        if not members:
            return None
        owner = self._owner()
        claimed = doors.claim(tx, head, owner, spec.name, spec.kind, terms, now, members=members)
        if claimed is None:
            return None
        self._debounce.forget(head.lane_id, now)
        room.slots[spec.name] -= 1
        room.runs -= 1
        room.suspects += suspect
        run = ActiveRun(claimed, spec, owner, self._store, self._clock, self._loop)
        self._live.join(run)
        tx.on_rollback(lambda: self._live.leave(run))
        return run

    def _together(self, tx: Transaction, head: Head, now: Now) -> list[int]:
        """The messages to answer in one run, ``head`` the first of them; none while more may come."""
        quiet_ms = self._policies.collects(head.key) if head.batch is None else None
        if head.batch is None and quiet_ms is None:
            return [head.message_id]
        waiting = doors.collectable(tx, head)
        collects = quiet_ms is not None and waiting[0].text is not None and waiting[0].bound_to is None
        if collects and not self._debounce.over(head.lane_id, waiting, quiet_ms or 0, now):
            return []
        return [message.id for message in waiting]

    def _spec_of(self, head: Head) -> RunnerSpec | None:
        """The runner of a message: the one it names, else the one of its lane. None: this gateway lacks it."""
        if head.runner is not None:
            return self._specs.get(head.runner)
        name = self._policies.runner_of(head.key)
        return self._specs.get(name) if name is not None else next(iter(self._specs.values()), None)


class _Room:
    """What is left to claim with, while one page is claimed."""

    def __init__(self, slots: dict[str, int], cooling: dict[str, int], suspects: int) -> None:
        self.slots = slots
        self.suspects = suspects
        self.runs = sys.maxsize  # of all runners together
        self._cooling = cooling

    def cooling_until(self, spec: RunnerSpec) -> int | None:
        """When the first provider of a runner is available again; None: one is now."""
        untils = [self._cooling.get(provider) for provider in spec.providers]
        waits = [until for until in untils if until is not None]
        return min(waits) if waits and len(waits) == len(untils) else None
