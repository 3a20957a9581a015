"""The main screen: header, filter, lanes, detail."""

import asyncio
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from lanes.base.errors import NotFound
from lanes.filters import FIELDS
from lanes.records import HERE, Lane, LaneDetail, Silences
from lanes_storage.records import LaneFilter
from lanes_tui.actions.command_line import first_send
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.leaving import Leaving, LeavingDialog
from lanes_tui.display import text
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.alarm import SilenceAlarm
from lanes_tui.lanes.arranging import Arranging
from lanes_tui.lanes.board import Picture, Wish
from lanes_tui.lanes.header import Header
from lanes_tui.screens.groups import GroupsScreen
from lanes_tui.screens.guarded import ACTING, CHOOSING
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.marked import MARK_KEYS
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.pacing import Paced
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Lost, Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.widgets.keys import Keys
from lanes_tui.widgets.trends import Trends

#: Exit codes for ``lanes up``: whether its gateway is left running, or stops too.
LEAVE_RUNNING = 0
STOP_TOO = 10
#: How long the cursor has to rest on a lane before it is read: a key held down repeats thirty times a second.
REST_S = 0.05
#: How long the detail of the previous lane stays while the next one is read; with less, it would flicker.
PATIENCE_S = 0.15


NOTHING_YET = (
    text.line(("No lanes yet.", "strong")),
    text.EMPTY,
    text.line("Send the first message with ", ("m", "accent"), ", or from another terminal:"),
)
EXAMPLES = [field.example for field in FIELDS.values()] + ["-part", '"two words"']
NO_MATCH = (
    text.line(("No lane fits the filter.", "strong"), ("  esc clears it", "muted")),
    text.EMPTY,
    *(text.line(("  ".join(EXAMPLES[first : first + 5]), "muted")) for first in range(0, len(EXAMPLES), 5)),
)


class MainScreen(Arranging):
    """Shows the lanes of one source, read again and again, and acts on them."""

    AUTO_FOCUS = "LaneList"  # has the focus before the first key
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lane", show=True),
        bind("filter", "filter", show=True),
        bind("back", "back"),
        bind("search", "search"),
        bind("next", "search_on(1)"),
        bind("previous", "search_on(-1)"),
        bind("sort", "sort", show=True),
        bind("reverse", "reverse"),
        bind("columns", "columns"),
        bind("freeze", "freeze"),
        bind("faster", "rate(-1)"),
        bind("slower", "rate(1)"),
        bind("follow", "follow"),
        bind("mute", "mute"),
        bind("refresh", "refresh_now"),
        *MARK_KEYS,
        bind("abort", "do('abort')", show=True),
        bind("force", "do('force')", show=True),
        bind("pause", "pause", show=True),
        bind("retry", "do('retry')"),
        bind("ack", "do('ack')"),
        bind("new conversation", "do('new-conversation')"),
        *(bind("view", f"view({number})", only=number) for number in "123456789"),
        bind("keep view", "keep_view"),
        bind("groups", "groups"),
        bind("detail", "toggle_detail"),
        bind("help", "help", show=True),
        bind("leave", "leave", show=True),
        bind("interrupt", "leave"),
    ]

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm, views: Views, *, with_gateway: bool) -> None:
        super().__init__(source, settings, rhythm, views)
        self.header = Header()
        self._with_gateway = with_gateway
        self._last: Picture | None = None  # the last one that was read
        self._hiding: Paced[int] = Paced()
        self._trends = Trends()
        self._alarm = SilenceAlarm()
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
        self.update_arrangement()
        self.update_header()
        if self.settings.broken is not None:
            self.show_notice(
                text.line(f"the settings cannot be read and are left unchanged: {self.settings.broken}"), grave=True
            )
        self.run_worker(self.looking.run(), name="follow")
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """Let the ages in the header grow also while no look ends: frozen, slow or stale."""
        if self.looking.frozen and self.pending is not None:
            self.count_pending()
        if self.is_open:
            self.update_header()

    def is_blind(self, action: str) -> bool:
        """Also while the lanes of an earlier filter or order are shown."""
        if self.marks and action not in CHOOSING:  # these are its targets
            return False
        shown = self.picture is not None and self.picture.wish == self.wish
        return not shown and (action.startswith(ACTING) or action in CHOOSING)

    def on_screen_resume(self) -> None:
        self.looking.wake()

    @property
    def wish(self) -> Wish:
        """The filter and the order to show."""
        return Wish(self.typed, self.settings.order)

    # ------------------------------------------------------------------------------------- reading

    async def look(self) -> None:
        covered = any(isinstance(screen, Watching) for screen in self.app.screen_stack)
        if self.picture is not None and covered:  # the screen above reads for itself; trends and the alarm go on
            self._trends.add(await self.source.status())
            self._ring((await self.source.silences()).record)
            return
        frozen = self.looking.frozen
        picture = await self._read()
        self._ring(picture.silences.record)
        if self.looking.frozen and not frozen and self._last is not None and self._last.wish == picture.wish:
            return  # frozen while this was read: the screen stays as it was then
        self._last = picture
        self.show(picture)

    async def _read(self) -> Picture:
        view, wish = self.table.view, self.wish
        chosen = self.chosen
        silences = await self.source.silences()
        window = await self.source.window(chosen, *view.span, order=wish.order)
        row = None if view.key is None else window.place_of(view.key, view.row)
        if view.key is not None and row is None:
            row = await self.source.place(chosen, view.key, order=wish.order)
        if row is None and self._last is not None and self._last.wish.typed != wish.typed:
            row = 0  # a new filter leaves out the cursor's lane: show its first lane
        after = view.following(view.row if row is None else row, window.total)
        if after.span != view.span:
            window = await self.source.window(chosen, *after.span, order=wish.order)
        detail = await self._detail_of(window.lane_at(after.row))
        hidden = await self._hidden(chosen)
        return Picture(wish, window, view.key, row, await self.source.status(), hidden, detail, silences)

    async def _detail_of(self, lane: Lane | None) -> AsOf[LaneDetail] | None:
        if lane is None or not self.wants_detail:
            return None
        try:
            return await self.source.detail(lane.key, lane.source)
        except NotFound:  # pruned since the window was read
            return None

    async def _hidden(self, chosen: LaneFilter) -> int:
        marked = tuple(self.marks)
        if not marked or chosen.everything:
            return 0

        async def count() -> int:
            return len(marked) - await self.source.total(chosen.only(marked))

        # Cached by the filter alone, whatever is marked since: counting thousands of marks takes its time.
        return min(len(marked), await self._hiding.answer(chosen._replace(at=0), count))

    # ------------------------------------------------------------------------------------- showing

    def show(self, picture: Picture) -> None:
        if picture.wish != self.wish or not self.is_open:  # another filter was typed since: its look is on its way
            return
        key, before = self.table.view.key, self.picture
        if key not in (None, picture.key) and picture.window.place_of(str(key)) is None:
            self.looking.wake()  # the cursor came to this lane while the picture was read: look again, for its place
            return
        self.picture, self.pauses = picture, picture.status.record.pauses
        self._trends.add(picture.status)
        self.read_at = picture.window.at
        self.has_read(self.read_at)
        first = text.line("  ", (first_send(self.source), "accent"))
        self.table.show_hint(NO_MATCH if picture.everything else (*NOTHING_YET, first))
        at = picture.window.at  # ages as of the read, so that a frozen screen does not change
        other = before is None or before.wish != picture.wish
        self.table.show(picture.window, ViewedAt.of(at, at, picture.silent), picture.key, picture.row, other=other)
        self.table.show_stale(False)
        self.update_heads()
        self.update_header()
        self.show_lane(self.table.key, picture.detail)
        if self._open_next:
            self._open_next = False
            self.action_open_lane()

    def _ring(self, silences: Silences) -> None:
        """Ring for runs that have fallen silent since the last alarm, unless that is muted."""
        sentence = self._alarm.rings(silences, self.source.now())
        if sentence is not None and not self.settings.muted:
            self.app.bell()
            self.show_notice(sentence, grave=True)

    def show_lane(self, key: str | None, detail: AsOf[LaneDetail] | None) -> None:
        """Show the detail of lane ``key``, unless the cursor has left that: then its lane is being read."""
        if not self.is_open or key != self.table.key or (detail is not None and not _is_of(self.lane, detail)):
            return
        now = self.source.now()
        known, at = (None, now) if detail is None else (detail.record, detail.at)
        self.detail.show(self.lane, known, ViewedAt.of(at, now))

    def update_header(self) -> None:
        pending = 0 if self.pending is None or not self.looking.frozen else self.pending[1]
        freshness = replace(self.freshness, frozen=self.looking.frozen, every_s=self.rhythm.look_every, pending=pending)
        self.header.show(self, freshness, self._trends)

    # ----------------------------------------------------------------------------------- messages

    @on(CursorList.Moved)
    def _cursor_moved(self) -> None:
        if self.wants_detail:
            self._glance(self.lane)

    @work(exclusive=True, group="glance")
    async def _glance(self, lane: Lane | None) -> None:
        """Read the lane under the cursor once the cursor rests, apart from the reads of the whole list."""
        await asyncio.sleep(REST_S)
        key = None if lane is None else lane.key
        late = self.set_timer(PATIENCE_S, lambda: self.show_lane(key, None))
        try:
            detail = await self._detail_of(lane)
        except Lost:  # the next look fails too, and reports it
            detail = None
        finally:
            late.stop()
        self.show_lane(key, detail)

    def renew(self) -> None:
        self.table.show_stale(self.freshness.lost is not None)
        self.update_heads()
        self.update_header()
        self.update_bar()

    # ------------------------------------------------------------------------------------ actions

    def action_open_lane(self) -> None:
        """Open the lane under the cursor on a separate screen."""
        if self.picture is None or self.picture.wish != self.wish:  # the typed filter is not on the screen yet
            self._open_next = True
        elif self.lane is not None:
            self.app.push_screen(self.lane_screen(self.lane.key, self.lane.source))

    def lane_screen(self, key: str, source: str = HERE) -> LaneScreen:
        """The screen of a lane."""
        return LaneScreen(self.source, self.rhythm, key, source)

    def action_groups(self) -> None:
        """Open the groups: the lanes of the filter, folded by the first parts of their keys."""
        self.app.push_screen(self.groups())

    def groups(self) -> GroupsScreen:
        """The screen of the groups."""
        return GroupsScreen(self.source, self.rhythm, self.typed, self.marks, self.settings, self._act_on_marked)

    def _act_on_marked(self, action: str) -> None:
        async def act() -> None:
            self.update_marks()
            await self.app.run_action(action, self)

        self.read_and_confirm(act(), group="groups")

    def action_toggle_detail(self) -> None:
        self.detail.toggle_class("-hidden")
        self.looking.wake()

    def action_leave(self) -> None:
        if not self._with_gateway:
            self.app.exit(LEAVE_RUNNING)
            return

        def on_answer(how: Leaving | None) -> None:
            if how is not None:
                self.app.exit(STOP_TOO if how is Leaving.STOP else LEAVE_RUNNING)

        self.app.push_screen(LeavingDialog(), on_answer)


def _is_of(lane: Lane | None, detail: AsOf[LaneDetail]) -> bool:
    """Whether this is the detail of that lane: a lane of another program may have the same key."""
    other = detail.record.lane
    return lane is not None and (lane.source, lane.key) == (other.source, other.key)
