"""The state of the source on every screen: how fresh its data is; and in red, whatever the width, pauses of many lanes
at once, and that a browser may write.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from lanes.explain.phrases import is_paused
from lanes.records import GlobPause
from lanes_storage.clock import Now
from lanes_tui.display import text, words
from lanes_tui.sources.source import Source

#: A look that is older than this many refresh intervals is called slow.
_LATE = 2.5
#: On screens of at least this width, the reason of a pause is shown too.
_WORDY = 100
_REASON = 40


@dataclass(frozen=True, slots=True)
class Freshness:
    """When the source was last read, and whether it is lost, replaced or frozen."""

    at: Now | None = None
    lost: str | None = None  # why
    replaced: bool = False  # by another database than at the start
    frozen: bool = False
    every_s: float = 1.0
    pending: int = 0  # events since it was frozen

    @property
    def as_of(self) -> Content:
        """The time of the data that is shown."""
        if self.at is None:
            return text.EMPTY
        return text.line(("as of ", "muted"), words.zoned(self.at.wall))

    def word(self, now: Now) -> Content:
        """``● live``, ``❚❚ frozen 12s``, ``◌ stale 12s`` …"""
        if self.at is None:
            return text.line(("◌ not reached yet", "bad") if self.lost else ("◌ reading", "muted"))
        age = now.mono - self.at.mono
        if self.lost is not None:
            return text.line((f"◌ stale {words.short(age)}", "bad"))
        if self.replaced:
            return text.line(("◐ another file", "bad"))
        if self.frozen:
            pending = f", {words.counted(self.pending, 'event')} pending" if self.pending else ""
            return text.line((f"❚❚ frozen {words.short(age)}{pending}", "warn"))
        if age > _LATE * max(1.0, self.every_s) * 1000:
            return text.line((f"◐ slow {words.short(age)}", "warn"))
        every = (f" every {self.every_s:g}s", "muted") if self.every_s != 1 else ""
        return text.line(("● ", "good"), "live", every)


def standing(source: Source, pauses: Sequence[GlobPause], now: Now, width: int) -> Content:
    """The warnings in red, for a header of ``width`` cells; empty if there are none."""
    paused = [pause for pause in pauses if is_paused(pause, now.wall)]
    parts = [text.line((source.sign, "bad"))] if source.sign else []
    if paused:
        parts.append(text.line((_paused(paused, now, wordy=width >= _WORDY), "bad")))
    return text.joined(parts)


def _paused(paused: Sequence[GlobPause], now: Now, *, wordy: bool) -> str:
    """``‖ ALL PAUSED 58m: provider in repair``. Of several, one of all lanes first."""
    first = next((pause for pause in paused if pause.of_all), paused[0])
    scope = "ALL PAUSED" if first.of_all else f"PAUSED {text.in_the_middle(first.match, 20)}"
    left = "" if first.until is None else f" {words.short(first.until - now.wall)}"
    more = "" if len(paused) == 1 else f" +{len(paused) - 1}"
    reason = f": {text.in_the_middle(first.reason, _REASON)}" if wordy else ""
    return f"{words.PAUSED.symbol} {scope}{left}{more}{reason}"
