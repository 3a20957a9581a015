"""The main screen: header, filter, lanes, detail; what keys do on it; and how a picture comes to its regions."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer

from lanes.filters import Parsed, parse
from lanes_storage.records import LaneFilter
from lanes_tui import text
from lanes_tui.acting import Acting, Told
from lanes_tui.columns import Sight
from lanes_tui.dialogs.abort import AbortDialog
from lanes_tui.dialogs.help import Help
from lanes_tui.dialogs.leaving import Leaving, LeavingDialog
from lanes_tui.follow import Follower, Picture
from lanes_tui.looking import Rhythm
from lanes_tui.messages import FilterLeft, FilterTyped, LaneChosen, WindowWanted
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.source import Source
from lanes_tui.widgets.detail import Detail
from lanes_tui.widgets.filter_bar import FilterBar
from lanes_tui.widgets.header import Freshness, Header
from lanes_tui.widgets.heads import Heads
from lanes_tui.widgets.lane_table import LaneTable, View
from lanes_tui.words import is_paused

#: The exit codes that ``lanes up`` reads.
LEAVE_RUNNING = 0
STOP_TOO = 10

NOTHING_YET = (
    text.line(("No lanes yet.", "strong")),
    text.EMPTY,
    text.line("Send the first message from another terminal:"),
    text.line(('  lanes send demo:1 "hello"', "accent")),
)
NO_MATCH = (text.line(("No lane fits the filter.", "strong"), ("  esc clears it", "muted")),)


class MainScreen(Screen[None]):
    """Shows one source, and acts on the lane under the cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open_lane", "Open", key_display="⏎"),
        Binding("v", "toggle_detail", "Detail below", show=False),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear_filter", "Clear filter", show=False),
        Binding("a", "abort", "Abort"),
        Binding("p", "pause", "Pause/resume"),
        Binding("r", "refresh_now", "Refresh"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q,ctrl+c", "leave", "Quit", key_display="q"),
    ]

    def __init__(self, source: Source, *, with_gateway: bool, rhythm: Rhythm) -> None:
        super().__init__()
        self._source = source
        self._rhythm = rhythm
        self._with_gateway = with_gateway
        self._acting = Acting(source)
        self._follower = Follower(source, self, rhythm)
        self._filter = Parsed(LaneFilter())
        self._freshness = Freshness()
        self._picture: Picture | None = None

    def compose(self) -> ComposeResult:
        yield Header()
        yield FilterBar()
        yield Heads()
        yield LaneTable(id="lanes")
        yield Detail()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.table.focus()
        self._tell_header()
        self.run_worker(self._follower.run(), name="follow", exclusive=True)

    @property
    def table(self) -> LaneTable:
        """The lanes table."""
        return self.query_one(LaneTable)

    # ------------------------------------------------------------------ the stage of the follower

    @property
    def view(self) -> View:
        return self.table.view

    @property
    def chosen(self) -> LaneFilter:
        return self._filter.chosen

    @property
    def wants_detail(self) -> bool:
        return not self.query_one(Detail).has_class("-hidden")

    def show(self, picture: Picture) -> None:
        """A new look at the source."""
        if picture.chosen != self.chosen:  # typed on since: the next look is on its way
            return
        self._picture = picture
        now = self._source.now()
        self._freshness = Freshness(picture.window.at.wall)
        self.table.show_stale(False)
        self.table.show_hint(NO_MATCH if picture.everything else NOTHING_YET)
        self.table.show(picture.window, Sight.of(picture.window.at, now), picture.key, picture.row)
        self.query_one(FilterBar).tell(picture.window.total, picture.everything, self._filter.problem)
        self._tell_header()
        self._tell_detail()
        self._tell_dialog()

    def lose(self, why: str) -> None:
        """The source cannot be read: what is shown may be untrue, and nothing is acted on."""
        self._freshness = Freshness(self._freshness.at, why)
        self.table.show_stale(True)
        self._tell_header()

    def _tell_header(self) -> None:
        status = None if self._picture is None else self._picture.status
        name, now = self._source.name, self._source.now()
        self.query_one(Header).tell(name, status, self._freshness, now, read_only=self._source.read_only)

    def _tell_detail(self) -> None:
        lane = self.table.lane
        detail = None if self._picture is None else self._picture.detail
        if detail is not None and (lane is None or detail.lane.key != lane.key):
            detail = None
        now = self._source.now()
        at = now if detail is None or self._picture is None else self._picture.window.at
        self.query_one(Detail).tell(lane, detail, Sight.of(at, now))

    def _tell_dialog(self) -> None:
        dialog = self.app.screen
        if isinstance(dialog, AbortDialog) and self._picture is not None:
            window = self._picture.window
            place = window.place_of(dialog.key)
            lane = None if place is None else window.lane_at(place)
            if lane is not None:
                dialog.seen(lane, Sight.of(window.at, self._source.now()))

    # ----------------------------------------------------------------------------------- messages

    @on(LaneChosen)
    def _lane_chosen(self) -> None:
        self._tell_detail()
        self._follower.wake()

    @on(WindowWanted)
    def _window_wanted(self) -> None:
        self._follower.wake()

    @on(FilterTyped)
    def _filter_typed(self, event: FilterTyped) -> None:
        self._filter = parse(event.typed, self._source.now().wall)
        self._follower.wake()

    @on(FilterLeft)
    def _filter_left(self) -> None:
        self.table.focus()

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self._tell_header)

    # ------------------------------------------------------------------------------------ actions

    def action_open_lane(self) -> None:
        """The lane under the cursor on a screen of its own."""
        lane = self.table.lane
        if lane is not None:
            self.app.push_screen(LaneScreen(self._source, self._rhythm, lane.key))

    def action_toggle_detail(self) -> None:
        self.query_one(Detail).toggle_class("-hidden")
        self._follower.wake()

    def action_filter(self) -> None:
        self.query_one(FilterBar).input.focus()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBar).input.value = ""
        self.table.focus()

    def action_refresh_now(self) -> None:
        self._follower.wake()

    def action_help(self) -> None:
        self.app.push_screen(Help(self.active_bindings.values()))

    def action_abort(self) -> None:
        """Ask, then abort the epoch that was on the screen."""
        lane = self.table.lane
        if lane is None or not self._may_act(lane.key) or self._picture is None:
            return
        dialog = AbortDialog(lane, Sight.of(self._picture.window.at, self._source.now()))

        def answered(yes: bool | None) -> None:
            if yes:
                self._abort(dialog.key, dialog.epoch)

        self.app.push_screen(dialog, answered)

    @work
    async def _abort(self, key: str, epoch: int) -> None:
        self._tell(await self._acting.abort(key, epoch))

    def action_pause(self) -> None:
        """Pause the lane under the cursor, or resume it."""
        lane = self.table.lane
        if lane is not None and self._may_act(lane.key):
            self._pause(lane.key, lane.epoch, resume=is_paused(lane.pause, self._source.now().wall))

    @work
    async def _pause(self, key: str, epoch: int, *, resume: bool) -> None:
        self._tell(await (self._acting.resume(key, epoch) if resume else self._acting.pause(key, epoch)))

    def action_leave(self) -> None:
        if not self._with_gateway:
            self.app.exit(LEAVE_RUNNING)
            return

        def answered(how: Leaving | None) -> None:
            if how in (Leaving.STOP, Leaving.KEEP):
                self.app.exit(STOP_TOO if how is Leaving.STOP else LEAVE_RUNNING)

        self.app.push_screen(LeavingDialog(), answered)

    def _may_act(self, key: str) -> bool:
        """Whether an action may begin; says why not."""
        if self._source.read_only:
            self._say(text.line("this dashboard is read-only"), grave=True)
        elif self._freshness.lost is not None:
            self._say(text.line("the database cannot be read: nothing is acted on"), grave=True)
        elif not self._acting.is_under_way(key):
            return True
        return False

    def _tell(self, told: Told | None) -> None:
        if told is not None:
            self._say(text.line(told.key, ": ", told.sentence), grave=told.grave)
            self._follower.wake()

    def _say(self, said: Content, *, grave: bool) -> None:
        # Cleaned by `line`; markup off, so that brackets in a key stay brackets.
        self.notify(said.plain, severity="warning" if grave else "information", markup=False, timeout=6)
