"""The groups: lanes folded by the first parts of their keys (agent, channel, chat), the worst group first."""

from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes import filters
from lanes.records import LaneGroup
from lanes_storage.globs import exactly
from lanes_storage.law import LaneState
from lanes_storage.records import How, LaneFilter
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterWanted
from lanes_tui.display import text, words
from lanes_tui.display.settings import MOST_PARTS, Settings
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import MOST, Lost, MarkedLane, Source
from lanes_tui.tables.fixed import FixedColumn, FixedLayout
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.sheet import Sheet

_COLUMNS = (
    FixedColumn("STATE", 11),
    FixedColumn("GROUP", 0, most=64),
    *(FixedColumn(name, 6, right=True) for name in ("LANES", "SILENT", "FOR", "RUN", "WAIT", "ERR", "ABORT")),
)


class GroupsScreen(Watching):
    """Lists the groups of the lanes that a filter chooses. Marks and actions on a group are for all its lanes."""

    NAME = "groups"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open", show=True),
        bind("fold", "fold(-1)", show=True),
        bind("unfold", "fold(1)", show=True),
        bind("mark", "mark", show=True),
        bind("mark none", "mark_none"),
        bind("abort", "act_on(\"do('abort')\")", show=True),
        bind("force", "act_on(\"do('force')\")"),
        bind("pause", "act_on('pause')", show=True),
        bind("retry", "act_on(\"do('retry')\")"),
        bind("ack", "act_on(\"do('ack')\")"),
    ]

    def __init__(
        self,
        source: Source,
        rhythm: Rhythm,
        typed: str,
        marks: dict[str, MarkedLane],
        settings: Settings,
        act: Callable[[str], object],
    ) -> None:
        super().__init__(source, rhythm)
        self._act = act
        self._typed, self._marks, self._settings = typed, marks, settings
        self._groups: list[LaneGroup] = []

    def body(self) -> ComposeResult:
        yield Sheet(id="list-heads")
        yield Rows(id="groups")

    def title_line(self) -> Content:
        parts = self._settings.parts
        by = f"by the first {parts} parts of their keys" if parts > 1 else "by the first part of their keys"
        of = text.line((f" of {self._typed}", "accent")) if self._typed else text.EMPTY
        marked = f", {words.number(len(self._marks))} lanes marked" if self._marks else ""
        return text.line(("groups ", "head"), of, (f" {by}", "muted"), (marked, "mark"))

    async def read(self) -> None:
        self._groups = await self.source.groups(self._chosen, self._settings.parts)

    @property
    def _chosen(self) -> LaneFilter:
        return filters.typed(self._typed, self.source.now().wall).chosen

    def show(self) -> None:
        layout = FixedLayout.of(_COLUMNS, self.size.width)
        self.query_one("#list-heads", Sheet).show([layout.heads()])
        rows = [ListRow(f"{group.prefix}/{group.whole}", layout.line(_cells(group, layout))) for group in self._groups]
        self.query_one(Rows).show(rows, text.line(("no lane fits the filter", "muted")))

    @property
    def group(self) -> LaneGroup | None:
        """The group under the cursor."""
        key = self.query_one(Rows).key
        return next((group for group in self._groups if f"{group.prefix}/{group.whole}" == key), None)

    # ------------------------------------------------------------------------------------- actions

    def action_open(self) -> None:
        """Show the lanes of the group on the main screen."""
        if self.group is not None:
            self.app.post_message(FilterWanted(self._typed_with(self.group)))
            self.dismiss()

    def action_fold(self, by: int) -> None:
        """Fold by fewer or more parts of the keys."""
        self._settings.parts = max(1, min(self._settings.parts + by, MOST_PARTS))
        self._settings.save()
        self.looking.wake()

    def action_mark(self) -> None:
        """Mark the lanes of the group."""
        if self.group is not None:
            self._mark(self.group)

    def action_mark_none(self) -> None:
        """Take every mark away."""
        self._marks.clear()
        self.update()

    def action_act_on(self, action: str) -> None:
        """Mark the lanes of the group and nothing else, and act on them."""
        if self.group is not None and self.may_act():
            self._marks.clear()
            self.read_and_confirm(self._mark_and_act(self.group, action))

    async def _mark_and_act(self, group: LaneGroup, action: str) -> None:
        if await self._marked(group):
            self._act(action)
            self.dismiss()

    @work
    async def _mark(self, group: LaneGroup) -> None:
        if await self._marked(group):
            self.query_one(Rows).action_move(1)
            self.update()

    async def _marked(self, group: LaneGroup) -> bool:
        try:
            found = await self.source.marks(self._within(group), MOST + 1)
        except Lost:
            return False
        if len(found) > MOST:
            self.show_notice(
                text.line(f"this group has more than {words.number(MOST)} lanes: group by more parts"), grave=True
            )
            return False
        self._marks.update((mark.key, mark) for mark in found)
        return True

    def _within(self, group: LaneGroup) -> LaneFilter:
        """The filter, narrowed to the lanes of a group."""
        how, value = (How.IS, group.prefix) if group.whole else (How.FITS, f"{exactly(group.prefix)}:*")
        return self._chosen.where("key", how, value)

    def _typed_with(self, group: LaneGroup) -> str:
        """The typed filter, narrowed to a group, as a person would type it."""
        condition = self._within(group).conditions[-1]
        return f"{self._typed} {filters.written(LaneFilter((condition,)))}".strip()


def _cells(group: LaneGroup, layout: FixedLayout) -> dict[str, Content]:
    prefix = text.in_the_middle(group.prefix, layout.width_of("GROUP") - 1)
    return {
        "STATE": text.line(words.look_of_state(_worst(group)).label),
        "GROUP": text.line((prefix, "strong"), ("" if group.whole else ":", "muted")),
        "LANES": text.line(words.number(group.lanes)),
        "SILENT": text.count(group.silent, "warn"),
        "FOR": text.line((words.short(group.silent_ms), "warn")) if group.silent else text.EMPTY,
        "RUN": text.count(group.running, "running"),
        "WAIT": text.count(group.waiting),
        "ERR": text.count(group.errored, "errored"),
        "ABORT": text.count(group.aborted, "aborted"),
    }


def _worst(group: LaneGroup) -> LaneState:
    found = ((group.errored, LaneState.ERRORED), (group.aborted, LaneState.ABORTED), (group.running, LaneState.RUNNING))
    return next((state for count, state in found if count), LaneState.IDLE)
