"""The dead letters: the messages that failed in any lane, and why; to be retried or pruned."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual import work
from textual.binding import BindingType
from textual.content import Content

from lanes.records import LetterPage, Message
from lanes.verbs.messages import EVERY, prune_dead_letters
from lanes_storage.records import LaneFilter, Subject
from lanes_tui.actions.acting import ACTIONS, OfferedAction
from lanes_tui.actions.keys import bind
from lanes_tui.actions.subjects import LetterSubject, MessageSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import message_text, message_whole
from lanes_tui.screens.filtered import MarkedList
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.watching import LANE_KEYS
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.fixed import FixedColumn, FixedLayout
from lanes_tui.tables.rows import ListRow

_COLUMNS = (FixedColumn("MESSAGE", 9), FixedColumn("AGE", 6, right=True), FixedColumn("CAUSE", 21))
PRUNE = OfferedAction("prune", prune_dead_letters, "Prune {}", "Prune", grave=True)


class DeadLettersScreen(MarkedList[int]):
    """Lists failed messages, however many, and retries or prunes them."""

    NAME = "dead letters"
    OF = Subject.MESSAGE
    HINT = "filter: a key, cause:run_timeout since:1h provider:main"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lane", show=True),
        *LANE_KEYS,
        bind("retry", "retry", show=True),
        bind("prune", "prune", show=True),
    ]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._page = LetterPage((), 0, None)
        self._offset = 0
        self._problem: str | None = None

    @property
    def about(self) -> str:
        return f"{words.number(self._page.total)} failed, kept until retried"

    async def read(self) -> None:
        span, key = self.rows.span, self.rows.key
        chosen, self._problem = self.parsed
        self._page = await self.source.letters(chosen, *span, None if key is None else int(key))
        self._offset = span.offset

    def show(self) -> None:
        sight, page = self.sight(), self._page
        width = self.size.width
        last = (
            [FixedColumn("LANE", min(48, width // 3)), FixedColumn("TEXT", 0)]
            if width >= 100
            else [FixedColumn("LANE", 0)]
        )
        layout = FixedLayout.of((*_COLUMNS, *last), width)
        self.heads.show([layout.heads()])
        rows = [ListRow(str(letter.id), layout.line(_cells(letter, sight, layout))) for letter in page.messages]
        nothing = (
            "no dead letter fits the filter" if self.typed else "no dead letters: no failed message is left to retry"
        )
        self.rows.show(rows, text.line((nothing, "good")), offset=self._offset, total=page.total, place=page.place)
        self.show_filter_note(self._problem)
        self.show_one()

    @property
    def lane_key(self) -> str | None:
        """The key of the lane of the message under the cursor."""
        return None if self.letter is None else self.letter.key

    @property
    def letter(self) -> Message | None:
        """The message under the cursor."""
        return next((letter for letter in self._page.messages if str(letter.id) == self.rows.key), None)

    def under_cursor(self) -> list[Content]:
        return [] if self.letter is None else message_whole(self.letter, self.sight())

    def action_open_lane(self) -> None:
        if self.letter is not None:
            self.app.push_screen(LaneScreen(self.source, self.rhythm, self.letter.key))

    # -------------------------------------------------------------------------------------- marking

    def mark_of(self, key: str) -> int:
        return int(key)

    async def matching(self) -> Mapping[str, int]:
        return _by_key(await self.source.letter_ids(self.parsed.chosen))

    async def place_of(self, key: str) -> int | None:
        return (await self.source.letters(self.parsed.chosen, 0, 1, int(key))).place

    async def among(self, first: int, count: int) -> Mapping[str, int]:
        return _by_key(await self.source.letters_among(self.parsed.chosen, first, count))

    # --------------------------------------------------------------------------------------- acting

    def action_retry(self) -> None:
        """Ask, then retry the marked messages, or the one under the cursor."""
        if self.marks:
            if self.may_act():
                self.read_and_confirm(self._retry_marked())
        elif self.letter is not None:
            self.act(MessageSubject(ACTIONS["retry message"], [self.letter]))

    async def _retry_marked(self) -> None:
        """Messages that were retried or pruned meanwhile lose their marks; those that the filter hides are counted."""
        filtered = bool(self.parsed.chosen.conditions)
        there = await self.do(self.source.letter_ids(EVERY))
        listed = await self.do(self.source.letter_ids(self.parsed.chosen)) if filtered else there
        if there is None or listed is None:
            return
        if missing := {*self.marks.values()} - {*there}:
            self.unmark(map(str, missing))
            lose = "it loses its mark" if len(missing) == 1 else "they lose their marks"
            self.show_notice(
                f"{words.counted(len(missing), 'message')} retried or pruned meanwhile: {lose}", grave=True
            )
        ids = {*self.marks.values()}
        chosen = self.good if filtered and ids == {*listed} else None
        self.act(MessageSubject(ACTIONS["retry message"], [], [*ids], chosen, len(ids - {*listed})))

    def action_prune(self) -> None:
        """Ask, then delete the message under the cursor and those listed below it, for good."""
        letter, chosen = self.letter, self.parsed.chosen
        if letter is None or not self.may_act():
            return
        subject = LetterSubject(PRUNE, letter, chosen, self.source.now().wall)

        def on_answer(how: dict[str, Any]) -> None:
            del how  # the dialog has no fields
            self._prune(chosen, letter.id, subject.until)

        self.confirm(subject, on_answer)

    @work
    async def _prune(self, chosen: LaneFilter, up_to: int, until: int) -> None:
        pruned = await self.do(self.source.prune(chosen, up_to, until))
        if pruned is not None:
            self.show_notice(f"{words.counted(pruned, 'dead letter')} pruned")


def _by_key(ids: Iterable[int]) -> dict[str, int]:
    return {str(each): each for each in ids}


def _cells(letter: Message, sight: ViewedAt, layout: FixedLayout) -> dict[str, Content]:
    age = sight.wall - (letter.ended_at or letter.accepted_at)
    failure = letter.error
    tries = f" ×{len(failure.attempts)}" if failure is not None and failure.attempts else ""
    return {
        "MESSAGE": text.line((f"#{letter.id}", "muted")),
        "AGE": text.line(words.short(age)),
        "CAUSE": text.line((f"{'' if failure is None else failure.cause}{tries}", "errored")),
        "LANE": text.line((text.in_the_middle(letter.key, layout.width_of("LANE")), "strong")),
        "TEXT": text.line(message_text(letter)),
    }
