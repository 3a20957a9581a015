"""Lists whose rows can be marked: one, a range, all that match, the others, none."""

from abc import abstractmethod
from collections.abc import Awaitable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import work
from textual.binding import BindingType

from lanes.base.errors import LanesError
from lanes_tui.actions.keys import bind
from lanes_tui.display import text, words
from lanes_tui.screens.filtered import Filtered
from lanes_tui.screens.guarded import MARKING
from lanes_tui.sources.marks import MOST
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Lost, Source

#: What a row is named by where it is read: a number or a word.
Id = TypeVar("Id", int, str)


class MarkedList(Filtered, Generic[Id]):
    """Keeps marks by the ids of the rows, also of those that are not loaded now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("mark", "mark", show=True),
        bind("mark range", "mark_range"),
        bind("mark all", "mark_all"),
        bind("mark others", "mark_others"),
        bind("mark none", "mark_none"),
    ]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.marks: dict[str, Id] = {}
        self.all_of: str | None = None  # the filter all of whose rows are marked, and no other
        self.range_from: Id | None = None
        self.rows.marks = self.marks

    @abstractmethod
    def id_of(self, key: str) -> Id:
        """The id of a row."""

    @abstractmethod
    async def matching(self) -> Sequence[Id]:
        """The ids of all that the filter chooses. Raises Lost."""

    @abstractmethod
    async def between(self, began: Id, ended: Id) -> Sequence[Id] | None:
        """The ids of the rows from one to another, in either direction; None: one is not listed. Raises Lost."""

    def tell_filter(self, problem: str | None) -> None:
        """Say beside the filter what is wrong with it, or that a range is begun."""
        begun = "range: go to its other end, V ends it " if self.range_from is not None else ""
        self.filter.say(text.line((f"{problem} ", "warn")) if problem else text.line((begun, "mark")))

    def action_mark(self) -> None:
        """Mark the one under the cursor, or take its mark away; then go on to the next."""
        if (key := self.rows.key) is not None:
            self._toggle([self.id_of(key)])
            self.rows.action_move(1)

    def action_mark_range(self) -> None:
        """Begin a range at the cursor, or mark everything from there to the cursor."""
        if (key := self.rows.key) is None:
            return
        began, self.range_from = self.range_from, None
        if began is None:
            self.range_from = self.id_of(key)
            self.update()
        else:
            self._mark_range(began, self.id_of(key))

    def action_mark_all(self) -> None:
        """Mark all that the filter chooses."""
        self._mark_matching(invert=False)

    def action_mark_others(self) -> None:
        """Mark those that the filter chooses and that are not marked, and no other of them."""
        self._mark_matching(invert=True)

    def action_mark_none(self) -> None:
        """Take every mark away."""
        self.range_from = None
        self._toggle(list(self.marks.values()))

    def action_close(self) -> None:
        """Leave the range that was begun, or else clear the filter, or close."""
        if self.range_from is None:
            super().action_close()
        else:
            self.range_from = None
            self.update()

    @work(exclusive=True, group=MARKING)
    async def _mark_matching(self, *, invert: bool) -> None:
        typed = self.typed
        if (found := self._few(await self._asked(self.matching()))) is not None:
            self._toggle(found if invert else self._unmarked(found))
            if not invert and len(self.marks) == len(found):
                self.all_of = typed

    @work(exclusive=True, group=MARKING)
    async def _mark_range(self, began: Id, ended: Id) -> None:
        if (found := self._few(await self._asked(self.between(began, ended)))) is not None:
            self._toggle(self._unmarked(found))

    async def _asked(self, asking: Awaitable[Sequence[Id] | None]) -> Sequence[Id] | None:
        try:
            found = await asking
        except (Lost, LanesError) as error:
            self.say(f"not marked: {error}", grave=True)
            return None
        if found is None:
            self.say("where the range began is not listed any more", grave=True)
        return found

    def _few(self, found: Sequence[Id] | None) -> Sequence[Id] | None:
        if found is None or len(found) <= MOST:
            return found
        self.say(f"more than {words.number(MOST)} match: filter first", grave=True)
        return None

    def _unmarked(self, ids: Sequence[Id]) -> list[Id]:
        return [each for each in ids if str(each) not in self.marks]

    def _toggle(self, ids: Sequence[Id]) -> None:
        self.all_of = None
        for each in ids:
            if self.marks.pop(str(each), None) is None:
                self.marks[str(each)] = each
        self.rows.show_marks()
        self.update()
