"""Short lists that are read whole, each row of which stands for lanes: owners, providers."""

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
#: Words that are written in a filter without quotes.
_PLAIN = re.compile(r"[\w.,][\w.,-]*")


class WholeList(MarkedList[Id], Generic[Id, Known]):
    """Filters by what the columns say. Actions on lanes are for those of the marked rows, or of the one under the
    cursor.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lanes", show=True),
        *LANE_KEYS,
        bind("retry", "do('retry')"),
    ]
    #: What a row is filtered by, and the field by which lanes are.
    FIELDS: ClassVar[Sequence[str]]
    LANES_BY: ClassVar[str]
    #: What is said where there is none.
    NONE: ClassVar[str]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self.known: dict[str, Known] = {}  # what was read, by the key of its row, the worst first
        self._fitting: dict[str, Known] = {}  # those that the filter chooses

    @abstractmethod
    def columns(self) -> Sequence[FixedColumn]:
        """The columns on a screen of this size."""

    @abstractmethod
    def cells(self, known: Known, sight: ViewedAt) -> Mapping[str, Content]:
        """What each column says."""

    @abstractmethod
    def facts(self, known: Known, sight: ViewedAt) -> Mapping[str, str | int]:
        """What it is filtered by."""

    @abstractmethod
    def described(self, known: Known, sight: ViewedAt) -> list[Content]:
        """All that is known of it."""

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
        """What the filter chooses, as it is typed by now, of what was read."""
        sight, chosen = self.sight(), row_filter(self.typed, self.FIELDS)
        return {key: each for key, each in self.known.items() if chosen.fits(self.facts(each, sight))}

    def under_cursor(self) -> list[Content]:
        chosen = self._fitting.get(self.rows.key or "")
        return [] if chosen is None else self.described(chosen, self.sight())

    # -------------------------------------------------------------------------------------- marking

    async def matching(self) -> Mapping[str, Id]:
        return {key: self.mark_of(key) for key in self._fitting_now()}  # what is listed may be of the text before

    async def place_of(self, key: str) -> int | None:
        return [*self._fitting].index(key) if key in self._fitting else None

    async def among(self, first: int, count: int) -> Mapping[str, Id]:
        return {key: self.mark_of(key) for key in [*self._fitting][first : first + count]}

    # --------------------------------------------------------------------------------------- acting

    def targets(self) -> dict[str, Known]:
        """What an action is for, by their keys: the marked ones, or the one under the cursor.

        Nothing where one that was marked is gone: another one would be taken for it.
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
        """Its lanes, on the main screen."""
        if self.rows.key is not None and self.rows.key in self._fitting:
            self.app.post_message(FilterWanted(self._typed_for([self.rows.key])))
            self.dismiss()

    def action_do(self, name: str) -> None:
        """Act on all of their lanes."""
        if self.may_act() and (targets := self.targets()):
            self.read_and_confirm(self._act_on_lanes(name, list(targets)))

    async def _act_on_lanes(self, name: str, keys: Sequence[str]) -> None:
        marks = await self.do(self.source.marks(self._lanes_of(keys), MOST + 1))
        if marks is None:
            return
        chosen = self._typed_for(keys)
        if not marks or len(marks) > MOST:
            many = "no lane" if not marks else f"more than {words.number(MOST)} lanes"
            self.show_notice(f"{chosen} chooses {many}", grave=True)
            return
        self.act(LaneSubject(ACTIONS[name], marks, sight=self.sight, chosen=chosen))

    def _lanes_of(self, keys: Sequence[str]) -> LaneFilter:
        return LaneFilter((Condition(self.LANES_BY, tuple(Comparison(How.IS, each) for each in keys)),))

    def _typed_for(self, keys: Sequence[str]) -> str:
        """The filter that chooses their lanes, as a person would type it."""
        values = ",".join(exactly(key).replace(",", "?") for key in keys)
        return f"{self.LANES_BY}:{values}" if _PLAIN.fullmatch(values) else filters.written(self._lanes_of([values]))
