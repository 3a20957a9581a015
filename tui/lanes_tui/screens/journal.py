"""The journal of everything, as it is written: filtered, followed at its end or not, the like of it in one line."""

import json
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input

from lanes.base.errors import NotFound
from lanes.records import Event
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterLeft
from lanes_tui.display import text, words
from lanes_tui.display.coalescing import Group, coalesced, single
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.filter_bar import FilterInput
from lanes_tui.widgets.sheet import Sheet

#: So many events are read; what is older is for `lanes events`.
MOST = 1_000


class JournalScreen(Watching):
    """Shows the newest events, the newest at the bottom. ``key``: of one lane only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("filter", "filter", show=True),
        bind("tail", "tail", show=True),
        bind("bundle", "bundle", show=True),
    ]

    def __init__(self, source: Source, rhythm: Rhythm, key: str | None = None) -> None:
        super().__init__(source, rhythm)
        self._only = key
        self.tail, self.together = True, True
        self._typed = ""
        self._events: list[Event] = []
        self._groups: list[Group] = []

    def body(self) -> ComposeResult:
        with Horizontal(id="journal-filter"):
            yield Sheet(id="slash")
            yield FilterInput(placeholder="filter: words that the line must have", compact=True, select_on_focus=False)
            yield Sheet(id="modes")
        yield Rows(id="journal", tail=True)
        yield Pane(wrap=True, id="event")

    def on_mount(self) -> None:
        self.query_one("#slash", Sheet).show([text.line((" /", "accent"))])
        self.query_one(FilterInput).cursor_blink = False  # a blinking cursor is traffic

    @property
    def lane_key(self) -> str | None:
        """The lane of the event under the cursor."""
        group = self._group
        return self._only if group is None else group.last.key

    @property
    def _group(self) -> Group | None:
        key = self.query_one(Rows).key
        return next((group for group in self._groups if str(group.first.id) == key), None)

    def title_line(self) -> Content:
        whose = (self._only, "strong") if self._only is not None else ("of every lane", "muted")
        return text.line(("journal ", "head"), whose)

    async def read(self) -> None:
        try:
            self._events = await self.source.events(key=self._only, limit=MOST)
        except NotFound:
            self._events = []

    def show(self) -> None:
        sight = self.sight()
        chosen = [event for event in self._events if self._fits(event, sight)]
        self._groups = coalesced(chosen) if self.together else single(chosen)
        rows = self.query_one(Rows)
        rows.tail = self.tail
        rows.show([ListRow(str(group.first.id), self._line(group, sight)) for group in self._groups], self._nothing())
        modes = f"{words.number(len(chosen))} of the last {words.number(len(self._events))}"
        tail = f"tail {'on' if self.tail else 'off'}"
        like = "coalesced" if self.together else "one by one"
        line = text.line((f"{modes}  ", "muted"), tail, ("  ", ""), like, " ")
        sheet = self.query_one("#modes", Sheet)
        sheet.styles.width = text.width_of(line)
        sheet.show([line])
        self._show_event()

    def _nothing(self) -> Content:
        return text.line(("no event fits the filter" if self._events else "nothing has happened yet", "muted"))

    def _fits(self, event: Event, sight: ViewedAt) -> bool:
        if not self._typed:
            return True
        whole = f"{event_line(event, sight, with_key=False).plain} {event.key or ''}".lower()
        return all(word in whole for word in self._typed.lower().split())

    def _line(self, group: Group, sight: ViewedAt) -> Content:
        if len(group.events) == 1:
            return event_line(group.last, sight, with_key=self._only is None)
        like = event_line(group.last, sight)
        lanes = f" on {words.counted(group.lanes, 'lane')}" if self._only is None else ""
        return text.line(like, (f"  ×{len(group.events)}{lanes} since {sight.moment(group.first.at)}", "accent"))

    @on(Rows.Chosen)
    def _show_event(self) -> None:
        if not self.is_open:
            return
        group = self._group
        self.query_one("#event", Sheet).show([] if group is None else _whole(group, self.sight()))

    @on(Input.Changed)
    def _typed_on(self, event: Input.Changed) -> None:
        event.stop()
        self._typed = event.value
        self.show()

    @on(FilterLeft)
    def _filter_left(self) -> None:
        self.query_one(Rows).focus()

    def action_filter(self) -> None:
        self.set_focus(self.query_one(FilterInput))  # at once: what is typed ahead is for it

    def action_tail(self) -> None:
        self.tail = not self.tail
        if self.tail:
            self.query_one(Rows).action_jump(-1)
        self.show()

    def action_bundle(self) -> None:
        self.together = not self.together
        self.show()


def _whole(group: Group, sight: ViewedAt) -> list[Content]:
    event = group.last
    ids = (("run", event.run_id), ("message", event.message_id), ("epoch", event.epoch))
    known = "  ".join(f"{word} {number}" for word, number in ids if number is not None)
    head = text.line((f"EVENT #{event.id} ", "head"), event_line(event, sight), (f"  {known}", "muted"))
    lines = [head]
    keys = list(dict.fromkeys(e.key for e in group.events if e.key is not None))
    if keys:
        lines.append(text.line((", ".join(keys[:12]) + (" …" if len(keys) > 12 else ""), "strong")))
    if event.detail:
        lines.append(text.line((json.dumps(event.to_json()["detail"], ensure_ascii=False), "muted")))
    return lines
