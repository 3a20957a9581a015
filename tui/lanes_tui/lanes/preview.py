"""Reads the lane under the cursor as soon as the cursor rests, separate from the reads of the whole list."""

import asyncio
from collections.abc import Awaitable, Callable

from lanes.records import Lane, LaneDetail
from lanes_tui.sources.source import AsOf, Lost

#: A held key repeats about thirty times a second: the lanes that it passes are not read.
REST_S = 0.05
#: What is shown of the lane before is taken away if the answer takes longer. Sooner, that would only flicker.
PATIENCE_S = 0.15


class Glance:
    """Calls ``show`` with what is known of the lane that was asked for last; with None where nothing is, or not yet."""

    def __init__(
        self,
        read: Callable[[Lane | None], Awaitable[AsOf[LaneDetail] | None]],
        show: Callable[[str | None, AsOf[LaneDetail] | None], None],
    ) -> None:
        self._read_lane = read
        self._show = show
        self._lane: Lane | None = None
        self._asked = asyncio.Event()

    def at(self, lane: Lane | None) -> None:
        """Read this lane instead of the last one; None reads no lane."""
        self._lane = lane
        self._asked.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._asked.wait()
            while self._asked.is_set():
                self._asked.clear()
                await asyncio.sleep(REST_S)
            lane = self._lane
            key = None if lane is None else lane.key
            reading = asyncio.ensure_future(self._read(lane))
            try:
                done, _ = await asyncio.wait((reading,), timeout=PATIENCE_S)
                if not done:
                    self._show(key, None)
                self._show(key, await reading)
            finally:
                reading.cancel()  # a reader that leaves ends its read

    async def _read(self, lane: Lane | None) -> AsOf[LaneDetail] | None:
        try:
            return await self._read_lane(lane)
        except Lost:  # the next look at everything meets it too, and tells
            return None
