"""The health of providers: what one process learns from its attempts, stored for all gateways of the database.

With healthy providers a run costs one point read and no transaction: only changes are written, and counts are written
together every few seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from lanes.config.declared.model import ProviderConfig
from lanes.explain.phrases import counted
from lanes.runners.base import RunContext
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers.judge import OF_ONE_OR_ALL, AtFault, ProviderEvidence, doubtful, judge
from lanes.runners.providers.places import OTHERS_FIRST_MS, ProviderLine, ProviderView, needs_places
from lanes_storage import doors, reads
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore, Transaction, within
from lanes_storage.law import AttemptCause
from lanes_storage.logs import Log
from lanes_storage.records import ProviderCounts, ProviderRefusal, ProviderRow
from lanes_storage.threads import kept

log = Log("lanes.providers")
T = TypeVar("T")

#: How many milliseconds a provider that failed is tried last. Another failure extends that only in its second half, to
#: save writes.
LAST_MS = 30_000
#: A failure within this many milliseconds after an answer belongs to the same spell.
SPELL_MS = 60_000
#: How many milliseconds a message that waits alone waits at most, unless the provider asks for more: less than a
#: minute, so that it does not miss the moment in which a limit per minute begins again.
OWN_WAIT_MS = 30_000
#: How many milliseconds a message waits after a refusal without a Retry-After whose cooldown could not be stored.
UNSTORED_MS = 1_000
#: Seconds between two checks by the first run in line for a place.
LOOK_S = 0.1
#: For how many seconds a run in line announces to be busy: longer than it may wait.
IN_LINE_S = 86_400.0
#: Seconds between two writes of the counts.
COUNTED_EVERY_S = 5.0


@dataclass(slots=True)
class Spell:
    """A period in which a provider fails. If it fails again soon after an answer (``again``), the spell ends only once
    it has not failed for a while: otherwise each failure and each answer would be reported."""

    since: int  # by this process's monotonic clock, as all of these
    failed_at: int
    failures: int = 0
    again: bool = False
    over_at: int | None = None


@dataclass(slots=True)
class ProviderRequest:
    """A request of a run to a provider. ``view`` is from before it was sent, ``since`` when that was (monotonic
    clock)."""

    run: int
    provider: ProviderConfig
    view: ProviderView
    since: int
    noting: asyncio.Task[None] | None = None  # stores that its answer has begun


class ProviderHealth:
    """Shared by all provider runners of a process. No run fails because the database does: then providers count as
    healthy, and a warning names what could not be stored."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self.clock = clock
        self._store = store
        self._lines: dict[str, ProviderLine] = {}
        self._requested_by: dict[str, set[int]] = {}  # runs here that ask a provider, not noted there yet
        self._spells: dict[str, Spell] = {}
        self._doubted = set[str]()  # providers that gave a run here a doubtful refusal, and none an answer since
        #: How often each provider was asked, by outcome: ``answered``, or the cause of the failure.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._counted: dict[str, ProviderCounts] = {}  # not stored yet
        self._counting: asyncio.Task[None] | None = None
        self._noting: set[asyncio.Task[None]] = set()  # answers that have begun

    def line(self, provider: ProviderConfig) -> ProviderLine:
        """The line of a provider."""
        line = self._lines.get(provider.name)
        if line is None or not line.is_of(provider):
            line = self._lines[provider.name] = ProviderLine.of(provider)
        return line

    async def look(self, providers: Iterable[ProviderConfig]) -> ProviderView:
        """What is known of these providers now."""
        now = self.clock()
        try:
            rows = await self._store.read(reads.providers())
            counts = needs_places(map(self.line, providers), rows, now)
            return ProviderView(rows, await self._store.read(reads.places_taken(now)) if counts else {}, now)
        except StorageError as error:
            log.warning("the health of providers cannot be read, every provider is asked all the same: %s", error)
            return ProviderView({}, {}, now)

    def failing(self, provider: str) -> bool:
        """Whether the last known result of a provider is a failure that the provider caused."""
        spell = self._spells.get(provider)
        return spell is not None and spell.over_at is None

    # ----------------------------------------------------------------------------------------- places

    async def take(self, run: RunContext, provider: ProviderConfig | None) -> bool:
        """Give the run a place at this provider, in exchange for the one that it has; None: only leave that. Mostly the
        run has its place since its claim. Returns False if none is free."""
        name, now = None if provider is None else provider.name, self.clock()

        def step(tx: Transaction) -> bool:
            if provider is None:
                doors.leave_place(tx, run.id)
                return True
            line = self.line(provider)
            how: dict[str, Any] = {"max_requests": line.max_requests, "fingerprint": line.fingerprint}
            return doors.take_place(tx, run.id, line.name, now, **how)

        try:
            return await self._store.read(reads.place_of(run.id)) == name or await self._store.write(step)
        except StorageError as error:
            log.warning("the place of a run at a provider cannot be stored: %s", error)
            return True

    async def turn(self, run: RunContext, provider: ProviderConfig) -> None:
        """Stand in line at a provider until the run has a place there, or the provider cools. That is no stall. The
        place that the run has elsewhere is left first, so that two runs never wait for each other's places."""
        await self.take(run, None)
        line = self.line(provider)
        line.waiting += 1
        run.busy(IN_LINE_S, f"waiting for its turn at provider {provider.name}")
        try:
            async with line.turn:
                while True:
                    place = (await self.look([provider])).place(line)
                    if place.until is not None or await self.take(run, provider if place.free is not None else None):
                        return
                    await asyncio.sleep(LOOK_S)
        finally:
            line.waiting -= 1
            run.busy(0, f"it is its turn at provider {provider.name}")

    # ---------------------------------------------------------------------------------- what was learned

    @contextmanager
    def requesting(self, run: RunContext, provider: ProviderConfig, view: ProviderView) -> Iterator[ProviderRequest]:
        """The block in which the run asks a provider."""
        here = self._requested_by.setdefault(provider.name, set())
        here.add(run.id)
        try:
            yield ProviderRequest(run.id, provider, view, self.clock().mono)
        finally:
            here.discard(run.id)

    def began(self, request: ProviderRequest) -> asyncio.Task[None]:
        """Remember that a provider has begun to answer: it does not refuse, however long the answer takes. Returns the
        task that stores that."""
        if request.noting is None:
            request.noting = kept(self._noting, self._begun(request), "lanes-provider-answers")
        return request.noting

    async def failed(
        self, run: RunContext, provider: ProviderConfig, failure: AttemptFailed, before: ProviderView
    ) -> int | None:
        """Judge a failure, and store what follows; returns until when the message waits for this provider (wall time,
        ms), None if it does not wait. ``before``: what was known when the provider was asked."""
        name, line = provider.name, self.line(provider)
        self._count(name, failure.cause, ProviderCounts(failures={str(failure.cause): 1}))
        view = await self.look(())
        row = view.row(line)
        several = doubtful(failure) and await self._doubt(run, line, failure)
        known = await self._evidence(run, view, line, failure, several=several)
        known = known._replace(down=before.down(line) and view.down(line))
        judgement = judge(failure, known)
        if judgement.fault is AtFault.OWN:
            return None
        await self._spell(name, failure)
        if judgement.fault is AtFault.FAILS:
            await self._try_last(line, row, failure)
            return None
        if judgement.fault is AtFault.WAITS:
            return await self._wait(run, line, min(judgement.for_ms or 0, provider.max_cooldown_ms), known)
        of_one = failure.cause is AttemptCause.RATE_LIMITED or failure.cause in OF_ONE_OR_ALL
        refusal = ProviderRefusal(
            failure.cause, failure.message, judgement.for_ms, int(run.message.id) if of_one else None
        )
        until = await self._cool(run, line, refusal, provider.max_cooldown_ms)
        return None if judgement.fault is AtFault.STAYS else until

    async def answered(self, request: ProviderRequest) -> None:
        """Remember that a provider answered."""
        name = request.provider.name
        self._count(name, "answered", ProviderCounts(1, self.clock().mono - request.since))
        if self.failing(name):
            await self._over(name)
        await self.began(request)

    async def _begun(self, request: ProviderRequest) -> None:
        """Store that an answer has begun, if that changes anything. A cooldown that another run caused meanwhile
        stays."""
        name, line = request.provider.name, self.line(request.provider)
        row, wall = request.view.row(line), self.clock().wall
        doubts = row.doubted is not None or name in self._doubted
        if row.answering(wall, request.view.taken_at(line)) == row and not doubts:
            return
        self._doubted.discard(name)
        now = self.clock()
        step = partial(doors.answered, provider=name, now=now, fingerprint=line.fingerprint, run=request.run)
        await self._write(step, "the answer", name)

    async def aclose(self) -> None:
        """Store what was learned and counted."""
        await asyncio.gather(*self._noting)
        if self._counting is not None:
            self._counting.cancel()
            await self._store_counts()

    async def _doubt(self, run: RunContext, line: ProviderLine, failure: AttemptFailed) -> bool:
        """Store a doubtful refusal, for every gateway; returns whether another lane got one, too, and none was served
        since. The first one of a provider that has answered nobody here is logged: its settings may be wrong."""
        if line.name not in self._doubted and not self.outcomes[line.name, "answered"]:
            name, message = ascii(line.name), ascii(failure.message)
            log.warning("provider %s refuses its first request (%s: %s)", name, failure.cause, message)
        self._doubted.add(line.name)
        noted = await self._write(
            lambda tx: doors.doubt(tx, line.name, run.key, failure.message, fingerprint=line.fingerprint),
            "a refusal",
            line.name,
        )
        return bool(noted)

    async def _evidence(
        self, run: RunContext, view: ProviderView, line: ProviderLine, failure: AttemptFailed, *, several: bool
    ) -> ProviderEvidence:
        row = view.row(line)
        last = row.refused == int(run.message.id)
        refused_at = row.refused_at if last else _refused_at(run, row.provider, failure)
        refusals = 0 if refused_at is None else await self._refusals(run, row)
        return ProviderEvidence(
            several=several,
            refuses=not row.probed and row.cause == failure.cause,
            refusals=refusals,
            served=row.probed and (row.answered_at or 0) > (refused_at or 0),
            full=row.filled(view.now.wall, view.taken_at(line)),
            again=refused_at is not None,
            waited_ms=0 if refused_at is None else self.clock().wall - refused_at,
        )

    async def _refusals(self, run: RunContext, row: ProviderRow) -> int:
        """How often the message was refused since the last cooldown began: a cooldown shows that others are refused,
        too, so that earlier refusals say nothing about this message."""
        try:
            return await self._store.read(reads.refusals_of(int(run.message.id), row.since or 0))
        except StorageError as error:
            log.warning("how often the message of run %d was refused cannot be read: %s", run.id, error)
            return 0

    async def _wait(self, run: RunContext, line: ProviderLine, for_ms: int, known: ProviderEvidence) -> int:
        """Let only this message wait: as long as the provider says, or several times as long as since its last refusal,
        so that its refusals together span more than a minute, after which a limit per minute has begun again."""
        now, message = self.clock(), int(run.message.id)
        step = partial(doors.refuse, provider=line.name, message=message, now=now, fingerprint=line.fingerprint)
        await self._write(step, "a refusal", line.name)
        return now.wall + max(for_ms, OTHERS_FIRST_MS, min(OWN_WAIT_MS, 4 * known.waited_ms))

    async def _cool(self, run: RunContext, line: ProviderLine, refusal: ProviderRefusal, most_ms: int) -> int:
        now, runs = self.clock(), [*self._requested_by[line.name]]
        self._requested_by[line.name].clear()  # only the first of many refusals notes who else asks

        how: dict[str, Any] = {"by": "provider", "most_ms": most_ms, "fingerprint": line.fingerprint}
        how |= {"run": run.id, "in_flight": runs}

        def step(tx: Transaction) -> tuple[ProviderRow, bool]:
            return doors.cool(tx, line.name, refusal, now, **how), within(tx, reads.anyone_waits())

        try:
            row, waited = await self._store.write(step)
        except StorageError as error:
            log.warning("the cooldown of %s cannot be stored: %s", line.name, error)
            return now.wall + min(refusal.for_ms or UNSTORED_MS, most_ms)
        of_one = refusal.message_id is not None
        others_first = of_one and (row.tries > 1 or waited or refusal.cause in OF_ONE_OR_ALL)
        return (row.until or now.wall) + (OTHERS_FIRST_MS if others_first else 0)

    async def _try_last(self, line: ProviderLine, row: ProviderRow, failure: AttemptFailed) -> None:
        now = self.clock().wall
        if (row.tried_last_until or 0) - now < LAST_MS // 2:
            until, message, fingerprint = now + LAST_MS, failure.message, line.fingerprint
            await self._write(
                lambda tx: doors.try_last(tx, line.name, until, message, fingerprint=fingerprint),
                "a failure",
                line.name,
            )

    async def _spell(self, provider: str, failure: AttemptFailed) -> None:
        """Count a failure, and report the first of a spell: otherwise nobody would notice that another provider
        answers."""
        now, spell = self.clock().mono, self._spells.get(provider)
        if spell is None or (spell.over_at is not None and now - spell.over_at > SPELL_MS):
            spell = self._spells[provider] = Spell(now, now)
        begins = spell.failures == 0 or spell.over_at is not None
        spell.again |= begins and spell.failures > 0
        spell.failed_at, spell.failures, spell.over_at = now, spell.failures + 1, None
        if begins:
            log.warning(
                "provider %s fails (%s: %s): the next provider of each chain is asked, if there is one",
                ascii(provider), failure.cause, ascii(failure.message),
            )  # fmt: skip
            await self._note(provider, failure.cause, {"message": failure.message})

    async def _over(self, provider: str) -> None:
        spell, now = self._spells[provider], self.clock().mono
        if spell.again and now - spell.failed_at <= SPELL_MS:
            return
        spell.over_at = now
        log.info("provider %s answers again, after %s", ascii(provider), counted(spell.failures, "failure"))
        await self._note(provider, None, {"failures": spell.failures, "failed_ms": now - spell.since})

    async def _note(self, provider: str, cause: str | None, detail: dict[str, Any]) -> None:
        now = self.clock()
        await self._write(
            lambda tx: doors.note_provider(tx, provider, cause, now, by="provider", detail=detail), "a change", provider
        )

    async def _write(self, step: Callable[[Transaction], T], subject: str, provider: str) -> T | None:
        try:
            return await self._store.write(step)
        except StorageError as error:
            log.warning("%s of provider %s cannot be stored: %s", subject, provider, error)
            return None

    # ------------------------------------------------------------------------------------------ counting

    def _count(self, provider: str, outcome: str, counts: ProviderCounts) -> None:
        self.outcomes[provider, outcome] += 1
        self._counted[provider] = self._counted.get(provider, ProviderCounts()).plus(counts)
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._store_later(), name="lanes-provider-counts")

    async def _store_later(self) -> None:
        await asyncio.sleep(COUNTED_EVERY_S)
        await self._store_counts()

    async def _store_counts(self) -> None:
        counted, self._counted, now = self._counted, {}, self.clock()

        def step(tx: Transaction) -> None:
            for provider, counts in counted.items():
                doors.count(tx, provider, counts, now)

        if counted:
            await self._write(step, "the counts", ", ".join(counted))


def _refused_at(run: RunContext, provider: str, failure: AttemptFailed) -> int | None:
    """When the last run of a message got the same refusal from this provider; None: it got none. An attempt that was
    not sent has no status."""
    before = [each for each in run.message.attempts if (each.provider, each.cause) == (provider, failure.cause)]
    return max((each.at for each in before if each.status is not None), default=None)
