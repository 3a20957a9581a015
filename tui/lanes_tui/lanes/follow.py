"""One read of the source, for the main screen."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lanes import filters
from lanes.base.errors import NotFound
from lanes.records import Lane, LaneDetail, Silence, Silences, Status
from lanes_storage.records import LaneFilter, LaneOrder
from lanes_tui.sources.pacing import Paced
from lanes_tui.sources.polling import Looking, Rhythm
from lanes_tui.sources.source import AsOf, Source, Window, by_run
from lanes_tui.tables.lane_table import View


class Wish(NamedTuple):
    """What the screen wants to see: the lanes that a typed filter chooses, in an order."""

    typed: str
    order: LaneOrder


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything one look brought.

    ``key`` is the lane that the cursor stood on when the look began, ``row`` where that stands now; None: it is
    not chosen any more. ``hidden`` counts the marked lanes that the filter does not choose.
    """

    wish: Wish
    window: Window
    key: str | None
    row: int | None
    status: AsOf[Status]
    hidden: int
    detail: AsOf[LaneDetail] | None
    silences: AsOf[Silences]

    @property
    def silent(self) -> dict[int, Silence]:
        """The silent runs by id, with their ages as of the window."""
        return by_run(self.silences, self.window.at)

    @property
    def everything(self) -> int:
        """How many lanes there are, those of other programs included as far as they are chosen."""
        return max(self.window.total, sum(self.status.record.counts.lanes.values()))


class Stage(Protocol):
    """The screen, as the follower sees it."""

    @property
    def view(self) -> View: ...
    @property
    def wish(self) -> Wish: ...
    @property
    def marked(self) -> tuple[str, ...]: ...
    @property
    def wants_detail(self) -> bool: ...
    @property
    def covered(self) -> bool: ...
    def show(self, picture: Picture) -> None: ...
    def hear(self, silences: Silences) -> None: ...
    def lose(self, why: str) -> None: ...


class SnapshotReader:
    """Reads snapshots of the source and passes them to the screen."""

    def __init__(self, source: Source, stage: Stage, rhythm: Rhythm) -> None:
        self._source = source
        self._stage = stage
        self._looking = Looking(source, rhythm, self._show, stage.lose)
        self._last: Picture | None = None
        self._hiding: Paced[int] = Paced()

    @property
    def frozen(self) -> bool:
        """Whether it looks only when it is woken."""
        return self._looking.frozen

    def freeze(self, frozen: bool) -> None:
        """Look only when woken; or follow again."""
        self._looking.frozen = frozen
        if not frozen:
            self.wake()

    def wake(self) -> None:
        """Look at once: the person moved, typed or asked for it."""
        self._looking.wake()

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._looking.run()

    async def _show(self) -> None:
        if (
            self._stage.covered and self._last is not None
        ):  # by a screen that looks for itself, and not for what falls silent
            self._stage.hear((await self._source.silences()).record)
            return
        frozen = self.frozen
        picture = await self._look()
        self._stage.hear(picture.silences.record)
        if self.frozen and not frozen and self._last is not None and self._last.wish == picture.wish:
            return  # it was frozen while this was read: what stood on the screen then stays
        self._last = picture
        self._stage.show(picture)

    async def _look(self) -> Picture:
        view, wish = self._stage.view, self._stage.wish
        chosen = filters.typed(wish.typed, self._source.now().wall).chosen
        silences = await self._source.silences()
        window = await self._window(chosen, wish, view)
        row = None if view.key is None else window.place_of(view.key, view.row)
        if view.key is not None and row is None:
            row = await self._source.place(chosen, view.key, order=wish.order)
        if row is None and self._last is not None and self._last.wish.typed != wish.typed:
            row = 0  # the cursor's lane is not one of them: the first of them is what was looked for
        after = view.following(view.row if row is None else row, window.total)
        if after.span != view.span:
            window = await self._window(chosen, wish, after)
        lane = window.lane_at(after.row)
        detail = await self._detail(lane)
        hidden = await self._hidden(chosen)
        return Picture(wish, window, view.key, row, await self._source.status(), hidden, detail, silences)

    async def _window(self, chosen: LaneFilter, wish: Wish, view: View) -> Window:
        return await self._source.window(chosen, *view.span, order=wish.order)

    async def _detail(self, lane: Lane | None) -> AsOf[LaneDetail] | None:
        if lane is None or not self._stage.wants_detail:
            return None
        try:
            return await self._source.detail(lane.key, lane.source)
        except NotFound:  # pruned since the window was read
            return None

    async def _hidden(self, chosen: LaneFilter) -> int:
        marked = self._stage.marked
        if not marked or chosen.everything:
            return 0
        # By the filter alone, however the marks change: thousands of them are looked for as often as they cost.
        return min(len(marked), await self._hiding.answer(chosen._replace(at=0), lambda: self._count(chosen, marked)))

    async def _count(self, chosen: LaneFilter, marked: tuple[str, ...]) -> int:
        return len(marked) - await self._source.total(chosen.only(marked))
