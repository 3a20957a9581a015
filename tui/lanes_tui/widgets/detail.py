"""The detail of the lane under the cursor: why it is where it is, what waits, what happened last."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes_storage.law import UNFINISHED, MessageState
from lanes_storage.moment import Now
from lanes_tui import text, words
from lanes_tui.records import Detail as Everything
from lanes_tui.records import Event, Lane, Limits, Message
from lanes_tui.widgets.sheet import Sheet


class Pane(Sheet, can_focus=True):
    """A part of the detail that scrolls."""


class Detail(Vertical):
    """Title and why-paragraph above; the queue and the events below, side by side."""

    def compose(self) -> ComposeResult:
        with Vertical(id="about"):
            yield Sheet(id="title")
            yield Pane(wrap=True, id="why")
        with Horizontal(id="lists"):
            with Vertical():
                yield Sheet(id="queue-head")
                yield Pane(id="queue")
            with Vertical():
                yield Sheet(id="events-head")
                yield Pane(id="events")

    def tell(self, lane: Lane | None, detail: Everything | None, now: Now) -> None:
        """Show a lane. ``detail`` None: it is still being read, or there is none."""
        shown = lane if detail is None else detail.lane
        self._show("title", [_title(shown, None if detail is None else detail.limits, now)])
        self._show("why", [] if detail is None else [text.line(detail.why)])
        messages = [] if detail is None else detail.messages
        waiting = sorted((m for m in messages if m.state in UNFINISHED), key=_order)
        ended = [m for m in messages if m.state not in UNFINISHED]
        queued = shown.queued if shown is not None else 0
        self._show("queue-head", [text.line(("QUEUE", "head"), f" {words.number(queued)}" if queued else "")])
        self._show("queue", [each for message in (*waiting, *ended) for each in _message(message, now)])
        self._show("events-head", [text.line(("LAST EVENTS", "head"))])
        self._show("events", [] if detail is None else [_event(event, now) for event in reversed(detail.events)])

    def _show(self, name: str, lines: list[Content]) -> None:
        self.query_one(f"#{name}", Sheet).show(lines)


def _title(lane: Lane | None, limits: Limits | None, now: Now) -> Content:
    if lane is None:
        return text.EMPTY
    look = words.look_of(lane, now.wall)
    facts = f"epoch {lane.epoch}" if lane.run is None else f"epoch {lane.epoch}  run {lane.run.id}"
    facts += f" of {limits.runner}" if limits is not None else ""
    paused = words.is_paused(lane.pause, now.wall) and look is not words.PAUSED
    mark = text.line((f"{words.PAUSED.symbol} {words.PAUSED.word}", words.PAUSED.tone)) if paused else text.EMPTY
    return text.joined(
        [
            text.line((f"{look.symbol} {look.word}", look.tone)),
            mark,
            text.line((lane.key, "strong")),
            text.line((facts, "muted")),
        ]
    )


def _order(message: Message) -> tuple[bool, int]:
    return message.state is not MessageState.RUNNING, message.position or 0


def _message(message: Message, now: Now) -> list[Content]:
    look = words.MESSAGES[message.state]
    since = message.ended_at or message.started_at or message.accepted_at
    if message.state is MessageState.QUEUED:
        since = message.accepted_at
    mark = look.symbol if message.position is None else str(message.position)
    said = text.first_words(message.text) if message.text is not None else "(a chat request)"
    first = text.line(
        (f"{mark} ", look.tone),
        (f"#{message.id} {words.short(now.wall - since)} ", "muted"),
        said,
        *_result(message, now),
    )
    tries = () if message.error is None else message.error.attempts
    return [
        first,
        *(
            text.line(
                (f"    {a.provider} ", "muted"), (a.cause, "errored"), (f" {text.first_words(a.message)}", "muted")
            )
            for a in tries
        ),
    ]


def _result(message: Message, now: Now) -> list[text.Part]:
    if message.error is not None:
        tone = words.MESSAGES[message.state].tone
        return [
            ("  ← ", "muted"),
            (str(message.error.cause), tone),
            (f" {text.first_words(message.error.message)}", "muted"),
        ]
    if message.reply is not None:
        return [("  → ", "muted"), (text.first_words(message.reply), "good")]
    if message.parked_until is not None and message.parked_until > now.wall:
        return [(f"  parked for {words.short(message.parked_until - now.wall)}", "warn")]
    return []


def _event(event: Event, now: Now) -> Content:
    parts: list[text.Part] = [(f"{words.moment(event.at, now.wall)} ", "muted"), event.type]
    if event.to_state is not None and event.to_state != event.from_state:
        look = words.LANES.get(event.to_state)
        parts.append((f" → {event.to_state}", look.tone if look else ""))
    if event.cause is not None and event.cause != event.type:
        parts.append((f" {event.cause}", "warn"))
    if event.actor is not None:
        parts.append((f" {event.actor}", "muted"))
    said = [str(event.detail[name]) for name in ("reason", "message") if event.detail.get(name)]
    return text.line(*parts, (f" {text.first_words(', '.join(said))}" if said else "", "muted"))
