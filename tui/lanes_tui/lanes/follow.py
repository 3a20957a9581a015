"""How the main screen follows the source: it looks again and again, and shows each picture."""

from dataclasses import replace

from lanes import filters
from lanes.base.errors import NotFound
from lanes.filters import FIELDS
from lanes.records import Lane, LaneDetail, Silences
from lanes_storage.records import LaneFilter
from lanes_tui.actions.command_line import first_send
from lanes_tui.display import text
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.actions import Doing
from lanes_tui.lanes.alarm import SilenceAlarm
from lanes_tui.lanes.board import Picture, Wish
from lanes_tui.lanes.header import Header
from lanes_tui.lanes.viewing import Viewing
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.pacing import Paced
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Source, Window
from lanes_tui.tables.lane_table import View
from lanes_tui.widgets.trends import Trends

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


class Following(Doing, Viewing):
    """Reads pictures of the source, and brings them to the regions of the screen."""

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm, views: Views) -> None:
        super().__init__(source, settings, rhythm, views)
        self.header = Header()
        self._last: Picture | None = None
        self._hiding: Paced[int] = Paced()
        self._trends = Trends()
        self._alarm = SilenceAlarm()

    @property
    def wish(self) -> Wish:
        """What is to be shown."""
        return Wish(self.typed, self.settings.order)

    @property
    def wants_detail(self) -> bool:
        """Whether the lane under the cursor is shown in detail."""
        return not self.detail.has_class("-hidden")

    # ------------------------------------------------------------------------------------- reading

    async def look(self) -> None:
        covered = any(isinstance(screen, Watching) for screen in self.app.screen_stack)
        if self.picture is not None and covered:  # by what looks for itself, but not for what falls silent
            self._trends.add(await self.source.status())
            self._hear((await self.source.silences()).record)
            return
        frozen = self.looking.frozen
        picture = await self._read()
        self._hear(picture.silences.record)
        if self.looking.frozen and not frozen and self._last is not None and self._last.wish == picture.wish:
            return  # it was frozen while this was read: what stood on the screen then stays
        self._last = picture
        self.show(picture)

    async def _read(self) -> Picture:
        view, wish = self.table.view, self.wish
        chosen = filters.typed(wish.typed, self.source.now().wall).chosen
        silences = await self.source.silences()
        window = await self._window(chosen, wish, view)
        row = None if view.key is None else window.place_of(view.key, view.row)
        if view.key is not None and row is None:
            row = await self.source.place(chosen, view.key, order=wish.order)
        if row is None and self._last is not None and self._last.wish.typed != wish.typed:
            row = 0  # the cursor's lane is not one of them: the first of them is what was looked for
        after = view.following(view.row if row is None else row, window.total)
        if after.span != view.span:
            window = await self._window(chosen, wish, after)
        detail = await self._detail_of(window.lane_at(after.row))
        hidden = await self._hidden(chosen)
        return Picture(wish, window, view.key, row, await self.source.status(), hidden, detail, silences)

    async def _window(self, chosen: LaneFilter, wish: Wish, view: View) -> Window:
        return await self.source.window(chosen, *view.span, order=wish.order)

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

        # By the filter alone, however the marks change: thousands of them are looked for as often as they cost.
        return min(len(marked), await self._hiding.answer(chosen._replace(at=0), count))

    # ------------------------------------------------------------------------------------- showing

    def show(self, picture: Picture) -> None:
        if picture.wish != self.wish or not self.is_open:  # typed on since: the next look is on its way
            return
        key, before = self.table.view.key, self.picture
        if key not in (None, picture.key) and picture.window.place_of(str(key)) is None:
            self.looking.wake()  # the cursor came to that lane while this was read: it is looked for where it went
            return
        self.picture = picture
        self._trends.add(picture.status)
        self.read_at = picture.window.at
        self.has_read(self.read_at)
        first = text.line("  ", (first_send(self.source), "accent"))
        self.table.show_hint(NO_MATCH if picture.everything else (*NOTHING_YET, first))
        at = picture.window.at  # ages as they were then, so that a frozen screen stays what it was
        other = before is None or before.wish != picture.wish
        self.table.show(picture.window, ViewedAt.of(at, at, picture.silent), picture.key, picture.row, other=other)
        self.table.show_stale(False)
        self.tell_heads()
        self.tell_header()
        self.show_lane(self.table.key, picture.detail)

    def _hear(self, silences: Silences) -> None:
        """Ring for what has fallen silent since the last look, unless that is muted."""
        said = self._alarm.rings(silences, self.source.now())
        if said is not None and not self.settings.muted:
            self.app.bell()
            self.say(said, grave=True)

    def show_lane(self, key: str | None, detail: AsOf[LaneDetail] | None) -> None:
        """The detail of lane ``key``, unless the cursor has left that: then the next glance is on its way."""
        if not self.is_open or key != self.table.key or (detail is not None and detail.record.lane.key != key):
            return
        now = self.source.now()
        known, at = (None, now) if detail is None else (detail.record, detail.at)
        self.detail.tell(self.lane, known, ViewedAt.of(at, now))

    def tell_header(self) -> None:
        pending = 0 if self.pending is None or not self.looking.frozen else self.pending[1]
        freshness = replace(self.freshness, frozen=self.looking.frozen, every_s=self.rhythm.look_every, pending=pending)
        self.header.tell(self, freshness, self._trends)
