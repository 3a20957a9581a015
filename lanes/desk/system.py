"""Gateways and their drains."""

from collections.abc import Sequence

from lanes import records
from lanes.base import arguments, durations
from lanes.desk.base import EMBEDDER, DeskBase
from lanes.verbs import system


class DeskSystem(DeskBase):
    """The status of everything; drain gateways; reset providers."""

    async def status(self) -> records.Status:
        """Gateways, counts, cooldowns."""
        return await self.perform(system.status(self.context()))

    async def providers(self) -> list[records.Provider]:
        """Which providers are well, who asks them, and how the requests of the last hour ended."""
        return await self.perform(system.providers(self.context()))

    async def reset_provider(self, name: str, *, actor: str = EMBEDDER) -> records.ProviderResetDone:
        """End the cooldown of a provider at once; messages that wait for it may start. Raises NotFound."""
        return await self.perform(system.reset_provider(self.context(actor), name=name))

    async def drain(
        self, owner_id: int | None = None, *, by: str = EMBEDDER, until: int | None = None
    ) -> list[records.OwnerDetail]:
        """Stop one gateway, or all, from claiming, and cut at ``until`` (wall time, ms) the runs that are left.

        Raises NotFound.
        """
        return await self.perform(system.drain(self.context(by), gateway=owner_id, until=until))

    async def drain_rehearsal(self, owner_id: int | None = None) -> list[records.Cut]:
        """The runs that such a drain would cut, and the result for their messages. Raises NotFound."""
        return await self.perform(system.drain_rehearsal(self.context(), gateway=owner_id))

    async def drain_wait(self, owner_ids: Sequence[int], *, timeout: float | None = None) -> list[records.OwnerDetail]:
        """Wait until none of these owners holds a lane, at most ``timeout`` seconds; returns the owners."""
        wait = arguments.patience_ms(timeout, none=durations.LONGEST_MS)
        return await self.perform(system.gateways(self.context(), id=tuple(owner_ids), wait=wait))
