"""Rows about the dashboard, whose terminal is a part of the tests."""

from collections.abc import Callable

from lanes.bench.kit.rows import BenchRow, Measured, Target, at_most
from lanes.bench.kit.work import Figures, Work
from tests.bench.dashboard import Bulk, Look, bulk, measure
from tests.kit.crowd import crowd


def _look(work: Work) -> Look:
    def make() -> Look:
        work.progress(f"a dashboard over {work.size.many:,} lanes")
        database = work.fresh("dashboard.db")
        owner = crowd(database, work.size.many)
        return measure(database, owner)

    return work.once("dashboard", make)


def _row(name: str, what: str, target: Target, figure: Callable[[Look], float]) -> BenchRow:
    def measured(work: Work) -> Measured:
        return Measured(Figures((figure(_look(work)),)), f"{work.size.many:,} lanes")

    return BenchRow(name, f"dashboard: {what}", target, measured)


def _bulk(work: Work) -> Bulk:
    def make() -> Bulk:
        work.progress(f"a dashboard that pauses {work.size.many // 10:,} of {work.size.many:,} lanes")
        database = work.fresh("bulk.db")
        crowd(database, work.size.many)
        return bulk(database, work.size.many)

    return work.once("dashboard bulk", make)


def _bulk_row(name: str, what: str, target: Target, figure: Callable[[Bulk], float]) -> BenchRow:
    def measured(work: Work) -> Measured:
        return Measured(Figures((figure(_bulk(work)),)), f"{work.size.many // 10:,} of {work.size.many:,} lanes")

    return BenchRow(name, f"dashboard: {what}", target, measured)


ROWS: tuple[BenchRow, ...] = (
    _row(
        "dashboard-first", "first rows from the start of the process", at_most(1_500, "ms"), lambda look: look.first_ms
    ),
    _row("dashboard-memory", "its memory", at_most(80, "MB"), lambda look: look.memory_mb),
    _row("dashboard-refresh", "processor time of a refresh", at_most(40, "ms"), lambda look: look.refresh_ms),
    _row("dashboard-key", "key to paint", at_most(50, "ms"), lambda look: look.key_ms),
    _row("dashboard-idle", "sent to the terminal while nothing changes", at_most(500, "B/s"), lambda look: look.idle),
    _bulk_row("dashboard-bulk", "a tenth of the lanes paused in bulk", at_most(10, "s"), lambda bulk: bulk.taken_s),
    _bulk_row("dashboard-bulk-key", "the slowest key meanwhile", at_most(100, "ms"), lambda bulk: bulk.worst_ms),
)
