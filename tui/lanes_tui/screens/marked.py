"""Marking rows for an action: one, a range, all that match, the others, none."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

from textual import work
from textual.binding import BindingType
from textual.content import Content

from lanes.base.errors import LanesError
from lanes_tui.actions.acting import ActionResult, ActionTarget
from lanes_tui.actions.keys import bind
from lanes_tui.display import text, words
from lanes_tui.screens.guarded import MARKING, Guarded
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import MOST, Lost, Source
from lanes_tui.tables.cursor import CursorList

#: What is kept of a row that is marked.
Mark = TypeVar("Mark")

MARK_KEYS: list[BindingType] = [
    bind("mark", "mark", show=True),
    bind("mark range", "mark_range"),
    bind("mark all", "mark_all"),
    bind("mark others", "mark_others"),
    bind("mark none", "mark_none"),
]


class Marking(Guarded, Generic[Mark]):
    """Keeps marks by the keys of their rows, also of rows that are not loaded."""

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.marks: dict[str, Mark] = {}

    @property
    @abstractmethod
    def lines(self) -> CursorList:
        """The list whose rows are marked."""

    @abstractmethod
    def mark_of(self, key: str) -> Mark:
        """The mark for the row under the cursor, whose key is ``key``."""

    @abstractmethod
    async def matching(self) -> Mapping[str, Mark]:
        """Marks for all rows that the filter chooses. Raises Lost."""

    @abstractmethod
    async def place_of(self, key: str) -> int | None:
        """The place of a row among all that the filter chooses; None: it is not one of them. Raises Lost."""

    @abstractmethod
    async def among(self, first: int, count: int) -> Mapping[str, Mark]:
        """Marks for ``count`` of these rows, from place ``first`` on. Raises Lost."""

    def may_mark(self) -> bool:
        """Whether the rows that the filter chooses may be marked; says why not."""
        return True

    def update_marks(self) -> None:
        """Show the marks, after they have changed."""
        self.lines.show_marks()
        self.update()

    @property
    def range_hint(self) -> Content:
        """What to do while a range is begun."""
        begun = self.lines.range_from is not None
        return text.line(("range: go to its other end, V ends it ", "mark")) if begun else text.EMPTY

    def leave_range(self) -> bool:
        """Forget where a range was begun; returns whether one was."""
        began, self.lines.range_from = self.lines.range_from, None
        if began is not None:
            self.update_marks()
        return began is not None

    def unmark(self, keys: Iterable[str]) -> None:
        """Take these marks away."""
        for key in keys:
            self.marks.pop(key, None)
        self.update_marks()

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away; then go on to the next."""
        if (key := self.lines.key) is not None:
            self._toggle({key: self.mark_of(key)})
            self.lines.action_move(1)
            self.update_marks()

    def action_mark_range(self) -> None:
        """Begin a range at the cursor, or mark everything from there to the cursor."""
        if (here := self.lines.key) is None:
            return
        began, self.lines.range_from = self.lines.range_from, None
        if began is None:
            self.lines.range_from = here
            self.update_marks()
        else:
            self._mark(lambda: self._between(began, here))

    def action_mark_all(self) -> None:
        """Mark all that the filter chooses."""
        if self.may_mark():
            self._mark(self.matching)

    def action_mark_others(self) -> None:
        """Invert the marks of the rows that the filter chooses."""
        if self.may_mark():
            self._mark(self.matching, invert=True)

    def action_mark_none(self) -> None:
        """Take every mark away."""
        self.lines.range_from = None
        self.unmark([*self.marks])

    async def _between(self, began: str, ended: str) -> Mapping[str, Mark] | None:
        """Marks for the rows from one to another, in either direction; None: one is not listed."""
        one, other = await self.place_of(began), await self.place_of(ended)
        if one is None or other is None:
            return None
        return await self.among(min(one, other), min(abs(one - other), MOST) + 1)

    @work(exclusive=True, group=MARKING)
    async def _mark(self, read: Callable[[], Awaitable[Mapping[str, Mark] | None]], *, invert: bool = False) -> None:
        try:
            found = await read()
        except (Lost, LanesError) as error:
            self.show_notice(f"not marked: {error}", grave=True)
            return
        if found is None:
            self.show_notice("the row where the range began is no longer listed", grave=True)
        elif len(found) > MOST:
            self.show_notice(f"more than {words.number(MOST)} match: narrow the filter", grave=True)
        else:
            self._toggle(found) if invert else self.marks.update(found)
            self.update_marks()

    def _toggle(self, found: Mapping[str, Mark]) -> None:
        for key, mark in found.items():
            if self.marks.pop(key, None) is None:
                self.marks[key] = mark

    def receive_result(self, target: ActionTarget, result: ActionResult) -> None:
        """Take the mark of a target away, unless its action failed."""
        if not result.grave:
            self.marks.pop(target.key, None)
