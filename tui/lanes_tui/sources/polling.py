"""Reads the source again whenever it has changed, at least every second, and retries forever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lanes.base.errors import LanesError
from lanes_storage.threads import set_within
from lanes_tui.sources.source import Lost, Source

#: Reads that are caused by commits take at most this fraction (one part in so many) of the time.
SHARE = 5


@dataclass(slots=True)
class Rhythm:
    """How often the source is asked, in seconds."""

    look_every: float = 1.0  # ages and liveness change without a commit
    ask_every: float = 0.1  # whether anything was committed
    least_gap: float = 0.2  # between two looks, however much is committed
    retry_every: float = 1.0  # of a source that was lost


class Looking:
    """Calls ``look`` in a rhythm, and ``lose`` with a sentence if that raises ``Lost`` or a ``LanesError``.

    ``is_behind``: whether earlier output is still on its way to the screen. While it is, nothing is read: otherwise
    what a person sees, and acts on, would be older with every look.
    """

    def __init__(
        self,
        source: Source,
        rhythm: Rhythm,
        look: Callable[[], Awaitable[None]],
        lose: Callable[[str], None],
        is_behind: Callable[[], bool] = lambda: False,
    ) -> None:
        #: While frozen, it looks only when it is woken.
        self.frozen = False
        self._source = source
        self._rhythm = rhythm
        self._look = look
        self._lose = lose
        self._is_behind = is_behind
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once: the person moved, typed or asked for it."""
        self._wake.set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self._is_behind():
                await asyncio.sleep(self._rhythm.ask_every)
                continue
            self._wake.clear()
            version: int | None = None
            began = loop.time()
            try:
                version = await self._source.version()  # before reading, so that no change falls in between
                await self._look()
            except (Lost, LanesError) as lost:
                version = None
                self._lose(str(lost))
            await self._rest(version, loop.time() - began)

    async def _rest(self, version: int | None, cost: float) -> None:
        """Wait until it is time to look again; ``cost`` is what the last look took, in seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        rhythm = self._rhythm
        gap = max(rhythm.least_gap, SHARE * cost, rhythm.look_every if rhythm.look_every > 1 else 0)
        until = began + (rhythm.retry_every if version is None else max(rhythm.look_every, gap))
        while (left := until - loop.time()) > 0 or self.frozen:
            if await set_within(self._wake, min(rhythm.ask_every, left) if left > 0 else rhythm.ask_every):
                return
            if version is None or self.frozen or loop.time() - began < gap:
                continue
            if await self._changed(version):
                return

    async def _changed(self, version: int) -> bool:
        try:
            return await self._source.version() != version
        except Lost:  # the look that follows fails too, and reports it
            return True
