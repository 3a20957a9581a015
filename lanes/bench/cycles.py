"""Rows about run cycles through the store, against plain ``sqlite3`` doing the same."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lanes.bench import cycle
from lanes.bench.facts import fsync_p50_ms
from lanes.bench.filling import copied
from lanes.bench.raw import key_of, replay
from lanes.bench.rows import Measured, Row, at_least, at_most
from lanes.bench.work import Work, percentile
from lanes_storage import open_async_store
from lanes_storage.interface import AsyncStore, Step
from lanes_storage.moment import system_clock


def through_the_store(work: Work, callers: int, *, synchronous: str = "full", grouped: bool = True) -> float:
    """Cycles a second by so many concurrent callers; each step is durable before its caller goes on."""
    path = copied(work, work.size.lanes)
    figure = asyncio.run(_cycles(work, path, callers, synchronous, grouped))
    path.unlink()
    return figure


async def _cycles(work: Work, path: Path, callers: int, synchronous: str, grouped: bool) -> float:
    async with _opened(path, synchronous) as store:
        return await _timed(work, store, callers, grouped)


async def _timed(work: Work, store: AsyncStore, callers: int, grouped: bool) -> float:
    # each caller is a process of its own, whose heartbeat names all that it holds: one run
    owners = await store.write(lambda tx: [cycle.register(tx, system_clock()) for _ in range(callers)])
    # one transaction a step costs so much more that fewer cycles tell as much
    count = work.size.cycles if grouped else max(work.size.cycles // 4, callers)
    numbers, write = iter(range(count)), store.write if grouped else _one_by_one(store)

    async def caller(owner: int) -> None:
        for number in numbers:
            await _cycle(write, owner, key_of(work, number))

    started = time.perf_counter()
    await asyncio.gather(*(caller(owner) for owner in owners))
    return count / (time.perf_counter() - started)


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
    """``write`` as if there were no group commit: nobody is let in before the step before is durable."""
    gate = asyncio.Lock()

    async def write(step: Step[Any]) -> Any:
        async with gate:
            return await store.write(step)

    return write


def _against_raw(callers: int, synchronous: str) -> Callable[[Work], Measured]:
    def measure(work: Work) -> Measured:
        ours, raw = work.medians(
            lambda: through_the_store(work, callers, synchronous=synchronous),
            lambda: replay(work, callers, synchronous),
        )
        return Measured(ours / raw, f"{ours:,.0f}/s against {raw:,.0f}/s")

    return measure


def _group_commit(work: Work) -> Measured:
    grouped, single = work.medians(
        lambda: through_the_store(work, 32), lambda: through_the_store(work, 32, grouped=False)
    )
    return Measured(grouped / single, f"{grouped:,.0f}/s against {single:,.0f}/s")


def _enqueue_p99(work: Work) -> Measured:
    path = copied(work, work.size.lanes)
    p99, sync = work.medians(
        lambda: percentile(asyncio.run(_enqueues(work, path)), 0.99), lambda: fsync_p50_ms(work.folder)
    )
    return Measured(p99 / sync, f"p99 {p99:.2f} ms, fsync p50 {sync:.2f} ms")


async def _enqueues(work: Work, path: Path, callers: int = 32) -> list[float]:
    """How long each enqueue took, in milliseconds, with so many callers at once."""
    numbers, taken = iter(range(2 * work.size.cycles)), list[float]()

    async def caller() -> None:
        for number in numbers:
            started = time.perf_counter()
            await _enqueue(store, key_of(work, number))
            taken.append(1000 * (time.perf_counter() - started))

    async with _opened(path) as store:
        await asyncio.gather(*(caller() for _ in range(callers)))
    return taken


async def _enqueue(store: AsyncStore, key: str) -> None:
    now = system_clock()
    await store.write(cycle.enqueue(key, now))


ROWS = (
    Row(
        "cycles-32-full",
        "run cycles/s, 32 callers, FULL, against plain sqlite3 in batches of 32",
        at_least(0.70),
        _against_raw(32, "full"),
    ),
    Row("cycles-256-full", "the same, 256 callers and batches of 256", at_least(0.70), _against_raw(256, "full")),
    Row("cycles-32-normal", "the same, 32 callers, NORMAL", at_least(0.60), _against_raw(32, "normal")),
    Row(
        "cycles-1-full",
        "one caller, FULL, against plain sqlite3, one transaction a step",
        at_least(0.60),
        _against_raw(1, "full"),
    ),
    Row("group-commit", "group commit against one transaction a step, 32 callers", at_least(10), _group_commit),
    Row("enqueue-p99", "p99 of an enqueue, 32 callers, FULL, in fsyncs (p50)", at_most(10), _enqueue_p99),
)
