"""How numbers went of late, as a few small bars."""

from collections import deque

from textual.content import Content

from lanes.records import Status
from lanes_storage.law import LaneState
from lanes_tui.display import text, words
from lanes_tui.sources.source import AsOf

#: So many samples are kept, and drawn.
KEPT = 8
#: The shortest time between two samples.
APART_MS = 1_000
BARS = "▁▂▃▄▅▆▇█"
#: The name of what waits, beside the states.
QUEUE = "queue"


class Trends:
    """Samples of the counts that the header shows."""

    def __init__(self) -> None:
        self._samples: deque[AsOf[Status]] = deque(maxlen=KEPT)

    def add(self, status: AsOf[Status]) -> None:
        """Take a sample, unless the last one is too near."""
        if not self._samples or status.at.mono - self._samples[-1].at.mono >= APART_MS:
            self._samples.append(status)

    def sparks(self) -> dict[str, Content]:
        """The bars, by state and for the queue; none for what has not changed."""
        counts = [seen.record.counts for seen in self._samples]
        running = [each.lanes.get(LaneState.RUNNING, 0) for each in counts]
        errored = [each.lanes.get(LaneState.ERRORED, 0) for each in counts]
        queued = [each.messages.queued for each in counts]
        drawn = {
            LaneState.RUNNING.value: _line(running, words.LANES[LaneState.RUNNING].tone),
            LaneState.ERRORED.value: _line(errored, words.LANES[LaneState.ERRORED].tone),
            QUEUE: _line(queued, "muted"),
        }
        return {name: line for name, line in drawn.items() if line.plain}


def _line(numbers: list[int], tone: str) -> Content:
    low, high = min(numbers, default=0), max(numbers, default=0)
    if low == high:
        return text.EMPTY
    top = len(BARS) - 1
    return text.line(("".join(BARS[round((n - low) * top / (high - low))] for n in numbers), tone))
