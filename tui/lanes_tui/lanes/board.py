"""The shared state of the main screen: the source, the selection, the marks, the last snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lanes import filters
from lanes.records import GlobPause, Lane, LaneDetail, Silence, Silences, Status
from lanes_storage.records import LaneFilter, LaneOrder
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.screens.marked import Marking
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import MOST, AsOf, MarkedLane, Source, Window, by_run
from lanes_tui.tables.heads import Heads
from lanes_tui.tables.lane_table import LaneList
from lanes_tui.widgets.detail import Detail
from lanes_tui.widgets.filter_bar import FilterBar


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


class Board(Marking[MarkedLane]):
    """The state of the main screen. What can be done with it is in the classes that build on it.

    A mark keeps the epoch that was on the screen when it was made.
    """

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm, views: Views) -> None:
        super().__init__(source, rhythm)
        self.views = views
        self.settings = settings
        self.typed = ""  # the filter, without the words that are not understood
        self.problem: str | None = None  # why what stands in the filter line now is not understood
        self.picture: Picture | None = None
        self.bar, self.heads = FilterBar(), Heads()
        self.table, self.detail = LaneList(self.marks, id="lanes"), Detail()

    @property
    def pauses(self) -> Sequence[GlobPause]:
        return () if self.picture is None else self.picture.status.record.pauses

    @property
    def lane_key(self) -> str | None:
        """The lane under the cursor."""
        return self.table.key

    @property
    def lane(self) -> Lane | None:
        """The lane under the cursor, as it is on the screen."""
        return self.table.lane

    @property
    def chosen(self) -> LaneFilter:
        """What the filter chooses now."""
        return filters.typed(self.typed, self.source.now().wall).chosen

    @property
    def targets(self) -> list[MarkedLane]:
        """The targets of an action: the marked lanes, or the one under the cursor if none is marked."""
        if self.marks:
            return list(self.marks.values())
        return [] if self.lane is None else [MarkedLane.of(self.lane)]

    def tell_header(self) -> None:
        """Bring the header up to date."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- marking

    @property
    def lines(self) -> LaneList:
        return self.table

    def mark_of(self, key: str) -> MarkedLane:
        assert self.lane is not None, key
        return MarkedLane.of(self.lane)

    async def matching(self) -> Mapping[str, MarkedLane]:
        return {mark.key: mark for mark in await self.source.marks(self.chosen, MOST + 1)}

    async def place_of(self, key: str) -> int | None:
        return await self.source.place(self.chosen, key, order=self.settings.order)

    async def among(self, first: int, count: int) -> Mapping[str, MarkedLane]:
        lanes = await self.source.export(self.chosen, self.settings.order, count, first)
        return {lane.key: MarkedLane.of(lane) for lane in lanes}

    def may_mark(self) -> bool:
        """Whether the lanes that are listed are those that the filter line names."""
        if self.problem is not None:
            self.say(f"nothing is marked by a filter that is not understood: {self.problem}", grave=True)
        return self.problem is None

    def tell_marks(self) -> None:
        super().tell_marks()
        if self.typed and not self.looking.frozen:
            self.looking.wake()  # counts those that the filter hides
