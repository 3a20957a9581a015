"""The base of screens over the main one: a bar with title and freshness, and a look that repeats."""

from abc import abstractmethod
from collections.abc import Awaitable
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes.base.errors import LanesError
from lanes.explain.phrases import is_paused
from lanes.records import Lane
from lanes_tui.actions.acting import ACTIONS
from lanes_tui.actions.keys import bind
from lanes_tui.actions.subjects import LaneSubject
from lanes_tui.display import text
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.views import KeptScreen
from lanes_tui.screens.guarded import ACTING, CHOOSING, Guarded
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Lost, MarkedLane, Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.rows import Rows
from lanes_tui.widgets.keys import Keys
from lanes_tui.widgets.sheet import Sheet
from lanes_tui.widgets.standing import standing

T = TypeVar("T")


#: The actions on the lane that the screen or its cursor is on.
LANE_KEYS = [
    bind("abort", "do('abort')", show=True),
    bind("force", "do('force')"),
    bind("pause", "do('pause')"),
    bind("ack", "do('ack')"),
    bind("new conversation", "do('new-conversation')"),
]


class Watching(Guarded):
    """A screen that reads the source again and again while it is open."""

    AUTO_FOCUS = "Rows"  # has the focus before the first key
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "close", show=True),
        bind("leave", "dismiss"),
        bind("interrupt", "dismiss"),
        bind("refresh", "refresh_now"),
        bind("help", "help", show=True),
    ]

    #: Its name in the bar, and in the views that are kept.
    NAME: ClassVar[str]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._begins_at: str | None = None

    @abstractmethod
    def body(self) -> ComposeResult:
        """The widgets between the bar and the footer."""

    @abstractmethod
    def title_line(self) -> Content:
        """What the screen shows, for the bar."""

    @abstractmethod
    async def read(self) -> None:
        """Read what is to be shown. Raises Lost."""

    @abstractmethod
    def show(self) -> None:
        """Show what was read."""

    def kept(self) -> KeptScreen:
        """What is kept to open the screen again as it is."""
        return KeptScreen(self.NAME, row=self.query_one(Rows).key)

    def take_up(self, kept: KeptScreen) -> None:
        """Restore what was kept. Called before the screen is opened."""
        self._begins_at = kept.row

    def compose(self) -> ComposeResult:
        yield Sheet(id="bar")
        yield from self.body()
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(Rows).begin_at(self._begins_at)
        self._update_bar()
        self.set_interval(1.0, self._tick)  # the age in the bar grows also while no look ends
        self.run_worker(self.looking.run(), name="look", exclusive=True)

    def _tick(self) -> None:
        if self.is_open:
            self._update_bar()

    async def look(self) -> None:
        await self.read()
        self.pauses = (await self.source.status()).record.pauses
        self.has_read(self.source.now())
        self.update()

    def renew(self) -> None:
        self.set_class(self.freshness.lost is not None, "-stale")
        self._update_bar()
        if self.freshness.at is not None:
            self.show()

    def _update_bar(self) -> None:
        bar = self.query_one("#bar", Sheet)
        width = bar.scrollable_content_region.width
        now = self.source.now()
        mode = text.line(("read-only", "warn")) if self.source.read_only else text.EMPTY
        parts = [standing(self.source, self.pauses, now, width), mode, self.freshness.word(now), self.freshness.as_of]
        right = text.line(text.joined(parts), " ")
        lost = self.freshness.lost
        title = self.title_line() if lost is None else text.line((f"{self.NAME} ", "head"), (lost, "bad"))
        left = text.line((" lanes", "accent"), (" │ ", "muted"), title)
        bar.show([text.line(text.fitted(left, max(0, width - right.cell_length - 1)), " ", right)])

    # ------------------------------------------------------------------------------------- acting

    def rows_of(self, action: str) -> CursorList | None:
        own = action in CHOOSING or (action.startswith(ACTING) and action != "pause_all")
        return self.query_one(Rows) if own else None

    def action_do(self, name: str) -> None:
        """Act on the lane, at the epoch on the screen; if there is none, at the epoch that the dialog shows."""
        if self.lane is not None:
            self._act_on(name, AsOf(self.source.now(), self.lane))
        elif self.lane_key is not None and self.may_act():
            self.read_and_confirm(self._find_and_act(name, self.lane_key))

    async def _find_and_act(self, name: str, key: str) -> None:
        found = await self.do(self.source.detail(key))
        if found is not None and self.is_open:
            self._act_on(name, AsOf(found.at, found.record.lane))

    def _act_on(self, name: str, seen: AsOf[Lane]) -> None:
        lane, source = seen.record, self.source
        if name == "pause" and is_paused(lane.paused, source.now().wall):
            name = "resume"
        marks = [MarkedLane.of(lane)]
        self.act(LaneSubject(ACTIONS[name], marks, lane=lane, sight=lambda: ViewedAt.of(seen.at, source.now())))

    async def do(self, act: Awaitable[T]) -> T | None:
        """Await a call to the source; returns None after an error, which it shows."""
        try:
            return await act
        except (Lost, LanesError) as error:
            self.show_notice(f"not done: {error}", grave=True)
            return None
        finally:
            self.looking.wake()

    def action_close(self) -> None:
        self.dismiss()
