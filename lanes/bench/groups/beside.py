"""Rows about load that must not slow other work: searches, backlogs of other runners, large requests, checkpoints."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lanes.bench.groups.web import checked, provider
from lanes.bench.kit.filling import copied
from lanes.bench.kit.loading import load, request
from lanes.bench.kit.processes import BenchProcess, gateway
from lanes.bench.kit.rows import BenchRow, Measured, at_most
from lanes.bench.kit.work import Figures, Work, percentile
from lanes_storage import doors, open_async_store
from lanes_storage.clock import system_clock
from lanes_storage.records import Admission, NewMessage
from lanes_storage.sqlite import SqliteStore

#: A filter that compares every lane and chooses none.
SEARCH = json.dumps({"filter": "nothing has such a key", "limit": 50}).encode()
#: A runner that no gateway has.
ABSENT = "absent"
#: The size of a large request, in bytes.
LARGE = 3_000_000
#: Small writes in one round: they fill the 12,000 frames that cause a checkpoint more than once.
SMALL_WRITES = 4_000


def _replies(process: BenchProcess, numbers: Iterator[int], times: int) -> list[float]:
    """Send messages one after the other; returns the milliseconds from sending to reply of each."""
    body = b'{"text": "hello"}'
    requests = (request(f"/api/lanes/beside:{next(numbers)}/messages?wait=30", body) for _ in range(times))
    return checked(load(process.port, 1, requests), 200).latencies_ms


@contextlib.contextmanager
def _searching(process: BenchProcess) -> Iterator[None]:
    """Search all lanes again and again during the block."""
    over = threading.Event()

    def search() -> None:
        while not over.is_set():
            load(process.port, 1, iter([request("/api/search", SEARCH)]))

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _claim_beside_search(work: Work) -> Measured:
    numbers, times = count(), max(work.size.calls // 4, 8)
    with gateway(work, copied(work, work.size.searched), provider(work).url) as served:
        _replies(served, numbers, 8)

        def alone() -> float:
            return percentile(_replies(served, numbers, times), 0.99)

        def beside() -> float:
            with _searching(served):
                return alone()

        quiet, busy = work.rounds(alone, beside)
    return Measured(busy / quiet, f"p99 {busy:.1f} ms against {quiet:.1f} ms, {work.size.searched:,} lanes searched")


def _waiting(path: Path, lanes: int) -> None:
    """Let a message wait in every lane for a runner that no gateway has."""
    store, now = SqliteStore(path), system_clock()
    for first in range(0, lanes, 1_000):
        keys = [f"lane:{number}" for number in range(first, min(first + 1_000, lanes))]
        new = [NewMessage(key, "hello", runner=ABSENT, actor="bench") for key in keys]
        store.write(lambda tx, new=new: [doors.accept(one, Admission(), now)(tx) for one in new])  # type: ignore[misc]
    store.close()


def _claim_beside_backlog(work: Work) -> Measured:
    many, numbers = work.size.many, count()
    plain, crowded = copied(work, many), copied(work, many)
    _waiting(crowded, many)
    times = max(work.size.calls // 4, 8)
    url = provider(work).url
    with gateway(work, plain, url) as alone, gateway(work, crowded, url) as beside:
        for served in (alone, beside):
            _replies(served, numbers, 8)
        quiet, busy = work.rounds(
            lambda: percentile(_replies(alone, numbers, times), 0.99),
            lambda: percentile(_replies(beside, numbers, times), 0.99),
        )
    return Measured(busy / quiet, f"p99 {busy:.1f} ms against {quiet:.1f} ms, {many:,} heads of an absent runner")


def _memory_large(work: Work) -> Measured:
    requests = work.size.calls // 4
    body = json.dumps({"model": "lanes", "messages": [{"role": "user", "content": "x" * LARGE}]}).encode()
    sent = (request("/v1/chat/completions", body, f"X-Lanes-Session: large:{n % 24}") for n in range(requests))
    with gateway(work, copied(work, work.size.lanes), provider(work).url) as served:
        before = served.resident_mb()
        checked(load(served.port, 4, sent), 200)
        until, least = time.monotonic() + work.size.quiet_s, served.resident_mb()
        while time.monotonic() < until:
            time.sleep(0.1)
            least = min(least, served.resident_mb())
    return Measured(
        Figures((least,)), f"{requests:,} requests of {LARGE / 1e6:g} MB, 4 at a time; {before:.0f} MB before"
    )


async def _longest_write(path: Path) -> float:
    """The longest of many small writes, in milliseconds."""
    store, longest = await open_async_store(str(path)), 0.0
    for number in range(SMALL_WRITES):
        now, new = system_clock(), NewMessage(f"lane:{number % 1_000}", "hello", actor="bench")
        started = time.perf_counter()
        await store.write(lambda tx, new=new, now=now: doors.accept(new, Admission(cap=SMALL_WRITES), now)(tx))  # type: ignore[misc]
        longest = max(longest, 1000 * (time.perf_counter() - started))
    await store.close()
    return longest


def _checkpoint(work: Work) -> Measured:
    def longest() -> float:
        path = copied(work, work.size.lanes)
        try:
            return asyncio.run(_longest_write(path))
        finally:
            path.unlink()

    (took,) = work.rounds(longest)
    return Measured(took, f"the longest of {SMALL_WRITES:,} small writes, among which 12,000 frames are copied back")


ROWS = (
    BenchRow(
        "claim-beside-search",
        "send to reply, p99, while somebody searches all lanes, against the same alone",
        at_most(2),
        _claim_beside_search,
    ),
    BenchRow(
        "claim-beside-backlog",
        "send to reply, p99, beside heads that nobody may claim, against the same alone",
        at_most(2),
        _claim_beside_backlog,
    ),
    BenchRow("memory-large", "memory of a gateway after large requests", at_most(150, "MB"), _memory_large),
    BenchRow(
        "checkpoint-pause",
        "the longest wait of a small write while the log is copied back",
        at_most(50, "ms"),
        _checkpoint,
    ),
)
