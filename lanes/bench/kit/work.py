"""What the rows share while they are measured: sizes, a folder, rounds, and common resources."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """The amount of work; nothing else differs between sizes."""

    rounds: int  # every figure is the median of this many
    cycles: int  # run cycles in one round
    lanes: int  # lanes that the cycles use in turn; more than callers, so that no two use the same one at once
    many: int  # lanes of a large database
    scale: tuple[int, ...]  # numbers of lanes that must cost the same
    held: int  # lanes that run at once
    calls: int  # requests, aborts, passes in one round
    starts: int  # processes in one round
    searched: int  # lanes of the database that is searched
    quiet_s: float  # how long an idle process is watched


FULL = Size(5, 3_200, 10_000, 100_000, (1_000, 100_000, 1_000_000), 1_000, 2_000, 10, 200_000, 5.0)
QUICK = Size(3, 960, 2_000, 10_000, (1_000, 10_000), 200, 400, 4, 20_000, 5.0)
TINY = Size(1, 64, 200, 200, (50, 200), 8, 24, 1, 200, 0.2)


class Figures(NamedTuple):
    """The figures of one measure, one for each round. Arithmetic on two of them is done round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is reported, and that ``format`` shows."""
        return statistics.median(self.rounds)

    def __truediv__(self, other: "Figures") -> "Figures":
        """The ratios to another measure of the same rounds."""
        return Figures(tuple(mine / its for mine, its in zip(self.rounds, other.rounds, strict=True)))

    def __sub__(self, other: "Figures") -> "Figures":
        """The differences to another measure of the same rounds."""
        return Figures(tuple(mine - its for mine, its in zip(self.rounds, other.rounds, strict=True)))

    def times(self, factor: float) -> "Figures":
        """Every figure multiplied by ``factor``, to change the unit."""
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
        """An unused path in the folder."""
        self._numbers += 1
        return self.folder / f"{self._numbers}-{name}"

    def once(self, name: str, make: Callable[[], T]) -> T:
        """A resource that several rows share, made when the first one asks for it."""
        if name not in self._shared:
            self._shared[name] = make()
        shared: T = self._shared[name]
        return shared

    def at_end(self, end: Callable[[], None]) -> None:
        """Register a function to call when everything is measured, such as one that ends a process."""
        self._ends.append(end)

    def close(self) -> None:
        """Call the registered functions, the last one first."""
        while self._ends:
            self._ends.pop()()

    def rounds(self, *measures: Callable[[], float]) -> list[Figures]:
        """The figures of each measure; every round takes all of them, one after the other."""
        return self.each(lambda: tuple(measure() for measure in measures))

    def each(self, measure: Callable[[], tuple[float, ...]]) -> list[Figures]:
        """The figures of a measure that returns several at once."""
        samples = []
        for number in range(self.size.rounds):
            self.progress(f"round {number + 1} of {self.size.rounds}")
            samples.append(measure())
        return [Figures(figures) for figures in zip(*samples, strict=True)]


def key_of(work: Work, number: int) -> str:
    """The lane of a cycle: spread over the file, and never the same twice in a row."""
    return f"lane:{number * 7919 % work.size.lanes}"


def percentile(figures: list[float], share: float) -> float:
    """The percentile of figures; ``share``: 0.99 for p99."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
