"""The results of an action on many targets: counts by outcome, and each result, while it goes on and afterwards."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lanes_tui.actions.acting import ActionResult, ActionRun
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text, words
from lanes_tui.tables.scrolling import painted, set_virtual_size
from lanes_tui.widgets.sheet import Sheet

#: How often new results are painted while the action goes on, in seconds.
PAINT_EVERY_S = 0.2


class Outcomes(ScrollView, can_focus=True):
    """The results of an action, one on each line; only lines in view are rendered."""

    def __init__(self, run: ActionRun) -> None:
        super().__init__(id="outcomes")
        self._run = run

    @property
    def plain(self) -> str:
        """The text that is shown, without styles."""
        return "\n".join(_line(self._run.result(place)).plain for place in range(self._run.done))

    def renew(self) -> None:
        """Show the results that came since."""
        set_virtual_size(self, Size(self.scrollable_content_region.width, self._run.done))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, place = self.scrollable_content_region.width, y + self.scroll_offset.y
        line = _line(self._run.result(place)) if place < self._run.done else text.EMPTY
        return painted(text.fitted(line, width), width, self.visual_style, self._get_style)


class Results(Dialog[None]):
    """Can be closed while the action goes on; the key for outcomes opens it again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("stop", "stop", show=True),
        *(bind(name, "dismiss") for name in ("back", "open", "leave", "interrupt", "outcomes")),
    ]

    def __init__(self, run: ActionRun) -> None:
        super().__init__()
        self.run = run
        self.painted = 0
        self._title, self._summary = Sheet(id="dialog-title"), Sheet(id="dialog-summary", wrap=True)
        self._outcomes, self._keys = Outcomes(run), Sheet(id="dialog-keys")
        self._shown: object = None

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-wide"):
            yield self._title
            yield self._summary
            yield self._outcomes
            yield self._keys

    def on_mount(self) -> None:
        self.set_focus(self._outcomes)
        self.renew()
        self.set_interval(PAINT_EVERY_S, self.update)

    def renew(self) -> None:
        run = self.run
        now = (run.done, run.ended, run.stopped, run.problem)
        if now == self._shown:
            return
        self._shown = now
        self.painted += 1
        many = f"{words.number(run.done)} of {words.counted(len(run.targets), noun(run))}"
        self._title.show([text.line((run.action.title.format(many), "accent"))])
        self._summary.show([summary(run)])
        self._outcomes.renew()
        stop = [] if run.ended else [text.line(("^k", "accent"), (" stop  ", "muted"))]
        self._keys.show([text.joined([*stop, text.line(("esc", "accent"), (" close", "muted"))])])

    def action_stop(self) -> None:
        """Start no further requests."""
        self.run.stop()
        self.update()


def noun(run: ActionRun) -> str:
    """The word for a target of the action."""
    named = {"key": "lane", "id": "message", "name": "provider"}
    return next(noun for param, noun in named.items() if param in run.action.verb.by_name)


def summary(run: ActionRun) -> Content:
    """How many results of each outcome, and how many are still to come."""
    pieces = [
        text.line((f"{words.number(count)} {outcome}", "warn" if grave else "good"))
        for (outcome, grave), count in run.counts.most_common()
    ]
    left = words.number(len(run.targets) - run.done)
    if run.problem is not None:
        pieces.append(text.line((f"{left} not tried: {run.problem}", "bad")))
    elif run.done < len(run.targets):
        clause = f"{left} not started or result unknown: stopped" if run.ended else f"{left} under way"
        pieces.append(text.line((clause, "warn" if run.ended else "muted")))
    return text.joined(pieces, "   ")


def sentence(run: ActionRun) -> Content:
    """The summary after the title of the action."""
    return text.line(run.action.title.format(words.counted(len(run.targets), noun(run))), ": ", summary(run))


def _line(result: ActionResult) -> Content:
    return text.line((text.key_of(result.name), "strong"), "  ", (result.sentence, "warn" if result.grave else "muted"))
