"""The journal as it is written: filtered, followed at its end or not, equal events of many lanes in one line."""

import json
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes.base.errors import NotFound
from lanes.records import Event
from lanes_storage.records import LaneFilter, Subject
from lanes_tui.actions.keys import KEYS, bind
from lanes_tui.display import text, words
from lanes_tui.display.coalescing import Group, coalesced, single
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import event_line
from lanes_tui.display.views import KeptScreen
from lanes_tui.screens.filtered import Filtered
from lanes_tui.screens.watching import LANE_KEYS
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.detail import Pane

#: How many events are read at a time: first the newest, older ones when the cursor comes to the top.
PAGE = 1_000
#: How many events are held at most while the newest is followed; older ones are read again when they are wanted.
MOST_HELD = 5_000


class JournalScreen(Filtered):
    """Shows events, the newest at the bottom. ``key``: of one lane only."""

    NAME = "journal"
    OF = Subject.EVENT
    HINT = "filter: a key, type:fail cause:run_timeout since:5m actor:alice"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("tail", "tail", show=True),
        bind("bundle", "bundle", show=True),
        *LANE_KEYS,
        bind("retry", "do('retry')"),
    ]

    def __init__(self, source: Source, rhythm: Rhythm, key: str | None = None) -> None:
        super().__init__(source, rhythm)
        self._only = key
        self.tail, self.together = True, True
        self._whole = Pane(wrap=True, id="event")
        self.events: list[Event] = []
        self._groups: list[Group] = []
        self._read_for: object = None
        self._older = False  # older events are wanted
        self._begun = False  # the first event of the journal is loaded
        self._problem: str | None = None

    def kept(self) -> KeptScreen:
        return super().kept()._replace(key=self._only)

    def body(self) -> ComposeResult:
        yield self.filter
        yield self.rows
        yield self._whole

    @property
    def lane_key(self) -> str | None:
        """The lane of the event under the cursor; None for a line that stands for several lanes."""
        group = self._group
        return self._only if group is None else group.last.key if group.lanes == 1 else None

    def rows_of(self, action: str) -> CursorList | None:
        return super().rows_of(action) if self._only is None else None  # every line is about that lane

    def action_do(self, name: str) -> None:
        """Act on the lane of the event; refused for a line about several lanes."""
        if self._group is not None and self._group.lanes > 1:
            lanes = words.counted(self._group.lanes, "lane")
            self.show_notice(f"this line is about {lanes}: press {KEYS['bundle'].keys} to see each event", grave=True)
        else:
            super().action_do(name)

    @property
    def _group(self) -> Group | None:
        return next((group for group in self._groups if str(group.first.id) == self.rows.key), None)

    def title_line(self) -> Content:
        whose = (self._only, "strong") if self._only is not None else ("of every lane", "muted")
        return text.line(("journal ", "head"), whose)

    # -------------------------------------------------------------------------------------- reading

    def split(self, typed: str) -> tuple[str, str | None]:
        """The filter, and the type of event, which is no field of filters: lanes and messages have none."""
        types = [word[5:] for word in typed.split() if word.startswith("type:") and word[5:]]
        return " ".join(word for word in typed.split() if not word.startswith("type:")), types[-1] if types else None

    async def read(self) -> None:
        parsed, kind = self.parsed, self.split(self.good)[1]
        self._problem = parsed.problem
        wanted = (self.good, self.freshness.lost)
        if wanted != self._read_for or not self.events:
            self.events, self._read_for = await self._page(parsed.chosen, kind), wanted
            self._begun = len(self.events) < PAGE
            return  # older events that were wanted before the source was lost still are
        newer = await self._page(parsed.chosen, kind, after=self.events[-1].id)
        while newer:
            self.events += newer
            newer = await self._page(parsed.chosen, kind, after=newer[-1].id) if len(newer) == PAGE else []
        if self.tail and self.rows.at_end and len(self.events) > MOST_HELD:
            del self.events[:-PAGE]
            self._begun = False
        if self._older and not self._begun:
            older = await self._page(parsed.chosen, kind, before=self.events[0].id)
            self.events[:0] = older
            self._begun = len(older) < PAGE
        self._older = False

    async def _page(
        self, chosen: LaneFilter, kind: str | None, *, after: int | None = None, before: int | None = None
    ) -> list[Event]:
        try:
            return await self.source.events(
                key=self._only, limit=PAGE, chosen=chosen, type=kind, after=after, before=before
            )
        except NotFound:
            return []

    # -------------------------------------------------------------------------------------- showing

    def show(self) -> None:
        sight = self.sight()
        self._groups = coalesced(self.events) if self.together else single(self.events)
        self.rows.tail = self.tail
        self.rows.show(
            [ListRow(str(group.first.id), self._line(group, sight)) for group in self._groups],
            text.line(("no event fits the filter" if self.typed else "no events yet", "muted")),
        )
        tail = f"tail {'on' if self.tail else 'off'}"
        like = "bundled" if self.together else "one by one"
        count = f"{words.number(len(self.events))} events{'' if self._begun else ', older above'}  "
        note = (
            text.line((self._problem, "warn"), " ")
            if self._problem
            else text.line((count, "muted"), tail, "  ", like, " ")
        )
        self.filter.show_note(note)
        self._show_event()

    def _line(self, group: Group, sight: ViewedAt) -> Content:
        if len(group.events) == 1:
            return event_line(group.last, sight, with_key=self._only is None)
        like = event_line(group.last, sight)
        lanes = f" on {words.counted(group.lanes, 'lane')}" if self._only is None and group.lanes else ""
        return text.line(like, (f"  ×{len(group.events)}{lanes} since {sight.moment(group.first.at)}", "accent"))

    @on(Rows.Moved)
    def _cursor_moved(self) -> None:
        self._show_event()
        if self._groups and self.rows.key == str(self._groups[0].first.id) and not self._begun:
            self._older = True
            self.looking.wake()

    def _show_event(self) -> None:
        group = self._group
        self._whole.show([] if group is None else _whole(group, self.sight()))

    def action_tail(self) -> None:
        self.tail = not self.tail
        if self.tail:
            self.rows.action_jump(-1)
        self.update()

    def action_bundle(self) -> None:
        self.together = not self.together
        self.update()


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
