"""The base of short lists that are read whole, and whose rows stand for lanes: owners, providers."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.binding import BindingType
from textual.content import Content

from lanes import filters
from lanes_storage.globs import exactly
from lanes_storage.records import Comparison, Condition, How, LaneFilter
from lanes_tui.actions.acting import ACTIONS
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterWanted
from lanes_tui.actions.subjects import LaneSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.matching import row_filter
from lanes_tui.screens.filtered import Id, MarkedList
from lanes_tui.screens.watching import LANE_KEYS
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import MOST, Source
from lanes_tui.tables.fixed import FixedColumn, FixedLayout
from lanes_tui.tables.rows import ListRow

Known = TypeVar("Known")
#: Values that need no quotes in a filter.
_PLAIN = re.compile(r"[\w.,][\w.,-]*")


class WholeList(MarkedList[Id], Generic[Id, Known]):
    """Filters rows by their columns. Actions are for all lanes of the marked rows, or of the row under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lanes", show=True),
        *LANE_KEYS,
        bind("retry", "do('retry')"),
    ]
    #: The fields that rows are filtered by, and the field that chooses the lanes of a row.
    FIELDS: ClassVar[Sequence[str]]
    LANES_BY: ClassVar[str]
    #: What is shown if there are no rows.
    NONE: ClassVar[str]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.known: dict[str, Known] = {}  # the rows that were read, by their keys, the worst first
        self._fitting: dict[str, Known] = {}  # those that the filter chooses

    @abstractmethod
    def columns(self) -> Sequence[FixedColumn]:
        """The columns on a screen of this size."""

    @abstractmethod
    def cells(self, known: Known, sight: ViewedAt) -> Mapping[str, Content]:
        """The cells of a row, by the name of the column."""

    @abstractmethod
    def facts(self, known: Known, sight: ViewedAt) -> Mapping[str, str | int]:
        """The values of a row that filters look at, by field."""

    @abstractmethod
    def described(self, known: Known, sight: ViewedAt) -> list[Content]:
        """All that is known of a row, for below the list."""

    def show(self) -> None:
        sight, chosen = self.sight(), row_filter(self.typed, self.FIELDS)
        self._fitting = self._fitting_now()
        layout = FixedLayout.of(self.columns(), self.size.width)
        self.heads.show([layout.heads()])
        rows = [ListRow(key, layout.line(self.cells(each, sight))) for key, each in self._fitting.items()]
        nothing = f"no {self.LANES_BY} fits the filter" if self.typed else self.NONE
        self.rows.show(rows, text.line((nothing, "muted")))
        self.show_filter_note(chosen.problem)
        self.show_one()

    def _fitting_now(self) -> dict[str, Known]:
        """The rows that the filter, as it is typed now, chooses."""
        sight, chosen = self.sight(), row_filter(self.typed, self.FIELDS)
        return {key: each for key, each in self.known.items() if chosen.fits(self.facts(each, sight))}

    def under_cursor(self) -> list[Content]:
        chosen = self._fitting.get(self.rows.key or "")
        return [] if chosen is None else self.described(chosen, self.sight())

    # -------------------------------------------------------------------------------------- marking

    async def matching(self) -> Mapping[str, Id]:
        return {key: self.mark_of(key) for key in self._fitting_now()}  # the list may still be of an earlier text

    async def place_of(self, key: str) -> int | None:
        return [*self._fitting].index(key) if key in self._fitting else None

    async def among(self, first: int, count: int) -> Mapping[str, Id]:
        return {key: self.mark_of(key) for key in [*self._fitting][first : first + count]}

    # --------------------------------------------------------------------------------------- acting

    def targets(self) -> dict[str, Known]:
        """The targets of an action, by their keys: the marked rows, or the one under the cursor.

        Empty if a marked row is gone: else the action would be for fewer rows, or for the one under the cursor.
        """
        if missing := [key for key in self.marks if key not in self.known]:
            self.unmark(missing)
            which = words.counted(len(missing), f"marked {self.LANES_BY}")
            self.show_notice(
                f"not done: {which} {'is' if len(missing) == 1 else 'are'} gone ({', '.join(missing)})", grave=True
            )
            return {}
        keys = [*self.marks] or [key for key in (self.rows.key,) if key in self._fitting]
        return {key: self.known[key] for key in keys if key is not None}

    def action_open_lanes(self) -> None:
        """Show the lanes of the row under the cursor on the main screen."""
        if self.rows.key is not None and self.rows.key in self._fitting:
            self.app.post_message(FilterWanted(self._typed_for([self.rows.key])))
            self.dismiss()

    def action_do(self, name: str) -> None:
        """Act on all lanes of the targets."""
        if self.may_act() and (targets := self.targets()):
            self.read_and_confirm(self._act_on_lanes(name, list(targets)))

    async def _act_on_lanes(self, name: str, keys: Sequence[str]) -> None:
        marks = await self.do(self.source.marks(self._lanes_of(keys), MOST + 1))
        if marks is None:
            return
        chosen = self._typed_for(keys)
        if not marks or len(marks) > MOST:
            many = "no lane" if not marks else f"more than {words.number(MOST)} lanes"
            self.show_notice(f"{chosen} matches {many}", grave=True)
            return
        self.act(LaneSubject(ACTIONS[name], marks, sight=self.sight, chosen=chosen))

    def _lanes_of(self, keys: Sequence[str]) -> LaneFilter:
        return LaneFilter((Condition(self.LANES_BY, tuple(Comparison(How.IS, each) for each in keys)),))

    def _typed_for(self, keys: Sequence[str]) -> str:
        """The filter that chooses the lanes of these rows, as a person would type it."""
        values = ",".join(exactly(key).replace(",", "?") for key in keys)
        return f"{self.LANES_BY}:{values}" if _PLAIN.fullmatch(values) else filters.written(self._lanes_of([values]))
