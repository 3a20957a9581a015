"""Counts of the last five minutes as small bars that begin at zero; and the failures of the last minute."""

from collections import deque
from collections.abc import Callable
from itertools import pairwise

from textual.content import Content

from lanes.records import Counts, Status
from lanes_storage.law import LaneState
from lanes_tui.display import text, words
from lanes_tui.sources.source import AsOf

#: Each bar shows the highest count within this time, in milliseconds; and how many bars are kept.
BAR_MS, BARS_KEPT = 30_000, 10
MINUTE_MS = 60_000
BARS = "▁▂▃▄▅▆▇█"
#: The name of what waits, beside the states.
QUEUE = "queue"
_SHOWN: dict[str, tuple[Callable[[Counts], int], str]] = {
    LaneState.RUNNING.value: (lambda counts: counts.lanes.get(LaneState.RUNNING, 0), words.LANES["running"].tone),
    LaneState.ERRORED.value: (lambda counts: counts.lanes.get(LaneState.ERRORED, 0), words.LANES["errored"].tone),
    QUEUE: (lambda counts: counts.messages.queued, "muted"),
}


class Trends:
    """The history of the counts in the header."""

    def __init__(self) -> None:
        self._bars: deque[tuple[int, dict[str, int]]] = deque(maxlen=BARS_KEPT)
        self._letters: deque[tuple[int, int]] = deque()  # when, and how many dead letters there were
        self._seen: tuple[int, int] | None = None  # the first and the last look without a gap

    def add(self, status: AsOf[Status]) -> None:
        """Add the counts of one look."""
        counts, at = status.record.counts, status.at.mono
        numbers = {name: read(counts) for name, (read, _) in _SHOWN.items()}
        bar = at // BAR_MS
        if self._bars and self._bars[-1][0] == bar:
            before = self._bars[-1][1]
            self._bars[-1] = bar, {name: max(number, before[name]) for name, number in numbers.items()}
        else:
            self._bars.append((bar, numbers))
        while self._bars[0][0] <= bar - BARS_KEPT:
            self._bars.popleft()
        if self._seen is None or at - self._seen[1] > MINUTE_MS:  # when messages failed in the gap is not known
            self._letters.clear()
            self._seen = at, at
        self._seen = self._seen[0], at
        if not self._letters or self._letters[-1][1] != counts.messages.dead_letters:
            self._letters.append((at, counts.messages.dead_letters))
        while len(self._letters) > 1 and at - self._letters[1][0] > MINUTE_MS:
            self._letters.popleft()

    def sparks(self) -> dict[str, Content]:
        """The bars, by state and for the queue; none for a count that was always zero, or before there are two bars."""
        drawn = {name: _line([numbers[name] for _, numbers in self._bars], tone) for name, (_, tone) in _SHOWN.items()}
        return {name: line for name, line in drawn.items() if line.plain}

    def failures(self) -> str:
        """``5 failed/min``: new dead letters in the last minute; ``5 failed in 20s`` if it has looked for no longer."""
        counts = [count for _, count in self._letters]
        failed = sum(max(0, later - before) for before, later in pairwise(counts))
        seen_ms = MINUTE_MS if self._seen is None else self._seen[1] - self._seen[0]
        per = "/min" if seen_ms >= MINUTE_MS else f" in {words.short(seen_ms)}"
        return f"{words.number(failed)} failed{per}" if failed else ""


def _line(numbers: list[int], tone: str) -> Content:
    high = max(numbers, default=0)
    if len(numbers) < 2 or not high:
        return text.EMPTY
    top = len(BARS) - 1
    return text.line(("".join(BARS[round(number * top / high)] for number in numbers), tone))
