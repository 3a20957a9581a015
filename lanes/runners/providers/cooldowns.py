"""The stored cooldowns, for runners: all gateways of the database share them."""

from typing import Any

from lanes_storage import doors, reads
from lanes_storage.clock import Clock
from lanes_storage.interface import AsyncStore
from lanes_storage.records import CooldownRow


class StoredCooldowns:
    """Implements ``lanes.runners.base.Cooldowns``. Raises ``StorageError``."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def cooling(self) -> dict[str, CooldownRow]:
        """The providers that are cooling now, by name."""
        found = await self._store.read(reads.cooldowns(self._clock().wall))
        return {cooldown.provider: cooldown for cooldown in found}

    async def cool(self, provider: str, cause: str, for_ms: int | None) -> CooldownRow:
        """Do not ask ``provider`` for ``for_ms`` (None: 1 s, doubling to 60 s while it keeps refusing)."""
        now = self._clock()
        return await self._store.write(lambda tx: doors.cool(tx, provider, cause, for_ms, now, by="provider"))

    async def note(self, provider: str, cause: str | None, detail: dict[str, Any]) -> None:
        """Write to the journal that a provider has begun to fail, or that it answers again (``cause`` None)."""
        now = self._clock()
        await self._store.write(lambda tx: doors.note_provider(tx, provider, cause, now, by="provider", detail=detail))

    async def warm(self, provider: str) -> None:
        """Reset the doubling: the provider answered."""
        await self._store.write(lambda tx: doors.warm(tx, provider))
