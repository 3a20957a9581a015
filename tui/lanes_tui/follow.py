"""What one look at the source brings to the main screen."""

from dataclasses import dataclass
from typing import Protocol

from lanes.errors import NotFound
from lanes_storage.records import LaneFilter
from lanes_tui.looking import Looking, Rhythm
from lanes_tui.records import Detail, Status, Window
from lanes_tui.source import Source
from lanes_tui.widgets.lane_table import View


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
        self._looking = Looking(source, rhythm, self._show, stage.lose)

    def wake(self) -> None:
        """Look at once: the person moved, typed or asked for it."""
        self._looking.wake()

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._looking.run()

    async def _show(self) -> None:
        self._stage.show(await self._look())

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
