"""What the rows share while they are measured: sizes, a folder, rounds, and what is made once."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done. Everything but the amount is the same at every size."""

    rounds: int  # every figure is the median of so many
    cycles: int  # run cycles in one round
    lanes: int  # lanes that the cycles go round; more than callers, so that no two meet on one
    many: int  # lanes of a large database
    scale: tuple[int, ...]  # numbers of lanes that must cost the same
    held: int  # lanes that run at once
    calls: int  # requests, aborts, passes in one round
    starts: int  # processes in one round
    searched: int  # lanes that somebody searches
    quiet_s: float  # for how long a process that should do nothing is watched


FULL = Size(5, 3_200, 10_000, 100_000, (1_000, 100_000, 1_000_000), 1_000, 2_000, 10, 200_000, 5.0)
QUICK = Size(3, 960, 2_000, 10_000, (1_000, 10_000), 200, 400, 4, 20_000, 5.0)
TINY = Size(1, 64, 200, 200, (50, 200), 8, 24, 1, 200, 0.2)


class Figures(NamedTuple):
    """One measure in all rounds. What is worked out from two of them is worked out round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is told; also what ``format`` shows."""
        return statistics.median(self.rounds)

    def __truediv__(self, other: "Figures") -> "Figures":
        """The ratio to what was measured in the same rounds."""
        return Figures(tuple(mine / its for mine, its in zip(self.rounds, other.rounds, strict=True)))

    def __sub__(self, other: "Figures") -> "Figures":
        """The difference to what was measured in the same rounds."""
        return Figures(tuple(mine - its for mine, its in zip(self.rounds, other.rounds, strict=True)))

    def times(self, factor: float) -> "Figures":
        """In another unit."""
        return Figures(tuple(factor * mine for mine in self.rounds))

    def __format__(self, spec: str) -> str:
        return format(self.median, spec)


@dataclass(slots=True)
class Work:
    """One run of the benchmarks."""

    size: Size
    folder: Path
    progress: Callable[[str], None]
    _shared: dict[str, Any] = field(default_factory=dict)
    _ends: list[Callable[[], None]] = field(default_factory=list)
    _numbers: int = 0

    def fresh(self, name: str) -> Path:
        """A path in the folder that nothing has used yet."""
        self._numbers += 1
        return self.folder / f"{self._numbers}-{name}"

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What several rows need, made by the first that asks."""
        if name not in self._shared:
            self._shared[name] = make()
        shared: T = self._shared[name]
        return shared

    def at_end(self, end: Callable[[], None]) -> None:
        """Call this when everything is measured: a process to end, say."""
        self._ends.append(end)

    def close(self) -> None:
        """End what the rows left for each other."""
        while self._ends:
            self._ends.pop()()

    def rounds(self, *measures: Callable[[], float]) -> list[Figures]:
        """The figures of every measure; in each round all of them are taken, one after the other."""
        return self.each(lambda: tuple(measure() for measure in measures))

    def each(self, measure: Callable[[], tuple[float, ...]]) -> list[Figures]:
        """The figures of a measure that gives several at once."""
        samples = []
        for number in range(self.size.rounds):
            self.progress(f"round {number + 1} of {self.size.rounds}")
            samples.append(measure())
        return [Figures(figures) for figures in zip(*samples, strict=True)]


def key_of(work: Work, number: int) -> str:
    """The lane of a cycle: all over the file, and never the same twice in a row."""
    return f"lane:{number * 7919 % work.size.lanes}"


def percentile(figures: list[float], share: float) -> float:
    """The figure that so large a share of all is not above."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
