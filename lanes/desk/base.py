"""The base class of a desk: its store, its configuration, and how its methods run verbs."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from lanes.config import Config
from lanes.context import Context
from lanes.drivers.on_loop import LoopDriver
from lanes.waiting import Endings
from lanes_storage.clock import Clock, system_clock
from lanes_storage.interface import AsyncStore
from lanes_storage.threads import Once

if TYPE_CHECKING:
    from lanes.engine.holds import Holds

#: The actor, if an embedding program names none.
EMBEDDER = "embedder"


class DeskBase(LoopDriver):
    """A database, its configuration, and how the methods of a desk call verbs."""

    def __init__(self, store: AsyncStore, clock: Clock = system_clock, config: Config | None = None) -> None:
        super().__init__(store, clock)
        self.config = config
        self._endings = Endings(store, self.changes)
        self._holds: Holds | None = None
        self._starting_holds = asyncio.Lock()
        self._closing = Once()

    def context(self, actor: str = EMBEDDER, *, frees_watched: bool = True) -> Context:
        """The context of an operation of this actor."""
        return Context(actor, self.clock, lambda: self.config, self.store.name, frees_watched)

    async def close(self) -> None:
        """Cancel the holds, finish pending writes and close the database, also if the caller is cancelled meanwhile.

        A repeated call waits for the same close.
        """
        await self._closing.do(self._close)

    async def _close(self) -> None:
        async with AsyncExitStack() as ending:  # each runs even if another fails, the last one first
            ending.push_async_callback(self.store.close)
            ending.push_async_callback(self.changes.close)
            ending.push_async_callback(self._endings.close)
            if self._holds is not None:
                ending.push_async_callback(self._holds.stop)
