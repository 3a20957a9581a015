"""The rows of the table: their targets, how they are measured, and their results."""

from collections.abc import Callable
from dataclasses import dataclass

from lanes.bench.kit.work import Figures, Work


class Skipped(Exception):
    """The row can not be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure. ``unit``: such as ``ms``, ``MB``, ``%``; empty for a ratio."""

    bound: float
    unit: str = ""
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a figure meets the target."""
        return value >= self.bound if self.at_least else value <= self.bound

    def show(self, value: float) -> str:
        """A figure with its unit."""
        return _digits(value) + self._unit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g}{self._unit}"

    @property
    def _unit(self) -> str:
        return self.unit and f" {self.unit}"


def _digits(value: float) -> str:
    return f"{value:,.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def at_least(bound: float, unit: str = "") -> Target:
    """A figure that must not be smaller."""
    return Target(bound, unit, at_least=True)


def at_most(bound: float, unit: str = "") -> Target:
    """A figure that must not be larger."""
    return Target(bound, unit)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figure that the target bounds, and a text with the figures that it is computed from."""

    value: Figures
    figures: str


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One line of the table. ``name`` is what ``--only`` takes."""

    name: str
    description: str
    target: Target
    measure: Callable[[Work], Measured]


@dataclass(frozen=True, slots=True)
class Result:
    """A row and its result; without ``measured``, ``why`` gives the reason."""

    row: BenchRow
    measured: Measured | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """``met`` or ``short`` of the target; ``failed`` or ``skipped``."""
        if self.measured is None:
            return "failed" if self.why.startswith("failed") else "skipped"
        return "met" if self.row.target.met(self.measured.value.median) else "short"

    @property
    def figure(self) -> str:
        """The figure with its unit; a dash where there is none."""
        return "–" if self.measured is None else self.row.target.show(self.measured.value.median)

    @property
    def spread(self) -> str:
        """The lowest and the highest figure of the rounds; empty for a single round."""
        rounds = () if self.measured is None else self.measured.value.rounds
        return f"{_digits(min(rounds))}–{_digits(max(rounds))}" if len(rounds) > 1 else ""

    @property
    def figures(self) -> str:
        """The figures behind it, or why there are none."""
        return self.why if self.measured is None else self.measured.figures
