"""Rows about a bad night (``tests.bench.night``), lived through by lanes and by LiteLLM's router."""

from collections.abc import Callable
from typing import NamedTuple

from lanes.bench.kit.rows import BenchRow, Measured, Skipped, Target, at_least, at_most
from lanes.bench.kit.work import FULL, QUICK, TINY, Figures, Work
from tests.bench.night.morning import Morning
from tests.bench.night.plan import NightPlan
from tests.bench.night.played import by_lanes, by_router

#: The retries of the router, as in the examples of its documentation.
RETRIES = 3
#: Lanes and messages of a night, and how much shorter than 26 minutes it is.
NIGHTS = {FULL: (40, 200, 20.0), QUICK: (20, 100, 30.0), TINY: (4, 16, 600.0)}


class Mornings(NamedTuple):
    """What came of the same night."""

    ours: Morning
    said: str


def _mornings(work: Work) -> Mornings:
    """Once, not in rounds: a night is long."""

    def make() -> Mornings:
        lanes, messages, scale = NIGHTS[work.size]
        plan = NightPlan(lanes, messages)
        work.progress("a bad night, with lanes")
        ours = by_lanes(work, plan, scale)
        work.progress("the same night, with LiteLLM's router")
        try:
            theirs = f"LiteLLM's router: {by_router(work, plan, scale, RETRIES)}"
        except Skipped as why:
            theirs = f"without LiteLLM's router beside it: {why}"
        return Mornings(ours, f"lanes: {ours}; {theirs}")

    return work.once("night", make)


def _row(name: str, what: str, target: Target, figure: Callable[[Morning], float]) -> BenchRow:
    def measure(work: Work) -> Measured:
        mornings = _mornings(work)
        return Measured(Figures((figure(mornings.ours),)), mornings.said)

    return BenchRow(name, what, target, measure)


ROWS = (
    _row(
        "night-answered",
        "messages of a bad night that are answered once and in order",
        at_least(100, "%"),
        lambda morning: morning.right_share,
    ),
    _row(
        "night-requests",
        "requests that reach a provider in a bad night, for each answer",
        at_most(1.2),
        lambda morning: morning.ratio,
    ),
)
