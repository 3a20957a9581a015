"""The main screen: header, filter, lanes, detail."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from lanes.records import HERE
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import LaneChosen, WindowWanted
from lanes_tui.dialogs.leaving import Leaving, LeavingDialog
from lanes_tui.display import text
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.actions import Doing
from lanes_tui.lanes.arranging import Arranging
from lanes_tui.lanes.board import Picture
from lanes_tui.lanes.follow import Following
from lanes_tui.lanes.preview import Glance
from lanes_tui.lanes.viewing import Viewing
from lanes_tui.screens.groups import GroupsScreen
from lanes_tui.screens.guarded import ACTING, CHOOSING
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.marked import MARK_KEYS
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.widgets.keys import Keys

#: The exit codes that ``lanes up`` reads.
LEAVE_RUNNING = 0
STOP_TOO = 10


class MainScreen(Following):
    """Shows one source, and acts on its lanes."""

    AUTO_FOCUS = "LaneList"  # from the first key on
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lane", show=True),
        *Arranging.KEYS,
        *MARK_KEYS,
        *Doing.KEYS,
        *Viewing.VIEW_KEYS,
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
        self._glance = Glance(source, self.show_lane)
        self._open_next = False  # Enter was pressed before the lanes of the filter were there

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.bar
        with Vertical(id="body"):
            with Vertical(id="list"):
                yield self.heads
                yield self.table
            yield self.detail
        yield Keys()

    def on_mount(self) -> None:
        self.tell_arrangement()
        self.tell_header()
        if self.settings.broken is not None:
            self.say(
                text.line(f"the settings cannot be read, and are left as they are: {self.settings.broken}"), grave=True
            )
        self.run_worker(self.looking.run(), name="follow")
        self.run_worker(self._glance.run(), name="glance")
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """The ages in the header go on also while no look ends: frozen, slow or stale."""
        if self.looking.frozen and self.pending is not None:
            self.count_pending()
        if self.is_open:
            self.tell_header()

    def is_blind(self, action: str) -> bool:
        """Also while the lanes of another filter or order are shown than what was typed."""
        if self.marks and action not in CHOOSING:  # it is for these
            return False
        shown = self.picture is not None and self.picture.wish == self.wish
        return not shown and (action.startswith(ACTING) or action in CHOOSING)

    def on_screen_resume(self) -> None:
        self.looking.wake()

    def show(self, picture: Picture) -> None:
        super().show(picture)
        if self._open_next and self.picture is picture:
            self._open_next = False
            self.action_open_lane()

    # ----------------------------------------------------------------------------------- messages

    @on(LaneChosen)
    def _lane_chosen(self) -> None:
        if self.wants_detail:
            self._glance.at(self.lane)

    @on(WindowWanted)
    def _window_wanted(self) -> None:
        self.looking.wake()

    def renew(self) -> None:
        self.table.show_stale(self.freshness.lost is not None)
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
        return GroupsScreen(self.source, self.rhythm, self.typed, self.marks, self.settings, self._act_on_marked)

    def _act_on_marked(self, action: str) -> None:
        async def ask() -> None:
            self.tell_marks()
            await self.app.run_action(action, self)

        self.read_and_ask(ask(), group="groups")

    def action_toggle_detail(self) -> None:
        self.detail.toggle_class("-hidden")
        self.looking.wake()

    def action_leave(self) -> None:
        if not self._with_gateway:
            self.app.exit(LEAVE_RUNNING)
            return

        def answered(how: Leaving | None) -> None:
            if how in (Leaving.STOP, Leaving.KEEP):
                self.app.exit(STOP_TOO if how is Leaving.STOP else LEAVE_RUNNING)

        self.app.push_screen(LeavingDialog(), answered)
