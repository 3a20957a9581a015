"""Rows about run cycles through the store, against plain ``sqlite3``.

The baseline replays either the statements of 0.1.0, which stay the same whatever the design, or today's own sets of
statements, which shows what the Python code adds to them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lanes.bench.facts import fsync_p50_ms
from lanes.bench.kit import cycle
from lanes.bench.kit.filling import copied
from lanes.bench.kit.rows import BenchRow, Measured, at_least, at_most
from lanes.bench.kit.work import Figures, Work, key_of, percentile
from lanes.bench.plain import recorded, sets
from lanes_storage import open_async_store
from lanes_storage.clock import system_clock
from lanes_storage.interface import AsyncStore, Step


def through_the_store(work: Work, callers: int, *, synchronous: str = "full", grouped: bool = True) -> float:
    """Cycles a second of ``callers`` concurrent callers; each step is durable before its caller goes on."""
    path = copied(work, work.size.lanes)
    figure = asyncio.run(_cycles(work, path, callers, synchronous, grouped))
    path.unlink()
    return figure


async def _cycles(work: Work, path: Path, callers: int, synchronous: str, grouped: bool) -> float:
    count = _count(work, callers if grouped else 1)
    numbers = iter(range(count))
    async with _opened(path, synchronous) as store:
        # each caller is an owner of its own, so that a heartbeat names all that its owner holds: one run
        owners = await store.write(lambda tx: [cycle.register(tx, system_clock()) for _ in range(callers)])
        write = store.write if grouped else _one_by_one(store)

        async def caller(owner: int) -> None:
            for number in numbers:
                await _cycle(write, owner, key_of(work, number))

        started = time.perf_counter()
        await asyncio.gather(*(caller(owner) for owner in owners))
        return count / (time.perf_counter() - started)


def _count(work: Work, batch: int) -> int:
    """Cycles in a round: fewer for one transaction a step, where each takes much longer."""
    return work.size.cycles if batch > 1 else max(work.size.cycles // 4, 32)


@asynccontextmanager
async def _opened(path: Path, synchronous: str = "full") -> AsyncIterator[AsyncStore]:
    store = await open_async_store(str(path), synchronous=synchronous)
    try:
        yield store
    finally:
        await store.close()


async def _cycle(write: Callable[[Step[Any]], Awaitable[Any]], owner: int, key: str) -> None:
    """One cycle, each step awaited."""
    now = system_clock()
    message = await write(cycle.enqueue(key, now))
    claimed = await write(cycle.claim(owner, message, now))
    await write(cycle.heartbeat(owner, claimed.ticket, now))
    await write(cycle.complete(claimed.ticket, now))


def _one_by_one(store: AsyncStore) -> Callable[[Step[Any]], Awaitable[Any]]:
    """``write`` without group commit: each step waits until the previous one is durable."""
    gate = asyncio.Lock()

    async def write(step: Step[Any]) -> Any:
        async with gate:
            return await store.write(step)

    return write


def _against_recorded(callers: int, synchronous: str) -> Callable[[Work], Measured]:
    def measure(work: Work) -> Measured:
        return _compared(*_rounds(work, callers, synchronous)[:2])

    return measure


def _against_sets(callers: int) -> Callable[[Work], Measured]:
    def measure(work: Work) -> Measured:
        ours, _, plain = _rounds(work, callers, "full")
        return _compared(ours, plain)

    return measure


def _rounds(work: Work, callers: int, synchronous: str) -> list[Figures]:
    """Cycles a second through the store, of 0.1.0's statements, and, where a row needs them, of today's sets."""
    measures = [
        lambda: through_the_store(work, callers, synchronous=synchronous),
        lambda: recorded.cycles_a_second(work, callers, _count(work, callers), synchronous),
    ]
    if callers > 1 and synchronous == "full":
        measures.append(lambda: sets.cycles_a_second(work, callers))
    return work.once(f"{callers} callers, {synchronous}", lambda: work.rounds(*measures))


def _compared(ours: Figures, plain: Figures) -> Measured:
    return Measured(ours / plain, f"{ours:,.0f}/s against {plain:,.0f}/s")


def _group_commit(work: Work) -> Measured:
    grouped, single = work.rounds(
        lambda: through_the_store(work, 32), lambda: through_the_store(work, 32, grouped=False)
    )
    return _compared(grouped, single)


def _enqueue_p99(work: Work) -> Measured:
    path = copied(work, work.size.lanes)
    p99, sync = work.rounds(
        lambda: percentile(asyncio.run(_enqueues(work, path)), 0.99), lambda: fsync_p50_ms(work.folder)
    )
    return Measured(p99 / sync, f"p99 {p99:.2f} ms, fsync p50 {sync:.2f} ms")


async def _enqueues(work: Work, path: Path) -> list[float]:
    """How long each enqueue took, in milliseconds, with 32 callers at once."""
    numbers, latencies = iter(range(2 * work.size.cycles)), list[float]()

    async def caller() -> None:
        for number in numbers:
            started = time.perf_counter()
            await store.write(cycle.enqueue(key_of(work, number), system_clock()))
            latencies.append(1000 * (time.perf_counter() - started))

    async with _opened(path) as store:
        await asyncio.gather(*(caller() for _ in range(32)))
    return latencies


ROWS = (
    BenchRow(
        "cycles-32-full",
        "run cycles/s, 32 callers, FULL, against plain sqlite3 doing what 0.1.0 did in batches of 32",
        at_least(1.3),
        _against_recorded(32, "full"),
    ),
    BenchRow(
        "cycles-256-full", "the same, 256 callers and batches of 256", at_least(1.4), _against_recorded(256, "full")
    ),
    BenchRow("cycles-32-normal", "the same, 32 callers, NORMAL", at_least(1.3), _against_recorded(32, "normal")),
    BenchRow(
        "cycles-1-full",
        "one caller, FULL, against plain sqlite3 doing what 0.1.0 did, one transaction a step",
        at_least(0.68),
        _against_recorded(1, "full"),
    ),
    BenchRow(
        "sets-32", "32 callers, FULL, against plain sqlite3 doing the same sets", at_least(0.85), _against_sets(32)
    ),
    BenchRow(
        "sets-256", "256 callers, FULL, against plain sqlite3 doing the same sets", at_least(0.85), _against_sets(256)
    ),
    BenchRow("group-commit", "group commit against one transaction a step, 32 callers", at_least(10), _group_commit),
    BenchRow("enqueue-p99", "p99 of an enqueue, 32 callers, FULL, in fsyncs (p50)", at_most(15), _enqueue_p99),
)
