"""What every screen shows in red, whatever else there is room for: pauses of all lanes, and writing in a browser."""

from collections.abc import Sequence

from textual.content import Content

from lanes.records import GlobPause
from lanes_storage.clock import Now
from lanes_tui.display import text, words
from lanes_tui.sources.source import Source

#: On screens of at least this width the reason is told too.
_WORDY = 100
_REASON = 40


def standing(source: Source, pauses: Sequence[GlobPause], now: Now, width: int) -> Content:
    """One red line, for a header of that width; empty where there is nothing of the kind."""
    paused = [pause for pause in pauses if words.is_paused(pause, now.wall)]
    parts = [text.line((source.sign, "bad"))] if source.sign else []
    if paused:
        parts.append(text.line((_paused(paused, now, wordy=width >= _WORDY), "bad")))
    return text.joined(parts)


def _paused(paused: Sequence[GlobPause], now: Now, *, wordy: bool) -> str:
    """``‖ ALL PAUSED 58m: provider in repair``. Of several, the one that holds most."""
    first = next((pause for pause in paused if pause.of_all), paused[0])
    what = "ALL PAUSED" if first.of_all else f"PAUSED {text.in_the_middle(first.match, 20)}"
    left = "" if first.until is None else f" {words.short(first.until - now.wall)}"
    more = "" if len(paused) == 1 else f" +{len(paused) - 1}"
    reason = f": {text.in_the_middle(first.reason, _REASON)}" if wordy else ""
    return f"{words.PAUSED.symbol} {what}{left}{more}{reason}"
