"""The main screen: header, filter, lanes, detail; and how a picture comes to its regions."""

from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from lanes.filters import FIELDS
from lanes.records import HERE, LaneDetail, Silences
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import LaneChosen, WindowWanted
from lanes_tui.dialogs.help import Help
from lanes_tui.dialogs.leaving import Leaving, LeavingDialog
from lanes_tui.display import text
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.actions import Doing
from lanes_tui.lanes.alarm import SilenceAlarm
from lanes_tui.lanes.arranging import Arranging
from lanes_tui.lanes.follow import Picture, SnapshotReader, Wish
from lanes_tui.lanes.marking import Marking
from lanes_tui.lanes.preview import Glance
from lanes_tui.lanes.viewing import Viewing
from lanes_tui.screens.groups import GroupChoice, GroupsScreen
from lanes_tui.screens.guarded import ACTING, CHOOSING
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Source
from lanes_tui.tables.heads import Heads
from lanes_tui.tables.lane_table import View
from lanes_tui.widgets.detail import Detail as DetailPanes
from lanes_tui.widgets.filter_bar import FilterBar
from lanes_tui.widgets.header import Facts, Freshness, Header
from lanes_tui.widgets.keys import Keys
from lanes_tui.widgets.standing import standing
from lanes_tui.widgets.trends import Trends

#: The exit codes that ``lanes up`` reads.
LEAVE_RUNNING = 0
STOP_TOO = 10

NOTHING_YET = (
    text.line(("No lanes yet.", "strong")),
    text.EMPTY,
    text.line("Send the first message with ", ("m", "accent"), ", or from another terminal:"),
    text.line(('  lanes send demo:1 "hello"', "accent")),
)
EXAMPLES = [field.example for field in FIELDS.values()] + ["-part", '"two words"']
NO_MATCH = (
    text.line(("No lane fits the filter.", "strong"), ("  esc clears it", "muted")),
    text.EMPTY,
    *(text.line(("  ".join(EXAMPLES[first : first + 5]), "muted")) for first in range(0, len(EXAMPLES), 5)),
)


class MainScreen(Doing, Marking, Arranging, Viewing):
    """Shows one source, and acts on its lanes."""

    AUTO_FOCUS = "LaneList"  # from the first key on
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lane", show=True),
        *Arranging.KEYS,
        *Marking.KEYS,
        *Doing.KEYS,
        *Viewing.KEYS,
        bind("groups", "groups"),
        bind("detail", "toggle_detail"),
        bind("help", "help", show=True),
        bind("leave", "leave", show=True),
        bind("interrupt", "leave"),
    ]

    def __init__(
        self, source: Source, settings: Settings, *, with_gateway: bool, rhythm: Rhythm, views: Views | None = None
    ) -> None:
        super().__init__(source, settings, rhythm, views or Views())
        self._with_gateway = with_gateway
        self._detail = DetailPanes()
        self.follower = SnapshotReader(source, self, rhythm)
        self._glance = Glance(source, self._show_lane)
        self._trends = Trends()
        self._alarm = SilenceAlarm()
        self._open_next = False  # Enter was pressed before the lanes of the filter were there

    def compose(self) -> ComposeResult:
        yield Header()
        yield FilterBar()
        with Vertical(id="body"):
            with Vertical(id="list"):
                yield Heads()
                yield self.table
            yield self._detail
        yield Keys()

    def on_mount(self) -> None:
        self.tell_arrangement()
        self.tell_header()
        if self.settings.broken is not None:
            self.say(
                text.line(f"the settings cannot be read, and are left as they are: {self.settings.broken}"), grave=True
            )
        self.run_worker(self.follower.run(), name="follow")
        self.run_worker(self._glance.run(), name="glance")
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """The ages in the header go on also while no look ends: frozen, slow or stale."""
        if self.follower.frozen and self.pending is not None:
            self.count_pending()
        if self.is_open:
            self.tell_header()

    @property
    def lane_key(self) -> str | None:
        """The lane under the cursor."""
        return None if self.table.lane is None else self.table.lane.key

    # ------------------------------------------------------------------ the stage of the follower

    @property
    def view(self) -> View:
        return self.table.view

    @property
    def wish(self) -> Wish:
        return Wish(self.typed, self.settings.order)

    @property
    def wants_detail(self) -> bool:
        return not self._detail.has_class("-hidden")

    @property
    def covered(self) -> bool:
        """Whether another whole screen, which looks for itself, lies over this one, and this one was shown before."""
        return self.picture is not None and any(isinstance(screen, Watching) for screen in self.app.screen_stack)

    def is_blind(self, action: str) -> bool:
        """Also while the lanes of another filter or order are shown than what was typed."""
        if len(self.marks) and action not in CHOOSING:  # it is for these
            return False
        shown = self.picture is not None and self.picture.wish == self.wish
        return not shown and (action.startswith(ACTING) or action in CHOOSING)

    def on_screen_resume(self) -> None:
        self.follower.wake()

    def show(self, picture: Picture) -> None:
        """Show a new snapshot of the source."""
        if picture.wish != self.wish or not self.is_open:  # typed on since: the next look is on its way
            return
        self.picture = picture
        self._trends.add(picture.status)
        self.learn(Freshness(picture.window.at, replaced=self.source.replaced))
        self.table.show_stale(False)
        self.table.show_hint(NO_MATCH if picture.everything else NOTHING_YET)
        at = picture.window.at  # ages as they were then, so that a frozen screen stays what it was
        self.table.show(picture.window, ViewedAt.of(at, at, picture.silent), picture.key, picture.row)
        self.tell_heads()
        self.tell_header()
        self._show_lane(self.lane_key, picture.detail)
        if self._open_next:
            self._open_next = False
            self.action_open_lane()

    def hear(self, silences: Silences) -> None:
        """Ring for what has fallen silent since the last look, unless that is muted."""
        said = self._alarm.rings(silences, self.source.now())
        if said is not None and not self.settings.muted:
            self.app.bell()
            self.say(said, grave=True)

    def lose(self, why: str) -> None:
        """The source cannot be read: what is shown may be untrue, and nothing is acted on."""
        if not self.is_open:
            return
        self.learn(Freshness(self.freshness.at, why))
        self.table.show_stale(True)
        self.tell_header()

    def tell_header(self) -> None:
        picture = self.picture
        pending = 0 if self.pending is None or not self.follower.frozen else self.pending[1]
        freshness = replace(
            self.freshness, frozen=self.follower.frozen, every_s=self.rhythm.look_every, pending=pending
        )
        facts = Facts(
            name=self.source.name,
            actor=self.source.actor,
            read_only=self.source.read_only,
            status=None if picture is None else picture.status,
            freshness=freshness,
            standing=self._standing(),
            matching=None if picture is None else picture.window.total,
            marked=len(self.marks),
            hidden=0 if picture is None else picture.hidden,
            silent=0 if picture is None else picture.silences.record.total,
            muted=self.settings.muted,
            failures=self._trends.failures(),
            sparks=self._trends.sparks(),
        )
        self.query_one(Header).tell(facts, self.source.now())

    def _standing(self) -> Content:
        return standing(self.source, self.pauses, self.source.now(), self.size.width)

    def _show_lane(self, key: str | None, detail: AsOf[LaneDetail] | None) -> None:
        """The detail of lane ``key``, unless the cursor has left that: then the next glance is on its way."""
        lane = self.lane
        if not self.is_open or key != self.lane_key or (detail is not None and detail.record.lane.key != key):
            return
        now = self.source.now()
        known, at = (None, now) if detail is None else (detail.record, detail.at)
        self._detail.tell(lane, known, ViewedAt.of(at, now))

    # ----------------------------------------------------------------------------------- messages

    @on(LaneChosen)
    def _lane_chosen(self) -> None:
        if self.wants_detail:
            self._glance.at(self.lane)

    @on(WindowWanted)
    def _window_wanted(self) -> None:
        self.follower.wake()

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self.update)

    def renew(self) -> None:
        self.tell_heads()
        self.tell_header()
        self.tell_bar()

    # ------------------------------------------------------------------------------------ actions

    def action_open_lane(self) -> None:
        """Open the lane under the cursor on a separate screen."""
        if self.picture is None or self.picture.wish != self.wish:  # what was typed is not on the screen yet
            self._open_next = True
        elif self.lane is not None:
            self.app.push_screen(self.lane_screen(self.lane.key, self.lane.source))

    def lane_screen(self, key: str, source: str = HERE) -> LaneScreen:
        """The screen of a lane."""
        return LaneScreen(self.source, self.rhythm, key, source)

    def action_groups(self) -> None:
        """The lanes of the filter, folded by the first parts of their keys."""
        self.app.push_screen(self.groups())

    def groups(self) -> GroupsScreen:
        """The screen of the groups."""
        return GroupsScreen(self.source, self.rhythm, self.typed, self.marks, self.settings, self._take)

    @work
    async def _take(self, group: GroupChoice) -> None:
        """Show the lanes of a group; or act on them, as on marked ones."""
        if group.action is None:
            self.bar.input.value = group.typed
            return
        self.table.show_marks()
        self.tell_header()
        await self.app.run_action(group.action, self)

    def action_toggle_detail(self) -> None:
        self._detail.toggle_class("-hidden")
        self.follower.wake()

    def action_help(self) -> None:
        self.app.push_screen(Help(self.active_bindings.values()))

    def action_leave(self) -> None:
        if not self._with_gateway:
            self.app.exit(LEAVE_RUNNING)
            return

        def answered(how: Leaving | None) -> None:
            if how in (Leaving.STOP, Leaving.KEEP):
                self.app.exit(STOP_TOO if how is Leaving.STOP else LEAVE_RUNNING)

        self.app.push_screen(LeavingDialog(), answered)
