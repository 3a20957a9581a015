"""Before something is done to many lanes: how many in which state, which come first, and how sure one is."""

from collections import Counter
from collections.abc import Sequence

from textual import events
from textual.content import Content

from lanes_storage.law import LaneState
from lanes_tui.actions.acting import LaneAction
from lanes_tui.dialogs.question import DialogChoice, Question
from lanes_tui.display import text, words
from lanes_tui.sources.marks import MarkedLane

#: For more lanes than that, their number has to be typed.
TYPED_ABOVE = 20
_NAMED = 6
#: So many cells of a key are shown.
_KEY = 48
#: The states in the order in which lanes are named.
_FIRST = (LaneState.RUNNING, LaneState.ERRORED, LaneState.ABORTED, LaneState.IDLE)


class BulkDialog(Question[bool]):
    """Asks whether to do something to all marked lanes; True: yes.

    ``standing`` are the same lanes as they are by now; those that have moved on since will be left alone.
    """

    def __init__(
        self, deed: LaneAction, marks: Sequence[MarkedLane], standing: Sequence[MarkedLane], hidden: int
    ) -> None:
        self._deed, self._marks, self._hidden = deed, marks, hidden
        self._now = {mark.key: mark for mark in standing}
        self._typed = ""
        many = words.counted(len(marks), "lane")
        super().__init__(
            f"{deed.title.format(many)}?",
            self._described(),
            [DialogChoice(False, "Cancel"), DialogChoice(True, deed.word, "yes", grave=deed.grave)],
            leave=False,
        )

    def _described(self) -> list[Content]:
        states = Counter(self._state_of(mark) if mark.key in self._now else None for mark in self._marks)
        lines = [text.joined([_counted(state, count) for state, count in states.most_common()], "   ")]
        lines += [*self._warnings(), text.EMPTY]
        for mark in sorted(self._marks, key=lambda mark: _FIRST.index(self._state_of(mark)))[:_NAMED]:
            look = words.LANES[self._state_of(mark)]
            key = text.in_the_middle(mark.key, _KEY)
            lines.append(text.line((f"{look.symbol} ", look.tone), key, (f"  epoch {mark.epoch}", "muted")))
        if len(self._marks) > _NAMED:
            lines.append(text.line((f"and {words.number(len(self._marks) - _NAMED)} more", "muted")))
        if self._wanted:
            lines += [
                text.EMPTY,
                text.line("Type ", (self._wanted, "strong"), " to go on: ", (self._typed + "_", "accent")),
            ]
        return lines

    def _state_of(self, mark: MarkedLane) -> LaneState:
        """The state by now; of a lane that is gone, as it was."""
        return self._now.get(mark.key, mark).state

    def _warnings(self) -> list[Content]:
        moved = sum(mark.key not in self._now or self._now[mark.key].epoch != mark.epoch for mark in self._marks)
        unfit = sum(mark.state not in self._deed.fits for mark in self._now.values())
        said = []
        if self._hidden:
            hidden = words.counted(self._hidden, "lane")
            said.append(f"{hidden} of these {'is' if self._hidden == 1 else 'are'} hidden by the filter.")
        if moved:
            said.append(f"{words.counted(moved, 'lane')} moved on since being marked, and will be left alone.")
        if unfit:
            said.append(f"For {words.counted(unfit, 'lane')} in another state there is nothing to do.")
        return [text.line((sentence, "warn")) for sentence in said]

    @property
    def _wanted(self) -> str:
        """What has to be typed; empty where nothing has."""
        return str(len(self._marks)) if len(self._marks) > TYPED_ABOVE else ""

    def may_give(self, answer: bool) -> bool:
        return not answer or self._typed == self._wanted

    def on_key(self, event: events.Key) -> None:
        if self._wanted and (event.key == "backspace" or (event.character or "").isdecimal()):
            event.stop()
            event.prevent_default()
            self._typed = self._typed[:-1] if event.key == "backspace" else (self._typed + str(event.character))[-9:]
            self.tell(self._described())


def _counted(state: LaneState | None, count: int) -> Content:
    if state is None:
        return text.line((f"{words.number(count)} gone", "bad"))
    look = words.look_of_state(state)
    return text.line((f"{look.symbol} {look.word}", look.tone), f" {words.number(count)}")
