"""Following the source: look whenever it changed, at the latest every second, and never stop asking."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from lanes.errors import NotFound
from lanes_storage.records import LaneFilter
from lanes_tui.records import Detail, Status, Window
from lanes_tui.source import Lost, Source
from lanes_tui.widgets.lane_table import View


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the source is asked, in seconds."""

    look_every: float = 1.0  # ages and liveness change without a commit
    ask_every: float = 0.1  # whether anything was committed
    least_gap: float = 0.2  # between two looks, however much is committed
    retry_every: float = 1.0  # a source that was lost


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything one look brought.

    ``key`` is the lane that the cursor stood on when the look began, ``row`` where that stands now; None: it is
    not chosen any more.
    """

    chosen: LaneFilter
    window: Window
    key: str | None
    row: int | None
    status: Status
    everything: int | None
    detail: Detail | None


class Stage(Protocol):
    """The screen, as the follower sees it."""

    @property
    def view(self) -> View: ...
    @property
    def chosen(self) -> LaneFilter: ...
    @property
    def wants_detail(self) -> bool: ...
    def show(self, picture: Picture) -> None: ...
    def lose(self, why: str) -> None: ...


class Follower:
    """Brings pictures of the source to the stage."""

    def __init__(self, source: Source, stage: Stage, rhythm: Rhythm) -> None:
        self._source = source
        self._stage = stage
        self._rhythm = rhythm
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once: the person moved, typed or asked for it."""
        self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            self._wake.clear()
            version: int | None = None
            try:
                version = await self._source.version()  # before reading, so that no change falls in between
                self._stage.show(await self._look())
            except Lost as lost:
                self._stage.lose(str(lost))
            await self._rest(version)

    async def _look(self) -> Picture:
        view, chosen = self._stage.view, self._stage.chosen
        window = await self._source.window(chosen, *view.span)
        row = None if view.key is None else window.place_of(view.key)
        if view.key is not None and row is None:
            row = await self._source.place(chosen, view.key)
        after = view.following(view.row if row is None else row, window.total)
        if after.span != view.span:
            window = await self._source.window(chosen, *after.span)
        lane = window.lane_at(after.row)
        detail = None if lane is None or not self._stage.wants_detail else await self._detail(lane.key)
        status = await self._source.status()
        everything = await self._everything(chosen, window)
        return Picture(chosen, window, view.key, row, status, everything, detail)

    async def _detail(self, key: str) -> Detail | None:
        try:
            return await self._source.detail(key)
        except NotFound:  # pruned since the window was read
            return None

    async def _everything(self, chosen: LaneFilter, window: Window) -> int | None:
        if chosen == LaneFilter():
            return window.total
        return (await self._source.window(LaneFilter(), 0, 0)).total

    async def _rest(self, version: int | None) -> None:
        """Wait until it is time to look again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        rhythm = self._rhythm
        until = began + (rhythm.retry_every if version is None else rhythm.look_every)
        while (left := until - loop.time()) > 0:
            if await self._woken(min(rhythm.ask_every, left)):
                return
            if version is not None and loop.time() - began >= rhythm.least_gap and await self._changed(version):
                return

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _changed(self, version: int) -> bool:
        try:
            return await self._source.version() != version
        except Lost:  # the look that follows meets it too, and tells
            return True
