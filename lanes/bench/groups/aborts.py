"""Rows about aborts from other processes, and about commands as whole processes."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lanes.bench.groups.web import hold, provider
from lanes.bench.kit.filling import copied
from lanes.bench.kit.processes import LANES, command, gateway
from lanes.bench.kit.rows import BenchRow, Measured, at_most
from lanes.bench.kit.work import Work, percentile
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState
from lanes_storage.sqlite import SqliteStore

IMPORTS = "import click, sqlite3, json"


@contextmanager
def _held(work: Work) -> Iterator[tuple[Path, SqliteStore, Iterator[str]]]:
    """The database of a gateway, and the keys of its held lanes, whose provider sends nothing."""
    path = copied(work, work.size.many)
    with gateway(work, path, provider(work).url) as process, closing(SqliteStore(path)) as store:
        hold(process, work.size.held)
        yield path, store, (f"lane:{number}" for number in range(work.size.held))


def _until_held(store: SqliteStore, key: str) -> None:
    while (lane := store.read(reads.lane(key))) is None or lane.state is not LaneState.RUNNING:
        time.sleep(0.001)


def _until_released(store: SqliteStore, key: str) -> float:
    """Commit an abort request and watch the row; returns the milliseconds until the lane was released."""
    _until_held(store, key)
    started = time.perf_counter()
    store.write(lambda tx: doors.request_abort(tx, key, system_clock(), actor="bench"))
    while (lane := store.read(reads.lane(key))) is not None and lane.state is LaneState.RUNNING:
        time.sleep(0.0002)
    return 1000 * (time.perf_counter() - started)


def _latency(work: Work) -> Measured:
    each = min(work.size.held, work.size.calls) // work.size.rounds or 1
    with _held(work) as (_, store, keys):

        def round_of_aborts() -> tuple[float, float]:
            times = [_until_released(store, next(keys)) for _ in range(each)]
            return percentile(times, 0.5), percentile(times, 0.99)

        p50, p99 = work.each(round_of_aborts)
    return Measured(p99, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {each} aborts; the request's own commit is part of it")


def _against_bare(*arguments: str) -> Callable[[Work], Measured]:
    def measure(work: Work) -> Measured:
        path = work.once("commands", lambda: copied(work, work.size.many))
        calls = (("-c", LANES, "--db", str(path), *arguments), ("-c", IMPORTS))
        for call in calls:
            command(work, *call)  # compiles the modules
        ours, bare = work.rounds(
            *(lambda call=call: min(command(work, *call) for _ in range(work.size.starts)) for call in calls)
        )
        return Measured(ours / bare, f"{ours:.0f} ms against {bare:.0f} ms (best of {work.size.starts})")

    return measure


def _abort_to_released(work: Work) -> Measured:
    """The whole process ``lanes abort KEY`` on a lane that a living gateway holds."""
    with _held(work) as (path, store, keys):

        def abort() -> float:
            key = next(keys)
            _until_held(store, key)
            return command(work, "-c", LANES, "--db", str(path), "abort", key)

        abort()  # compiles the modules
        (took,) = work.rounds(abort)
    return Measured(took, "the whole process, which returns once the lane is released")


ROWS = (
    BenchRow("abort-latency", "abort from another process: request to cancelled run, p99", at_most(25, "ms"), _latency),
    BenchRow(
        "abort-released", "`lanes abort KEY` of a held lane, start to released", at_most(150, "ms"), _abort_to_released
    ),
    BenchRow(
        "abort-process",
        "`lanes abort KEY`, whole process, against a bare import of click, sqlite3 and json",
        at_most(1.5),
        _against_bare("abort", "lane:7"),
    ),
    BenchRow(
        "list-process", "`lanes list --limit 50` against the same", at_most(1.5), _against_bare("list", "--limit", "50")
    ),
)
