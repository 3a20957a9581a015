"""The dispatcher: claims claimable heads, the longest wait first.

The conditions of the database (released, not paused, not parked, not bound elsewhere) are in the statement of the
candidates. The conditions of this gateway (has the runner, a slot is free, a provider is available, few enough
suspects) are decided here. The ``backlog`` chooses heads to try without the write lock; the transaction of the claim
checks them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from lanes.engine.dispatch.backlog import Backlog, QueueKind
from lanes.engine.dispatch.collecting import Debounce
from lanes.engine.dispatch.policies import Policies
from lanes.engine.dispatch.providers import ProviderWatch
from lanes.engine.dispatch.slots import FreeSlots, SkippedHeads
from lanes.engine.dispatch.wallclock import WallClock
from lanes.engine.runs.drains import LOST, cut_one
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.host import descriptors
from lanes.runners.base import RunnerSpec
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, Step, Transaction, carry_out, within
from lanes_storage.law import MAX_INTERRUPTIONS, MAX_SUSPECTS, MessageState
from lanes_storage.logs import Log
from lanes_storage.records import Head, WaitingLane
from lanes_storage.threads import set_within, to_its_end

log = Log("lanes.dispatcher")
T = TypeVar("T")

#: The longest time until a claimable lane is checked.
TICK_S, TICK_MS = 0.1, 100
#: The same while nothing waits: then only a commit makes a lane claimable, and every commit wakes the dispatcher.
IDLE_S = 1.0
#: Claims per transaction, so that other writers get the lock in between.
PAGE = 64
#: Seconds between two retries while the database fails, and milliseconds between two lines of the log about it.
REFUSED_S, COMPLAIN_EVERY_MS = 0.5, 5_000


class Dispatcher:
    """The claiming loop of one gateway. For the event loop."""

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
        self._bound_only = bound_only  # claims only messages that are bound to its owner
        self._debounce = Debounce()
        self._claimed: list[ActiveRun] = []  # by the transaction that began last
        self._skipped = SkippedHeads()
        self._singly = False  # after a set of claims that raised
        self._wall = WallClock(store)
        self._providers = ProviderWatch(store, specs, owner)
        self._backlog = Backlog(store, owner, self._runner_of, policies.priority if policies.prioritized else None)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._is_open = is_open  # False while draining: nothing is claimed
        self.ticked_at = clock().mono
        self._silent_until = -1
        self.looks = 0  # completed rounds: tests that move the clock wait for them

    def wake(self) -> None:
        """Start a round at once. From the event loop."""
        self._wake.set()

    def wake_threadsafe(self) -> None:
        """Start a round at once. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing is claimed any more
            self._loop.call_soon_threadsafe(self._wake.set)

    def _refused(self, error: StorageError) -> None:
        """Log the error, but only once in a while, as it may last for hours. The upkeep logs a replaced file."""
        now = self._clock().mono
        if not isinstance(error, DatabaseReplaced) and now > self._silent_until:
            self._silent_until = now + COMPLAIN_EVERY_MS
            log.warning("nothing can be claimed at the moment: %s", error)

    async def run(self) -> None:
        """Claim until cancelled. While the database fails, it retries."""
        woken = True
        while True:
            try:
                # Before each look: a wake-up during one may be about something that the look has already passed.
                self._wake.clear()
                while self._is_open() and await self.run_once(woken=woken):
                    self._wake.clear()
                    woken = True
            except StoreClosed:
                return
            except StorageError as error:
                self._refused(error)
                await asyncio.sleep(REFUSED_S)
            except Exception:  # for example, a policy that raises: it must not stop the dispatcher
                log.exception("claiming failed; it will be retried")
                await asyncio.sleep(REFUSED_S)
            self.looks += 1
            self.ticked_at = self._clock().mono
            woken = await set_within(self._wake, IDLE_S if self._backlog.empty else TICK_S)

    async def run_once(self, *, woken: bool = False) -> int:
        """Claim everything that is claimable now, page by page, and start the runs; returns their number.

        ``woken``: something was committed since the last round.

        A cancelled caller still waits for a submitted claim: its runs are started, not left unstarted.
        """
        now = self._clock()
        self.ticked_at = now.mono
        if self._bound_only:
            if not await self._store.read(reads.claimable(self._owner(), now.wall, bound_only=True)):
                return 0  # found without the write lock
            claiming = self._claim_bound()
        else:
            await self._wall.look(now)
            await self._providers.look(now)
            await self._backlog.look(now, woken=woken)
            if not self._backlog.anything:
                return 0
            claiming = self._claim_chosen(now)
        return await to_its_end(claiming)

    def _slots(self) -> dict[str, int]:
        """The free slots of each runner, at most as many as its providers have places. A runner that could start no
        process a moment ago is left out."""
        return {
            spec.name: min(spec.max_runs - self._live.of_runner(spec.name), self._providers.room(spec))
            for spec in self._specs.values()
            if not self._live.has_no_process(spec.name)
        }

    # ------------------------------------------------------------------------------- heads of a gateway

    async def _claim_chosen(self, now: Now) -> int:
        started, kept = 0, list[tuple[int, QueueKind]]()
        try:
            while self._is_open():
                self.ticked_at = self._clock().mono
                slots, resting, suspects = self._slots(), self._providers.resting, 0
                limit = min(PAGE, descriptors.room(len(self._live)))
                if limit <= 0:
                    break
                open_ = [name for name, left in slots.items() if left > 0 and name not in resting]
                if not await self._backlog.reach(now, open_):
                    self._wake.set()  # claim what was found so far; then the scan continues at once
                if self._backlog.suspects:
                    suspects = MAX_SUSPECTS - await self._store.read(reads.suspects_running())
                chosen = self._backlog.choose(slots, suspects, limit, resting)
                if not chosen:
                    break
                room = None
                try:
                    room = await self._written(partial(self._claim_page, chosen=[*chosen]))
                finally:
                    if room is None:
                        self._backlog.put_back(chosen.items())
                if room is None:
                    continue
                self._providers.note(room)
                kept += [(head, chosen[head]) for head in room.kept]
                for at, lane in room.later:
                    self._backlog.look_later(at, lane)
                for run in room.runs:
                    self._start(run)
                started += len(room.runs)
        finally:
            self._backlog.put_back(kept)
        return started

    def _claim_page(self, tx: Transaction, chosen: list[int]) -> FreeSlots:
        """Claim those of the chosen heads that are still claimable."""
        now = self._clock()
        room = self._room(tx, now)
        room.left = descriptors.room(len(self._live))
        if self._is_open():
            self._claim(tx, doors.candidates_among(tx, self._owner(), now, chosen), room, now)
        else:  # a drain began while this transaction waited for its turn
            room.kept += chosen
        return room

    def _claim(self, tx: Transaction, heads: Sequence[Head], room: FreeSlots, now: Now) -> None:
        """Claim the heads as one set; after a set that raised, one by one, to find the head that raised."""
        for head in heads:
            if self._skipped.may_claim(head, now.mono):
                self._decide(tx, head, room, now)
            else:
                room.later.append((now.wall + TICK_MS, head.lane_id))
            if self._singly:
                self._take(tx, room, now)
        self._skipped.current = None
        self._take(tx, room, now)

    async def _written(self, claiming: Step[T]) -> T | None:
        """Run a transaction that claims. Returns None if one of its heads raised: the others can be claimed at once."""
        try:
            result = await self._store.write(claiming)
        except BaseException as error:
            await self._give_back(error)
            if isinstance(error, StorageError) or not isinstance(error, Exception) or not self._try_again():
                raise
            return None
        finally:
            self._claimed = []  # the live runs hold them; forget those that have ended
        self._singly = False
        return result

    def _try_again(self) -> bool:
        """Whether a retry can succeed after an error that was not the store's: without the head that raised, or one
        by one to find it. Called in an exception handler."""
        skipped = self._skipped.skip(self._clock().mono)
        again = skipped or not self._singly
        self._singly = not skipped
        return again

    async def _give_back(self, error: BaseException) -> None:
        """Give back runs that may have been claimed although their transaction failed: they are registered as live, and
        released before they start, so that their messages go back to their places. A replaced file may come back; a
        claim whose event loop ends may still commit."""
        if isinstance(error, DatabaseReplaced):
            for run in self._claimed:
                self._live.join(run)
        elif isinstance(error, asyncio.CancelledError):
            with contextlib.suppress(StorageError):
                await self._store.write(doors.touch)  # after it: then the outcome is known
        else:
            return
        reason = LOST if isinstance(error, DatabaseReplaced) else "its event loop ended"
        claimed, self._claimed = self._claimed, []
        for run in claimed:
            if self._live.get(run.id) is run:
                cut_one(run, reason, self._clock())
                self._start(run)

    def _room(self, tx: Transaction, now: Now) -> FreeSlots:
        """The free slots with which a page of claims begins."""
        self._skipped.current = None
        room = FreeSlots(self._providers.view_in(tx, now), within(tx, reads.suspects_running()))
        self._claimed = room.runs
        return room

    # --------------------------------------------------------------------------------- heads of a desk

    async def _claim_bound(self) -> int:
        started = 0
        after: int | None = 0
        while after is not None:
            self.ticked_at = self._clock().mono
            claimed = await self._written(partial(self._claim_bound_page, after=after))
            if claimed is None:
                continue
            runs, after = claimed
            for run in runs:
                self._start(run)
            started += len(runs)
        return started

    def _claim_bound_page(self, tx: Transaction, after: int) -> tuple[list[ActiveRun], int | None]:
        """Claim messages bound to this owner after ``after``. Returns the claims, and where to continue."""
        now = self._clock()
        room = self._room(tx, now)
        if not self._is_open():
            return room.runs, None
        heads = doors.candidates(tx, self._owner(), now, after=after, limit=PAGE, bound_only=True)
        self._claim(tx, heads, room, now)
        return room.runs, heads[-1].message_id if len(heads) == PAGE else None

    # --------------------------------------------------------------------------------------- one head

    def _decide(self, tx: Transaction, head: Head, room: FreeSlots, now: Now) -> None:
        """Claim the head, or decide what happens to it."""
        spec = self._spec_of(head)
        if spec is None and self._bound_only:  # the code that took this place has ended without giving it up
            doors.end_bound(tx, head.message_id, now, actor=f"owner:{self._owner()}", reason="its caller is gone")
        if spec is None:
            return
        suspect = head.interruptions >= MAX_INTERRUPTIONS - 1
        slots = room.slots.setdefault(spec.name, spec.max_runs - self._live.of_runner(spec.name))
        full = room.left <= 0 or slots <= 0
        if full or (suspect and room.suspects >= MAX_SUSPECTS):
            room.kept.append(head.message_id)
            return
        terms = self._policies.terms(head, spec)
        choice = self._providers.choose(spec, room, tried=head.tried)
        if choice.until is not None:
            retry = self._policies.retry(head.key)
            most, waits_for = terms.max_park_ms, spec.providers
            if doors.postpone(tx, head, choice.until, most, now, retry, providers=waits_for) is MessageState.QUEUED:
                room.cooled[spec.name] = (choice.until, room.cooled.get(spec.name, (choice.until, 0))[1] + 1)
            return
        if choice.full:
            room.kept.append(head.message_id)
            return
        members = self._together(tx, head, now)
        if not members:
            room.later.append((now.wall + TICK_MS, head.lane_id))
            return
        budgets = self._policies.budgets(head.key)
        if budgets and (over := doors.exhausted(tx, head.lane_id, budgets, now)) is not None:
            self._take(tx, room, now)  # before the session is paused: a claim decided earlier may be of the same one
            doors.refuse_over(tx, head, over, now)
            return
        doors.spend(tx, head.lane_id, budgets, now, runs=1)
        place = choice.provider if choice.limited else None
        how: dict[str, Any] = {"members": members, "provider": place}
        room.claims.append((spec, doors.claim(head, self._owner(), spec.name, spec.kind, terms, now, **how)))
        if place is not None:
            room.places[place] += 1
        room.slots[spec.name] -= 1
        room.left -= 1
        room.suspects += suspect

    def _take(self, tx: Transaction, room: FreeSlots, now: Now) -> None:
        """Execute the decided claims, as one set."""
        claims, room.claims = room.claims, []
        for (spec, _), claimed in zip(claims, carry_out(tx, [claim for _, claim in claims]), strict=True):
            if claimed is not None:
                self._debounce.forget(claimed.message.lane_id, now)
                run = ActiveRun(claimed, spec, self._owner(), self._store, self._clock, self._loop)
                run.retry, run.budgets = self._policies.retry(run.key), self._policies.budgets(run.key)
                self._live.join(run)
                tx.on_rollback(partial(self._live.leave, run))
                room.runs.append(run)

    def _together(self, tx: Transaction, head: Head, now: Now) -> list[int]:
        """The messages to answer in one run, ``head`` first; none while more may come."""
        quiet_ms = self._policies.collects(head.key) if head.batch is None else None
        if head.batch is None and quiet_ms is None:
            return [head.message_id]
        waiting = doors.collectable(tx, head)
        collects = quiet_ms is not None and waiting[0].text is not None and waiting[0].bound_to is None
        if collects and not self._debounce.over(head.lane_id, waiting, quiet_ms or 0, now):
            return []
        return [message.id for message in waiting]

    def _runner_of(self, head: WaitingLane) -> str | None:
        """The runner that a head waits for, if this gateway has it."""
        try:
            spec = self._spec_of(head)
        except Exception:  # a policy that raises: the claim will raise again, and then this head is skipped for a while
            return next(iter(self._specs), None)
        return None if spec is None else spec.name

    def _spec_of(self, head: Head | WaitingLane) -> RunnerSpec | None:
        """The runner of a message: the one it names, else that of its lane. Returns None if this gateway does not have
        it."""
        if head.runner is not None:
            return self._specs.get(head.runner)
        name = self._policies.runner_of(head.key)
        return self._specs.get(name) if name is not None else next(iter(self._specs.values()), None)
