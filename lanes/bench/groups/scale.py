"""Rows about large databases: frequent operations must cost the same with a million lanes as with a thousand."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lanes.bench.kit import cycle
from lanes.bench.kit.filling import copied
from lanes.bench.kit.processes import gateway
from lanes.bench.kit.rows import BenchRow, Measured, at_most
from lanes.bench.kit.work import Figures, Work, percentile
from lanes.engine.reconcile.observer import Observer
from lanes.host.identity import this_process
from lanes_storage import reads
from lanes_storage.clock import system_clock
from lanes_storage.records import LaneFilter, NewOwner
from lanes_storage.sqlite import SqliteStore

Call = Callable[[], object]


def living() -> NewOwner:
    """This process, as an owner that is provably alive."""
    me = this_process()
    return NewOwner("gateway", me.host, me.boot_id, me.pid_ns, me.pid, me.start_time, "bench", 5_000, 30_000, ("chat",))


def _large(work: Work, lanes: int) -> Path:
    """A copy with that many lanes, which the rows of this module share."""
    return work.once(f"large {lanes}", lambda: copied(work, lanes))


def _timed(call: Call, times: int) -> list[float]:
    """How long each call took, in microseconds."""
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        durations.append(1e6 * (time.perf_counter() - started))
    return durations


def _flat(prepare: Callable[[SqliteStore], Call], share: float, times: int) -> Callable[[Work], dict[int, Figures]]:
    """A percentile of a call, in microseconds, for each number of lanes."""

    def measure(work: Work) -> dict[int, Figures]:
        sizes = work.size.scale
        paths = [_large(work, lanes) for lanes in sizes]

        def of(path: Path) -> float:
            with closing(SqliteStore(path)) as store:
                call = prepare(store)
                _timed(call, 20)
                return percentile(_timed(call, times), share)

        return dict(zip(sizes, work.rounds(*(lambda path=path: of(path) for path in paths)), strict=True))

    return measure


def _growth(figures: dict[int, Figures]) -> Measured:
    """The ratio of the cost in the largest database to that in the smallest."""
    costs = list(figures.values())
    return Measured(costs[-1] / costs[0], _costs(figures))


def _costs(figures: dict[int, Figures]) -> str:
    return ", ".join(f"{cost:,.0f} µs at {lanes:,}" for lanes, cost in figures.items())


def _passes(store: SqliteStore) -> Call:
    """A reconcile pass over a single owner: those that other rounds and rows left in the file are ended first."""
    for owner in store.read(reads.owners()):
        store.write(lambda tx, of=owner.id: cycle.end_owner(tx, of, system_clock()))  # type: ignore[misc]
    store.write(lambda tx: cycle.register(tx, system_clock(), living()))
    observer = Observer(store, store.write, system_clock, by="bench", interval_ms=5_000)
    return observer.run_once


def _reconcile(work: Work) -> Measured:
    figures = _flat(_passes, 0.99, work.size.calls)(work)
    return Measured(max(figures.values(), key=lambda cost: cost.median), _costs(figures) + " (p99)")


def _list(work: Work) -> Measured:
    query = reads.lanes(LaneFilter(), limit=50)
    return _growth(_flat(lambda store: lambda: store.read(query), 0.5, max(work.size.calls // 10, 20))(work))


def _counts(work: Work) -> Measured:
    def look(store: SqliteStore) -> Call:
        return lambda: store.read(reads.counts(system_clock().wall))

    figures = _flat(look, 0.5, max(work.size.calls // 40, 10))(work)
    return Measured(figures[work.size.scale[-1]], _costs(figures))


def _claim(work: Work) -> Measured:
    def whole(store: SqliteStore) -> Call:
        owner = store.write(lambda tx: cycle.register(tx, system_clock(), living()))
        numbers = iter(range(10**9))
        now = system_clock()
        # the same fifty lanes at every size, so that the cache makes no difference
        return lambda: store.write(lambda tx: cycle.whole(tx, owner, f"lane:{next(numbers) % 50}", now))

    return _growth(_flat(whole, 0.5, max(work.size.calls // 10, 20))(work))


def _start(work: Work) -> Measured:
    """From the start of the process to its readiness, in microseconds; most of it is starting the process itself."""

    def of(lanes: int) -> Callable[[], float]:
        def start() -> float:
            started = gateway(work, _large(work, lanes), "http://127.0.0.1:9")
            took = started.ready()
            started.kill()
            return 1e6 * took

        return start

    sizes = (work.size.scale[0], work.size.scale[-1])
    return _growth(dict(zip(sizes, work.rounds(*(of(lanes) for lanes in sizes)), strict=True)))


ROWS = (
    BenchRow("reconcile-idle", "idle reconcile pass, p99, whatever number of lanes", at_most(100, "µs"), _reconcile),
    BenchRow("flat-list", "first page of the list: largest database against smallest", at_most(2), _list),
    BenchRow("flat-counts", "counts of status and dashboard in the largest database", at_most(200, "µs"), _counts),
    BenchRow("flat-claim", "a run cycle in one transaction: largest database against smallest", at_most(2), _claim),
    BenchRow("flat-start", "start of a gateway to ready: the same", at_most(2), _start),
)
