"""How the providers stand: which are cooling (stored, for every gateway), which were slow (here, for 30 s)."""

from collections.abc import Sequence

from lanes.config.model import ProviderConfig
from lanes.runners.base import Cooldowns
from lanes.runners.failures import AttemptFailed
from lanes_storage.errors import StorageError
from lanes_storage.law import AttemptCause
from lanes_storage.moment import Clock
from lanes_storage.records import Cooldown
from lanes_storage.saying import Log

log = Log("lanes.providers")

#: After a timeout a provider is tried last for so long, in milliseconds.
SLOW_MS = 30_000

TIMEOUTS = frozenset({AttemptCause.CONNECT_TIMEOUT, AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})
#: The refusals by which a chain may park: answers with status 429.
REFUSALS = frozenset({AttemptCause.RATE_LIMITED, AttemptCause.QUOTA})
#: The refusals that last: waiting a moment does not mend them.
LASTING = frozenset({AttemptCause.QUOTA, AttemptCause.AUTH})
#: How long a 429 without Retry-After counts as a cooldown where none could be stored, in milliseconds.
UNSTORED_MS = 1_000


class Standing:
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

    def in_order(self, providers: Sequence[ProviderConfig]) -> list[ProviderConfig]:
        """The providers in the order in which to try them: as configured, those that were slow last."""
        now = self.clock().mono
        return sorted(providers, key=lambda provider: self._slow_until.get(provider.name, now) > now)

    async def cooling(self, provider: str) -> Cooldown | None:
        """The cooldown that a provider is under now, None where there is none."""
        try:
            found = (await self._cooldowns.cooling()).get(provider)
        except StorageError as error:
            log.warning("cooldowns cannot be read, %s is asked all the same: %s", provider, error)
            return None
        if found is not None:
            self._warm.discard(provider)
        return found

    async def failed(self, provider: str, failure: AttemptFailed) -> int | None:
        """Remember a failure; until when it cools the provider (wall time, ms), None where it does not.

        A 429, an exhausted quota and refused credentials cool; nothing else does.
        """
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
        """Remember that it answered, which ends the doubling of its cooldowns.

        Written once per change, not for every reply. A cooldown that another run brought about meanwhile stands.
        """
        if provider in self._warm or await self.cooling(provider) is not None:
            return
        try:
            await self._cooldowns.warm(provider)
        except StorageError as error:
            log.warning("the end of the cooldown of %s cannot be stored: %s", provider, error)
        else:
            self._warm.add(provider)
