"""The detail of the lane under the cursor: why it is where it is, its clocks, what waits, what happened last."""

import re
from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes.explain.phrases import is_paused
from lanes.records import Lane, LaneDetail, Message, Run
from lanes_storage.law import UNFINISHED, MessageState
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line, message_line, why_told
from lanes_tui.widgets.bars import abreast, clocks
from lanes_tui.widgets.sheet import Sheet


class Pane(Sheet, can_focus=True):
    """A part of the detail that scrolls."""


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

    def tell(self, lane: Lane | None, detail: LaneDetail | None, sight: ViewedAt) -> None:
        """Show a lane. ``detail`` None: it is still being read, or there is none."""
        shown = lane if detail is None else detail.lane
        run = None if detail is None else detail.run
        self._show("title", [title(shown, run, sight)])
        self._tell_why("" if detail is None else why_told(detail))
        running = [] if shown is None else clocks(shown, run, sight)
        self.query_one("#clocks").display = bool(running)
        self._show("clocks", [abreast(running, self.size.width - 3)])
        messages = [] if detail is None else in_order(detail.messages)
        queued = shown.queued if shown is not None else 0
        self._show("queue-head", [text.line(("QUEUE", "head"), f" {words.number(queued)}" if queued else "")])
        self._show("queue", [message_line(message, sight) for message in messages])
        self._show("events", [] if detail is None else [event_line(event, sight) for event in reversed(detail.events)])

    def _tell_why(self, why: str) -> None:
        """A paragraph in which only seconds beside minutes went on is not painted anew."""
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
    mark = text.line(words.PAUSED.said) if paused else text.EMPTY
    pieces = [text.line(look.said), mark, text.line((lane.key, "strong"))]
    return text.joined([*pieces, text.line((facts, "muted"))])


def in_order(messages: Iterable[Message]) -> list[Message]:
    """What runs, then what waits in its order, then what has ended, the newest first."""
    messages = list(messages)
    unfinished = [message for message in messages if message.state in UNFINISHED]
    ended = [message for message in messages if message.state not in UNFINISHED]
    return [*sorted(unfinished, key=_place), *ended]


def _place(message: Message) -> tuple[bool, int]:
    return message.state is not MessageState.RUNNING, message.position or 0
