"""What a row of the table is: a target, how it is measured, and what came out."""

from collections.abc import Callable
from dataclasses import dataclass

from lanes.bench.work import Work


class Skipped(Exception):
    """The row can not be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure. ``unit`` stands behind it: ``ms``, ``MB``, ``/s``; nothing for a ratio."""

    bound: float
    unit: str = ""
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a figure keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def show(self, value: float) -> str:
        """A figure with its unit."""
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:,.{digits}f}{' ' if self.unit and not self.unit.startswith('/') else ''}{self.unit}"

    def __str__(self) -> str:
        gap = "" if self.unit.startswith("/") else " "
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g}{gap}{self.unit}".strip()


def at_least(bound: float, unit: str = "") -> Target:
    """A figure that must not be smaller."""
    return Target(bound, unit, at_least=True)


def at_most(bound: float, unit: str = "") -> Target:
    """A figure that must not be larger."""
    return Target(bound, unit)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figure that the target is about, and the figures behind it in words."""

    value: float
    said: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``name`` is what ``--only`` takes."""

    name: str
    what: str
    target: Target
    measure: Callable[[Work], Measured]


@dataclass(frozen=True, slots=True)
class Result:
    """A row and what came out; without ``measured``, ``why`` says why not."""

    row: Row
    measured: Measured | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """One word."""
        if self.measured is None:
            return "failed" if self.why.startswith("failed") else "skipped"
        return "met" if self.row.target.met(self.measured.value) else "short"
