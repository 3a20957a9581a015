"""The screen of one lane: why, clocks, processes, messages, the chosen one with its providers, and the journal."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes.base.errors import NotFound
from lanes.records import HERE, Lane, LaneDetail, Message
from lanes_storage.law import MessageState
from lanes_tui.actions.acting import ACTIONS
from lanes_tui.actions.keys import bind
from lanes_tui.actions.subjects import MessageSubject
from lanes_tui.display import text, words
from lanes_tui.display.describing import event_line, message_line, message_whole, process_lines, why_text
from lanes_tui.display.views import KeptScreen
from lanes_tui.screens.watching import LANE_KEYS, Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.bars import clocks, stacked
from lanes_tui.widgets.detail import Pane, in_order, title
from lanes_tui.widgets.sheet import Sheet
from lanes_tui.widgets.timeline import timeline

#: On screens of fewer lines, the timeline of the runs is not shown: the messages need the room.
_TIMELINE_FROM = 20


class LaneScreen(Watching):
    """Everything that is known of one lane; acts on the message under the cursor."""

    NAME = "lane"
    BINDINGS: ClassVar[list[BindingType]] = [
        *LANE_KEYS,
        bind("wrap", "wrap"),
        bind("retry", "retry", show=True),
        bind("drop", "drop", show=True),
    ]

    def __init__(self, source: Source, rhythm: Rhythm, key: str, of: str = HERE) -> None:
        super().__init__(source, rhythm)
        self._key, self._of = key, of
        self._detail: LaneDetail | None = None
        self._missing = False

    @property
    def lane_key(self) -> str:
        return self._key

    def kept(self) -> KeptScreen:
        return super().kept()._replace(key=self.lane_key)

    def body(self) -> ComposeResult:
        yield Pane(wrap=True, id="why")
        yield Sheet(id="clocks")
        yield Sheet(id="processes")
        yield Sheet(id="timeline")
        with Horizontal(id="lists"):
            with Vertical(id="left"):
                yield Sheet(id="queue-head")
                yield Rows(id="messages")
            with Vertical(id="right"):
                yield Sheet([text.line(("JOURNAL", "head"))], id="events-head")
                yield Pane(id="events")
        yield Pane(wrap=True, id="message")

    def title_line(self) -> Content:
        if self._missing or self._detail is None:
            return text.line(
                (text.key_of(self.lane_key), "strong"), ("  no longer exists" if self._missing else "", "bad")
            )
        return title(self._detail.lane, self._detail.run, self.sight())

    async def read(self) -> None:
        try:
            self.read_at, self._detail = await self.source.detail(self.lane_key, self._of)
        except NotFound:  # pruned, or not in the database that took the place of this one
            self._missing = True
            return
        self._missing = False

    def show(self) -> None:
        if self._detail is None:
            return
        detail, sight = self._detail, self.sight()
        self.query_one("#why", Sheet).show([text.line(why_text(detail))])
        running = clocks(detail.lane, detail.run, sight)
        self.query_one("#clocks").display = bool(running)
        self.query_one("#clocks", Sheet).show(stacked(running, self.size.width - 4))
        short = self.has_class("-short")
        processes = process_lines(detail.processes or (), sight, 5 if short else 8)
        self.query_one("#processes").display = bool(processes)
        self.query_one("#processes", Sheet).show(processes)
        runs = timeline(detail.messages, sight.wall, self.size.width - 4, 2 if short else 5)
        self.query_one("#timeline").display = self.size.height >= _TIMELINE_FROM
        self.query_one("#timeline", Sheet).show(runs)
        count = f" {words.number(detail.lane.queued)} waiting" if detail.lane.queued else ""
        self.query_one("#queue-head", Sheet).show([text.line(("MESSAGES", "head"), count)])
        rows = [ListRow(str(message.id), message_line(message, sight)) for message in in_order(detail.messages)]
        self.query_one(Rows).show(rows, text.line(("none yet", "muted")))
        self._show_message()
        self.query_one("#events", Sheet).show([event_line(event, sight) for event in reversed(detail.events)])

    @on(Rows.Moved)
    def _show_message(self) -> None:
        if not self.is_open:
            return
        message = self.message
        lines = [] if message is None else message_whole(message, self.sight())
        whole = self.query_one("#message", Pane)
        at_end = whole.scroll_offset.y >= whole.max_scroll_y
        whole.show(lines)
        if at_end and message is not None and message.state is MessageState.RUNNING:
            whole.call_after_refresh(whole.scroll_end, animate=False)  # follow the reply while it grows

    def action_wrap(self) -> None:
        """Wrap the lines of the message, or cut them."""
        self.query_one("#message", Pane).turn_wrap()

    @property
    def message(self) -> Message | None:
        """The message under the cursor."""
        key = self.query_one(Rows).key
        messages = () if self._detail is None else self._detail.messages
        return next((message for message in messages if str(message.id) == key), None)

    # ------------------------------------------------------------------------------------- acting

    @property
    def lane(self) -> Lane | None:
        return None if self._detail is None or self._missing else self._detail.lane

    def rows_of(self, action: str) -> CursorList | None:
        return super().rows_of(action) if action in ("drop", "retry") else None  # the others are for the lane

    def action_drop(self) -> None:
        """Ask, then end the message under the cursor unanswered."""
        self._act_on_message("drop message")

    def action_retry(self) -> None:
        """Ask, then retry the message under the cursor."""
        self._act_on_message("retry message")

    def _act_on_message(self, name: str) -> None:
        if self.message is not None:
            self.act(MessageSubject(ACTIONS[name], [self.message]))
