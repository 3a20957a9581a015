"""The shared state of the main screen: source, selection, marks, the last snapshot; and the actions on its lanes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lanes import filters
from lanes.explain.phrases import is_paused
from lanes.records import Lane, LaneDetail, Silence, Silences, Status
from lanes_storage.records import How, LaneFilter, LaneOrder
from lanes_tui.actions.acting import ACTIONS
from lanes_tui.actions.subjects import ActionSubject, LaneSubject, chosen_by
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.screens.guarded import CHOOSING
from lanes_tui.screens.marked import Marking
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import MOST, AsOf, Lost, MarkedLane, Source, Window, by_run
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.heads import Heads
from lanes_tui.tables.lane_table import LaneList
from lanes_tui.widgets.detail import Detail
from lanes_tui.widgets.filter_bar import FilterBar


class Wish(NamedTuple):
    """What the screen is to show: the lanes that a typed filter chooses, in an order."""

    typed: str
    order: LaneOrder


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that one look has read.

    ``key``: the lane under the cursor when the look began; ``row``: its place now (None: the filter does not choose
    it any more). ``hidden``: how many of the marked lanes the filter does not choose.
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
        """How many lanes there are. Of other programs, only the lanes that the filter chooses are counted."""
        return max(self.window.total, sum(self.status.record.counts.lanes.values()))


class Board(Marking[MarkedLane]):
    """The state of the main screen, and the actions on the marked lanes, or on the one under the cursor.

    A mark keeps the epoch that was on the screen when it was made, and an action is bound to that: a lane that has
    moved on is left alone.
    """

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm, views: Views) -> None:
        super().__init__(source, rhythm)
        self.views = views
        self.settings = settings
        self.typed = ""  # the filter, without the words that are not understood
        self.problem: str | None = None  # what is wrong with the text in the filter line
        self.picture: Picture | None = None
        self.bar, self.heads = FilterBar(), Heads()
        self.table, self.detail = LaneList(self.marks, id="lanes"), Detail()

    @property
    def lane_key(self) -> str | None:
        """The key of the lane under the cursor."""
        return self.table.key

    @property
    def lane(self) -> Lane | None:
        """The lane under the cursor, as it is on the screen."""
        return self.table.lane

    @property
    def wants_detail(self) -> bool:
        """Whether the lane under the cursor is shown in detail."""
        return not self.detail.has_class("-hidden")

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

    def update_header(self) -> None:
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
        """Whether the filter line is understood, so that the lanes it names are listed; says why not."""
        if self.problem is not None:
            self.show_notice(f"nothing marked, the filter is not understood: {self.problem}", grave=True)
        return self.problem is None

    def update_marks(self) -> None:
        super().update_marks()
        if self.typed and not self.looking.frozen:
            self.looking.wake()  # to count those that the filter hides

    # -------------------------------------------------------------------------------------- acting

    def action_pause(self) -> None:
        """Pause the marked lanes, or the one under the cursor; resume them if all are paused."""
        if not self.marks:
            paused = self.lane is not None and is_paused(self.lane.paused, self.source.now().wall)
            self.action_do("resume" if paused else "pause")
        else:
            self.read_and_confirm(self._pause_marked())

    async def _pause_marked(self) -> None:
        keys = tuple(self.marks)
        try:
            chosen = LaneFilter(keys=keys, at=self.source.now().wall).where("paused", How.IS, 1)
            paused = await self.source.total(chosen) == len(keys)
        except Lost:
            paused = False
        self.action_do("resume" if paused else "pause")

    def action_do(self, name: str) -> None:
        """Ask, then carry out an action on the targets."""
        marks = self.targets
        lane = None if self.marks else self.lane
        matching = None if self.picture is None else self.picture.window.total
        hidden = 0 if self.picture is None else self.picture.hidden
        self.act(
            LaneSubject(
                ACTIONS[name],
                marks,
                lane=lane,
                sight=self.sight,
                chosen=chosen_by(self.typed, marks, None if hidden else matching),
                hidden=hidden,
            )
        )

    def _begin(self, subject: ActionSubject, how: Mapping[str, Any]) -> None:
        under = isinstance(subject, LaneSubject) and [mark.key for mark in subject.marks] == [self.lane_key]
        if under and not self.settings.follow:
            self.table.leave_lane()
        super()._begin(subject, how)

    def rows_of(self, action: str) -> CursorList | None:
        own = action in CHOOSING or (not self.marks and action.startswith(("do(", "pause")) and action != "pause_all")
        return self.table if own else None

    def look_again(self) -> None:
        if self.is_open:
            self.table.show_marks()
        super().look_again()
