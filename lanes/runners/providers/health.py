"""The health of providers: which are cooling down (stored, for all gateways), which were slow (in memory, for 30 s)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lanes.config.declared.model import ProviderConfig
from lanes.runners.base import Cooldowns
from lanes.runners.http.failures import AttemptFailed
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.law import AttemptCause
from lanes_storage.logs import Log
from lanes_storage.records import CooldownRow

log = Log("lanes.providers")

#: After a timeout a provider is tried last for so long, in milliseconds.
SLOW_MS = 30_000

TIMEOUTS = frozenset({AttemptCause.CONNECT_TIMEOUT, AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})
#: The refusals by which a chain may park: answers with status 429.
REFUSALS = frozenset({AttemptCause.RATE_LIMITED, AttemptCause.QUOTA})
#: The refusals that last: a short wait does not help.
LASTING = frozenset({AttemptCause.QUOTA, AttemptCause.AUTH})
#: Refusals of the request, which say nothing of the provider.
OF_THE_REQUEST = frozenset({AttemptCause.BAD_REQUEST, AttemptCause.CONTEXT_OVERFLOW})
#: A provider that fails again so soon after an answer has not stopped failing, in milliseconds.
SPELL_MS = 60_000
#: How long a 429 without Retry-After counts as a cooldown where none could be stored, in milliseconds.
UNSTORED_MS = 1_000


@dataclass(slots=True)
class Spell:
    """A time in which a provider fails."""

    since: int  # by this process's monotonic clock, as all of these
    failures: int = 0
    over_at: int | None = None


class ProviderHealth:
    """Shared by all provider runners of a process. A database that refuses for a moment is no reason to fail a
    run: then a provider counts as not cooling, and what could not be stored is warned about.

    ``max_park_ms`` is how long a refusal cools that time alone does not mend: an exhausted quota, refused
    credentials.
    """

    def __init__(self, cooldowns: Cooldowns, max_park_ms: int, clock: Clock) -> None:
        self.clock = clock
        self._cooldowns = cooldowns
        self._max_park_ms = max_park_ms
        self._slow_until: dict[str, int] = {}  # by this process's monotonic clock
        self._warm: set[str] = set()  # answered since this process last saw it refuse
        self._spells: dict[str, Spell] = {}
        #: How often each provider was asked, by what came of it: ``answered``, or the cause of the failure.
        self.asked: Counter[tuple[str, str]] = Counter()

    def in_order(self, providers: Sequence[ProviderConfig]) -> list[ProviderConfig]:
        """The providers in the order in which to try them: as configured, those that were slow last."""
        now = self.clock().mono
        return sorted(providers, key=lambda provider: self._slow_until.get(provider.name, now) > now)

    async def cooling(self) -> dict[str, CooldownRow]:
        """The cooldowns that providers are under now, by their names."""
        try:
            found = await self._cooldowns.cooling()
        except StorageError as error:
            log.warning("cooldowns cannot be read, every provider is asked all the same: %s", error)
            return {}
        self._warm.difference_update(found)
        return found

    def failing(self, provider: str) -> bool:
        """Whether the last known result of a provider is a failure that the provider caused."""
        spell = self._spells.get(provider)
        return spell is not None and spell.over_at is None

    async def failed(self, provider: str, failure: AttemptFailed) -> int | None:
        """Remember a failure; until when it cools the provider (wall time, ms), None where it does not.

        A 429, an exhausted quota and refused credentials cool; nothing else does.
        """
        self.asked[provider, failure.cause] += 1
        if failure.cause not in OF_THE_REQUEST:
            await self._count(provider, failure)
        if failure.cause in TIMEOUTS:
            self._slow_until[provider] = self.clock().mono + SLOW_MS
        if failure.cause is not AttemptCause.RATE_LIMITED and failure.cause not in LASTING:
            return None
        for_ms = self._max_park_ms if failure.cause in LASTING else failure.retry_after_ms
        self._warm.discard(provider)
        try:
            return (await self._cooldowns.cool(provider, failure.cause, for_ms)).until
        except StorageError as error:
            log.warning("the cooldown of %s cannot be stored: %s", provider, error)
            return self.clock().wall + (for_ms or UNSTORED_MS)

    async def answered(self, provider: str) -> None:
        """Remember that a provider answered, which ends the doubling of its cooldowns.

        Written once per change, not for every reply. A cooldown that another run brought about meanwhile stands.
        """
        self.asked[provider, "answered"] += 1
        if self.failing(provider):
            await self._over(provider)
        if provider in self._warm or provider in await self.cooling():
            return
        try:
            await self._cooldowns.warm(provider)
        except StorageError as error:
            log.warning("the end of the cooldown of %s cannot be stored: %s", provider, error)
        else:
            self._warm.add(provider)

    async def _count(self, provider: str, failure: AttemptFailed) -> None:
        """Count a failure, and report the first of many: otherwise nobody would notice that another provider
        answers."""
        now, spell = self.clock().mono, self._spells.get(provider)
        begins = spell is None or (spell.over_at is not None and now - spell.over_at > SPELL_MS)
        if spell is None or begins:
            spell = self._spells[provider] = Spell(now)
        spell.failures, spell.over_at = spell.failures + 1, None
        if begins:
            log.warning(
                "provider %s fails (%s: %s): the next of each chain is asked, where there is one",
                ascii(provider), failure.cause, ascii(failure.message),
            )  # fmt: skip
            await self._note(provider, failure.cause, {"message": failure.message})

    async def _over(self, provider: str) -> None:
        spell, now = self._spells[provider], self.clock().mono
        spell.over_at = now
        log.info("provider %s answers again, after %d failures", ascii(provider), spell.failures)
        await self._note(provider, None, {"failures": spell.failures, "failed_ms": now - spell.since})

    async def _note(self, provider: str, cause: str | None, detail: dict[str, Any]) -> None:
        try:
            await self._cooldowns.note(provider, cause, detail)
        except StorageError as error:
            log.warning("the journal cannot be told of %s: %s", provider, error)
