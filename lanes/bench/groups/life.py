"""Rows about the life of one gateway with many lanes: start, memory, kill -9, and its successor."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lanes.bench.groups.scale import living
from lanes.bench.groups.web import hold, provider
from lanes.bench.kit import cycle
from lanes.bench.kit.filling import copied
from lanes.bench.kit.processes import PATIENCE_S, gateway
from lanes.bench.kit.rows import BenchRow, Measured, at_most
from lanes.bench.kit.work import Figures, Work
from lanes.engine.reconcile.observer import Observer
from lanes_storage.clock import system_clock
from lanes_storage.records import NewOwner
from lanes_storage.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Life:
    """The figures of one gateway and its successor, in seconds and megabytes."""

    ready_s: Figures
    idle_mb: Figures
    running_mb: Figures
    claim_s: Figures  # from the start of the successor's process to its first claim
    recovery_s: Figures  # the part of that after its registration


def life(work: Work) -> Life:
    """The figures of a gateway's life, measured once for all rows."""
    return work.once("life", lambda: Life(*work.each(lambda: _live(work))))


def _live(work: Work) -> tuple[float, ...]:
    path = copied(work, work.size.many)
    first = gateway(work, path, provider(work).url, 2 * work.size.held)
    ready = first.ready()
    time.sleep(0.5)
    idle = first.resident_mb()
    hold(first, work.size.held)
    until_running(path, work.size.held)
    time.sleep(0.5)
    running = first.resident_mb()
    first.kill()
    (before,) = _row(path, "SELECT max(id) FROM events")
    started = time.time()
    second = gateway(work, path, provider(work).url, 2 * work.size.held)
    _until(path, f"SELECT count(*) FROM events WHERE id > {before} AND type = 'claim'", 1)
    first_claim = f"SELECT at FROM events WHERE id > {before} AND type = 'claim' ORDER BY id LIMIT 1"
    (claimed,) = _row(path, first_claim)
    (registered,) = _row(path, f"SELECT at FROM events WHERE id > {before} AND type = 'owner_started'")
    second.kill()
    return ready, idle, running, claimed / 1000 - started, (claimed - registered) / 1000


def until_running(path: Path, runs: int) -> None:
    """Wait until that many lanes are held."""
    _until(path, "SELECT count(*) FROM lanes WHERE run_id IS NOT NULL", runs)


def _row(path: Path, sql: str) -> tuple[float, ...]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return tuple(connection.execute(sql).fetchone())


def _until(path: Path, sql: str, wanted: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := _row(path, sql)[0]) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{sql}: {found} of {wanted}")
        time.sleep(0.005)


def _release(work: Work) -> Measured:
    """One reconcile pass that takes back what a dead owner holds."""
    held, dead = work.size.held, _dead_owner()

    def release() -> float:
        path = copied(work, work.size.many)
        store = SqliteStore(path)
        now = system_clock()
        owner = store.write(lambda tx: cycle.register(tx, now, dead))
        for at in range(0, held, 100):
            keys = [f"lane:{n}" for n in range(at, min(at + 100, held))]
            store.write(lambda tx, keys=keys: [cycle.claim(owner, cycle.enqueue(k, now)(tx), now)(tx) for k in keys])  # type: ignore[misc]
        observer = Observer(store, store.write, system_clock, by="bench", interval_ms=5_000)
        findings = observer.look()
        started = time.perf_counter()
        done = observer.act(findings)
        took = 1000 * (time.perf_counter() - started)
        assert sum(applied for _, applied in done) == held + 1  # and the owner
        store.close()
        path.unlink()
        return took

    (took,) = work.rounds(release)
    return Measured(took, f"{held:,} lanes, {took.times(1000 / held):,.0f} µs each, their events included")


def _dead_owner() -> NewOwner:
    """A process of this host that is provably gone: its pid is now that of a process with another start time."""
    me = living()
    return NewOwner(
        me.kind, me.host, me.boot_id, me.pid_ns, me.pid, me.start_time - 1, "dead", 5_000, 30_000, ("chat",)
    )


def _ready(work: Work) -> Measured:
    seen = life(work)
    return Measured(seen.ready_s, f"{work.size.many:,} lanes")


def _idle(work: Work) -> Measured:
    return Measured(life(work).idle_mb, f"{work.size.many:,} lanes")


def _running(work: Work) -> Measured:
    seen = life(work)
    each = (seen.running_mb - seen.idle_mb).times(1024 / work.size.held)
    return Measured(seen.running_mb, f"{work.size.held:,} runs that wait for their provider, {each:,.0f} kB each")


def _next_claim(work: Work) -> Measured:
    seen = life(work)
    held = f"{work.size.held:,} of {work.size.many:,} lanes held"
    return Measured(seen.claim_s, f"{held}; {seen.recovery_s.times(1000):,.0f} ms of it recovery")


def _recovery(work: Work) -> Measured:
    return Measured(life(work).recovery_s.times(1000), "from the successor's registration to its first claim")


ROWS = (
    BenchRow("release-stale", "release of stale lanes in one pass", at_most(35, "ms"), _release),
    BenchRow("start-ready", "start of a gateway to ready", at_most(1.5, "s"), _ready),
    BenchRow(
        "kill-claim",
        "kill -9 of a gateway: from the start of the next process to its first claim",
        at_most(1, "s"),
        _next_claim,
    ),
    BenchRow("kill-recovery", "recovery alone: from registration to the first claim", at_most(300, "ms"), _recovery),
    BenchRow("memory-idle", "memory of an idle gateway with many lanes", at_most(90, "MB"), _idle),
    BenchRow("memory-running", "memory of the same with many running lanes", at_most(150, "MB"), _running),
)
