"""What came of an action on many lanes: each outcome, as it comes."""

from collections import Counter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from lanes_tui.actions.acting import ActionResult, LaneAction
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text, words
from lanes_tui.widgets.sheet import Sheet


class Outcomes(Sheet, can_focus=True):
    """The outcomes, which scroll."""


class Results(Dialog[None]):
    """Can be left while lanes are still being acted on: the action goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [bind(name, "dismiss") for name in ("back", "open", "leave", "interrupt")]

    def __init__(self, deed: LaneAction, total: int) -> None:
        super().__init__()
        self._deed, self._total = deed, total
        self.told: list[ActionResult] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-wide"):
            yield Sheet(id="dialog-title")
            yield Sheet(id="dialog-summary", wrap=True)
            yield Outcomes(id="dialog-lines")
            yield Sheet(id="dialog-keys")

    def on_mount(self) -> None:
        self.query_one("#dialog-keys", Sheet).show([text.line(("esc", "accent"), (" close", "muted"))])
        self.query_one(Outcomes).focus()
        self.renew()

    def tell(self, told: ActionResult) -> None:
        """One more outcome."""
        self.told.append(told)
        self.update()

    def renew(self) -> None:
        many = f"{words.number(len(self.told))} of {words.counted(self._total, 'lane')}"
        title = self._deed.title.format(many)
        self.query_one("#dialog-title", Sheet).show([text.line((title, "accent"))])
        self.query_one("#dialog-summary", Sheet).show([self._summary()])
        # what did not go as asked comes first
        ordered = sorted(self.told, key=lambda told: not told.grave)
        self.query_one(Outcomes).show([_line(told) for told in ordered])

    def _summary(self) -> Content:
        counts = Counter((told.outcome, told.grave) for told in self.told)
        pieces = [
            text.line((f"{words.number(count)} {outcome}", "warn" if grave else "good"))
            for (outcome, grave), count in counts.most_common()
        ]
        left = self._total - len(self.told)
        if left:
            pieces.append(text.line((f"{words.number(left)} under way", "muted")))
        return text.joined(pieces, "   ")


def _line(told: ActionResult) -> Content:
    return text.line((told.key, "strong"), "  ", (told.sentence, "warn" if told.grave else "muted"))
