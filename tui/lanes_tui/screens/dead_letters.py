"""The dead letters: what failed in any lane, why, and what becomes of it."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes.records import Message
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.question import DialogChoice, Question
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import message_whole, said
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.sheet import Sheet

#: So many are shown, the newest; `lanes dead-letters` lists them all.
MOST = 500


class DeadLettersScreen(Watching):
    """Lists failed messages, and retries or prunes the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lane", show=True),
        bind("retry", "retry", show=True),
        bind("prune", "prune", show=True),
    ]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._rhythm = rhythm
        self._letters: list[Message] = []

    def body(self) -> ComposeResult:
        yield Rows(id="letters")
        yield Pane(wrap=True, id="message")

    def title_line(self) -> Content:
        count = words.counted(len(self._letters), "message")
        more = "the newest " if len(self._letters) == MOST else ""
        return text.line(("dead letters ", "head"), (f"{more}{count} failed, kept until retried or pruned", "muted"))

    async def read(self) -> None:
        self._letters = await self.source.dead_letters(MOST)

    def show(self) -> None:
        sight = self.sight()
        rows = [ListRow(str(letter.id), _line(letter, sight)) for letter in self._letters]
        self.query_one(Rows).show(rows, text.line(("none: nothing has failed that was not retried", "good")))
        self._show_one()

    @property
    def lane_key(self) -> str | None:
        """The lane of the one under the cursor."""
        return None if self.letter is None else self.letter.key

    @property
    def letter(self) -> Message | None:
        """The one under the cursor."""
        key = self.query_one(Rows).key
        return next((letter for letter in self._letters if str(letter.id) == key), None)

    @on(Rows.Chosen)
    def _show_one(self) -> None:
        if not self.is_open:
            return
        letter = self.letter
        self.query_one("#message", Sheet).show([] if letter is None else message_whole(letter, self.sight()))

    def action_open_lane(self) -> None:
        if self.letter is not None:
            self.app.push_screen(LaneScreen(self.source, self._rhythm, self.letter.key))

    def action_retry(self) -> None:
        """Ask, then accept it once more."""
        letter = self.letter
        if letter is None or not self.may_act():
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._retry(letter.id)

        self.app.push_screen(_question(letter), answered)

    @work
    async def _retry(self, message_id: int) -> None:
        new = await self.do(self.source.retry_message(message_id))
        if new is not None:
            self.say(f"message {message_id} waits again, as message {new.id}")

    def action_prune(self) -> None:
        """Ask, then delete it and what failed before it, for good."""
        letter = self.letter
        if letter is None or letter.ended_at is None or not self.may_act():
            return
        until = letter.ended_at
        count = sum(each.ended_at is not None and each.ended_at <= until for each in self._letters)

        def answered(yes: bool | None) -> None:
            if yes:
                self._prune(until)

        self.app.push_screen(_last_question(count), answered)

    @work
    async def _prune(self, until: int) -> None:
        gone = await self.do(self.source.prune_dead_letters(until))
        if gone is not None:
            self.say(f"{words.counted(gone, 'dead letter')} pruned")


def _last_question(count: int) -> Question[bool]:
    lines = [
        text.line((words.counted(count, "dead letter"), "strong"), ": this one, and all that failed before it."),
        text.line(("They are deleted for good. Those whose sender may still ask for them (24 h) stay.", "warn")),
    ]
    choices = [DialogChoice(False, "Cancel"), DialogChoice(True, "Prune", "yes", grave=True)]
    return Question("Prune dead letters?", lines, choices, leave=False)


def _question(letter: Message) -> Question[bool]:
    lines = [
        text.line((letter.key, "strong"), (f"  message #{letter.id}", "muted")),
        text.line(said(letter)),
        text.line(("It goes to the tail of its lane as a new message. What the first try did is not undone.", "warn")),
    ]
    choices = [DialogChoice(True, "Retry", "yes"), DialogChoice(False, "Cancel")]
    return Question("Retry this message?", lines, choices, leave=False)


def _line(letter: Message, sight: ViewedAt) -> Content:
    age = sight.wall - (letter.ended_at or letter.accepted_at)
    failure = letter.error
    tries = f" ×{len(failure.attempts)}" if failure is not None and failure.attempts else ""
    return text.line(
        text.fitted(text.line((f"#{letter.id} ", "muted"), words.short(age)), 16),
        text.fitted(text.line((text.in_the_middle(letter.key, 34), "strong")), 36),
        text.fitted(text.line((f"{'' if failure is None else failure.cause}{tries}", "errored")), 22),
        said(letter),
    )
