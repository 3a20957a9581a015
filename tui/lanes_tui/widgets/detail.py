"""The detail of the lane under the cursor: why it is where it is, its clocks, what waits, what happened last."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.strip import Strip

from lanes.explain.phrases import is_paused
from lanes.records import Lane, LaneDetail, Message, Run
from lanes_storage.law import UNFINISHED, MessageState
from lanes_tui.actions.keys import bind
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line, message_line, why_text
from lanes_tui.tables.scrolling import painted
from lanes_tui.widgets.bars import abreast, clocks
from lanes_tui.widgets.sheet import Sheet


class Pane(Sheet, can_focus=True):
    """A text or a list that scrolls. If a text goes on below, the last line in view says so, and names the key that
    leads there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "scroll_up"),
        bind("down", "scroll_down"),
        bind("page up", "page_up"),
        bind("page down", "page_down"),
        bind("first", "scroll_home"),
        bind("last", "scroll_end"),
    ]

    @property
    def more(self) -> Content:
        """How many lines follow below, and the key that leads to them; empty: none."""
        below = self.virtual_size.height - self.scroll_offset.y - self.scrollable_content_region.height
        if below <= 0 or not self._wrap:
            return text.EMPTY
        return text.line((f" ▼ {below} more: ", "muted"), ("j" if self.has_focus else "tab", "accent"))

    def render_line(self, y: int) -> Strip:
        strip, more = super().render_line(y), self.more
        if not more.plain or y < self.scrollable_content_region.height - 1:
            return strip
        sign = painted(more, more.cell_length, self.visual_style, self._get_style)
        return Strip.join([strip.crop(0, strip.cell_length - more.cell_length), sign])

    def show(self, lines: Sequence[Content]) -> None:
        before = self.more
        super().show(lines)
        if not before.is_same(self.more):
            self.refresh()


#: How many lines of the why-paragraph are shown at most, with the detail beside the lanes and below them.
_WHY_BESIDE, _WHY_BELOW = 14, 5
#: The seconds of a duration that has minutes too.
_SECONDS = re.compile(r"(\d+m) \d+s")


class Detail(Vertical):
    """Title, why-paragraph and clocks above; the queue and the events below, side by side."""

    _why: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="about"):
            yield Sheet(id="title")
            yield Pane(wrap=True, id="why")
            yield Sheet(id="clocks")
        with Horizontal(id="lists"):
            with Vertical():
                yield Sheet(id="queue-head")
                yield Pane(id="queue")
            with Vertical():
                yield Sheet([text.line(("LAST EVENTS", "head"))], id="events-head")
                yield Pane(id="events")

    def on_resize(self) -> None:
        """Give the why-paragraph the lines that the clocks and a few lines below them do not need."""
        height = self.size.height
        most = _WHY_BESIDE if self.screen.has_class("-wide") else _WHY_BELOW
        self.query_one("#why").styles.max_height = max(1, min(2, height - 1), min(most, height - 3))

    def show(self, lane: Lane | None, detail: LaneDetail | None, sight: ViewedAt) -> None:
        """Show a lane. ``detail`` None: it is still being read, or there is none."""
        shown = lane if detail is None else detail.lane
        run = None if detail is None else detail.run
        self._show("title", [title(shown, run, sight)])
        self._show_why("" if detail is None else why_text(detail))
        running = [] if shown is None else clocks(shown, run, sight)
        self.query_one("#clocks").display = bool(running)
        self._show("clocks", [abreast(running, self.size.width - 3)])
        messages = [] if detail is None else in_order(detail.messages)
        queued = shown.queued if shown is not None else 0
        self._show("queue-head", [text.line(("QUEUE", "head"), f" {words.number(queued)}" if queued else "")])
        self._show("queue", [message_line(message, sight) for message in messages])
        self._show("events", [] if detail is None else [event_line(event, sight) for event in reversed(detail.events)])

    def _show_why(self, why: str) -> None:
        """Show the paragraph, unless all that has changed is seconds of durations with minutes."""
        calm = _SECONDS.sub(r"\1", why)
        if calm != self._why:
            self._why = calm
            self._show("why", [text.line(why)] if why else [])

    def _show(self, name: str, lines: list[Content]) -> None:
        self.query_one(f"#{name}", Sheet).show(lines)


def title(lane: Lane | None, run: Run | None, sight: ViewedAt) -> Content:
    """State, key, epoch and run of a lane, on one line."""
    if lane is None:
        return text.EMPTY
    look = words.look_of(lane, sight.wall)
    facts = f"epoch {lane.epoch}" if lane.run_id is None else f"epoch {lane.epoch}  run {lane.run_id}"
    facts += f" of {run.runner}" if run is not None else ""
    paused = is_paused(lane.paused, sight.wall) and look is not words.PAUSED
    mark = text.line(words.PAUSED.label) if paused else text.EMPTY
    pieces = [text.line(look.label), mark, text.line((text.key_of(lane.key), "strong"))]
    return text.joined([*pieces, text.line((facts, "muted"))])


def in_order(messages: Iterable[Message]) -> list[Message]:
    """What runs, then what waits in its order, then what has ended, the newest first."""
    messages = list(messages)
    unfinished = [message for message in messages if message.state in UNFINISHED]
    ended = [message for message in messages if message.state not in UNFINISHED]
    return [*sorted(unfinished, key=_place), *ended]


def _place(message: Message) -> tuple[bool, int]:
    return message.state is not MessageState.RUNNING, message.position or 0
