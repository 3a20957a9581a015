"""One lane, whole: why, clocks, every message, the chosen one with its providers, and the lane's journal."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes.base.errors import NotFound
from lanes.records import LaneDetail, Message
from lanes_tui.actions.keys import bind
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line, message_line, message_whole
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Source
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.bars import clocks, stacked
from lanes_tui.widgets.detail import Pane, in_order, title
from lanes_tui.widgets.sheet import Sheet


class LaneScreen(Watching):
    """Everything that is known of one lane; acts on the message under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("drop", "drop", show=True),
        bind("retry", "retry", show=True),
    ]

    def __init__(self, source: Source, rhythm: Rhythm, key: str) -> None:
        super().__init__(source, rhythm)
        self.lane_key = key
        self._detail: AsOf[LaneDetail] | None = None
        self._gone = False

    def body(self) -> ComposeResult:
        yield Pane(wrap=True, id="why")
        yield Sheet(id="clocks")
        with Horizontal(id="lists"):
            with Vertical(id="left"):
                yield Sheet(id="queue-head")
                yield Rows(id="messages")
            with Vertical(id="right"):
                yield Sheet(id="events-head")
                yield Pane(id="events")
        yield Pane(wrap=True, id="message")

    def title_line(self) -> Content:
        if self._gone or self._detail is None:
            return text.line((self.lane_key, "strong"), ("  is there no more" if self._gone else "", "bad"))
        detail = self._detail.record
        return title(detail.lane, detail.run, self._sight())

    async def read(self) -> None:
        try:
            self._detail = await self.source.detail(self.lane_key)
        except NotFound:  # pruned, or in another database that took the place of this one
            self._gone = True
            return
        self._gone = False

    def _sight(self) -> ViewedAt:
        now = self.source.now()
        return ViewedAt.of(now if self._detail is None else self._detail.at, now)

    def show(self) -> None:
        if self._detail is None:
            return
        detail, sight = self._detail.record, self._sight()
        self.query_one("#why", Sheet).show([text.line(detail.why)])
        running = clocks(detail.lane, detail.run, sight)
        self.query_one("#clocks").display = bool(running)
        self.query_one("#clocks", Sheet).show(stacked(running, self.size.width - 4))
        count = f" {words.number(detail.lane.queued)} waiting" if detail.lane.queued else ""
        self.query_one("#queue-head", Sheet).show([text.line(("MESSAGES", "head"), count)])
        rows = [ListRow(str(message.id), message_line(message, sight)) for message in in_order(detail.messages)]
        self.query_one(Rows).show(rows, text.line(("none yet", "muted")))
        self._show_message()
        self.query_one("#events-head", Sheet).show([text.line(("JOURNAL", "head"))])
        self.query_one("#events", Sheet).show([event_line(event, sight) for event in reversed(detail.events)])

    @on(Rows.Chosen)
    def _show_message(self) -> None:
        if not self.is_open:
            return
        message = self.message
        lines = [] if message is None else message_whole(message, self._sight())
        self.query_one("#message", Sheet).show(lines)

    @property
    def message(self) -> Message | None:
        """The message under the cursor."""
        key = self.query_one(Rows).key
        messages = () if self._detail is None else self._detail.record.messages
        return next((message for message in messages if str(message.id) == key), None)

    # ------------------------------------------------------------------------------------- acting

    def action_drop(self) -> None:
        message = self.message
        if message is not None and self.may_act():
            self._drop(message.id)

    @work
    async def _drop(self, message_id: int) -> None:
        if await self.do(self.source.drop(message_id)) is not None:
            self.say(f"message {message_id} dropped; the journal keeps it")

    def action_retry(self) -> None:
        message = self.message
        if message is not None and self.may_act():
            self._retry(message.id)

    @work
    async def _retry(self, message_id: int) -> None:
        new = await self.do(self.source.retry_message(message_id))
        if new is not None:
            self.say(f"message {message_id} waits again, as message {new.id}")
