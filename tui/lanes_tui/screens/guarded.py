"""Screens that act on a source, and do not while it is only looked at or cannot be read."""

from collections.abc import Mapping
from typing import ClassVar

from textual.binding import ActiveBinding
from textual.content import Content

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.display import text
from lanes_tui.sources.source import Source
from lanes_tui.widgets.header import Freshness

#: How the actions begin that change something at the source.
ACTING = ("do(", "pause", "message", "retry", "drop", "drain", "prune")


def greyed(active: Mapping[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The same bindings, those that act greyed out."""
    return {
        key: each._replace(enabled=False) if each.binding.action.startswith(ACTING) else each
        for key, each in active.items()
    }


class Guarded(ClosingScreen[None]):
    """Greys out what acts while nothing may be acted on. The keys stay: they say why nothing is done."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.freshness = Freshness()

    @property
    def refusal(self) -> str | None:
        """Why nothing may be acted on just now; None: something may."""
        if self.source.read_only:
            return "this dashboard is read-only"
        if self.freshness.lost is not None:
            return "the source cannot be read: nothing is acted on"
        return None

    def may_act(self) -> bool:
        """Whether an action may begin; says why not."""
        why = self.refusal
        if why is not None:
            self.say(why, grave=True)
        return why is None

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """As the toolkit has them, and as its footer shows them."""
        found = super().active_bindings
        return found if self.refusal is None else greyed(found)

    def learn(self, freshness: Freshness) -> None:
        """Take note of how fresh it is, and let the footer know if that changes what may be done."""
        before, self.freshness = self.freshness, freshness
        if (before.lost is None) != (freshness.lost is None):
            self.refresh_bindings()

    def say(self, said: Content | str, *, grave: bool = False) -> None:
        """A word that goes away by itself."""
        # Cleaned by `line`; markup off, so that brackets in a key stay brackets.
        plain = text.line(said).plain
        self.notify(plain, severity="warning" if grave else "information", markup=False, timeout=6)
