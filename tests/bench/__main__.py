"""``make bench``: run cycles through the store against plain ``sqlite3`` doing the very same statements.

A cycle is a durable enqueue, a claim, one heartbeat and a completion. The statements are recorded once from the
doors and replayed by plain ``sqlite3`` on a fresh file, so many cycles to a transaction, with nothing of ours
in between. Ratios are what counts; absolute figures belong to the machine.
"""

import asyncio
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lanes_storage import doors, open_async_store
from lanes_storage.interface import AsyncStore, Dialect, Params, Row, Transaction
from lanes_storage.law import OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.moment import Now, system_clock
from lanes_storage.records import Admission, Answer, Beat, Claimed, NewMessage, NewOwner, Terms
from lanes_storage.sqlite.connect import open_writer
from lanes_storage.sqlite.transaction import SqliteTransaction

TERMS = Terms(300_000, 120_000, 10_000, 5_000, 60_000, 600_000, OnInterrupt.REQUEUE, OnSurvivors.PAUSE)
CYCLES = 1_600
LANES = 400
RUNS = 5

RAW_32 = "plain sqlite3, 32 cycles to a transaction"
RAW_1 = "plain sqlite3, 1 cycle to a transaction"
LANES_32 = "lanes, 32 callers"
LANES_SINGLE = "lanes, 32 callers, one transaction a step"
LANES_1 = "lanes, 1 caller"


class Recorder:
    """A transaction that notes every statement that passes it."""

    def __init__(self, tx: SqliteTransaction) -> None:
        self._tx = tx
        self.statements: list[tuple[str, Params]] = []

    @property
    def dialect(self) -> Dialect:
        return self._tx.dialect

    def run(self, sql: str, params: Params) -> int:
        self.statements.append((sql, params))
        return self._tx.run(sql, params)

    def rows(self, sql: str, params: Params) -> list[Row]:
        self.statements.append((sql, params))
        return self._tx.rows(sql, params)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        raise AssertionError("nothing here rolls back")


def owner_of(now: Now) -> NewOwner:
    """The process that holds everything."""
    return NewOwner("gateway", "bench", now.boot_id, "", 1, 1, "bench", 5_000, 30_000, ("chat",))


def claim_head(tx: Transaction, owner: int, message: int, now: Now) -> Claimed:
    """Claim the lane whose head is ``message``."""
    (head,) = doors.candidates(tx, owner, now, after=message - 1, limit=1)
    claimed = doors.claim(tx, head, owner, "chat", RunnerKind.PROVIDER, TERMS, now)
    assert claimed is not None
    return claimed


def record(folder: Path) -> tuple[Path, list[list[tuple[str, Params]]]]:
    """The statements of each cycle, and a file as it was before the first."""
    connection = open_writer(folder / "record.db", create=True)
    now = system_clock()
    with SqliteTransaction(connection) as tx:
        owner = doors.register(tx, owner_of(now), now)
    before = folder / "before.db"
    connection.execute(f"VACUUM INTO '{before}'")
    cycles = []
    for number in range(CYCLES):
        with SqliteTransaction(connection) as tx:
            recorder = Recorder(tx)
            new = NewMessage(f"lane:{number % LANES}", text="hello")
            accepted = doors.accept(recorder, new, Admission(1_000), now)
            assert isinstance(accepted, doors.Accepted)
            claimed = claim_head(recorder, owner, accepted.message_id, now)
            beat = Beat(claimed.ticket, "content", now.boot, now.wall)
            doors.heartbeat(recorder, owner, [beat], now)
            doors.complete(recorder, claimed.ticket, Answer("hello back"), now, by="bench")
            cycles.append(recorder.statements)
    connection.close()
    return before, cycles


def fresh(folder: Path, name: str) -> Path:
    """The path of a database that is not there yet."""
    for old in folder.glob(f"{name}*"):
        old.unlink()
    return folder / name


def replay(folder: Path, before: Path, cycles: list[list[tuple[str, Params]]], batch: int) -> float:
    """Cycles a second of plain sqlite3, so many to a transaction."""
    path = fresh(folder, "replay.db")
    path.write_bytes(before.read_bytes())
    connection = open_writer(path, create=False)
    started = time.perf_counter()
    for at in range(0, len(cycles), batch):
        connection.execute("BEGIN IMMEDIATE")
        for cycle in cycles[at : at + batch]:
            for sql, params in cycle:
                connection.execute(sql, params).fetchall()
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return len(cycles) / took


async def through_the_store(folder: Path, callers: int, *, grouped: bool = True) -> float:
    """Cycles a second through the store, by so many concurrent callers; each step durable before the next."""
    store = await open_async_store(str(fresh(folder, "store.db")), create=True)
    now = system_clock()
    owner = await store.write(lambda tx: doors.register(tx, owner_of(now), now))
    one_at_a_time = asyncio.Semaphore(callers if grouped else 1)
    numbers = iter(range(CYCLES))

    async def caller() -> None:
        for number in numbers:
            await cycle(store, owner, f"lane:{number % LANES}", one_at_a_time)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took = time.perf_counter() - started
    await store.close()
    return CYCLES / took


async def cycle(store: AsyncStore, owner: int, key: str, gate: asyncio.Semaphore) -> None:
    """One cycle: four writes, each awaited."""
    now = system_clock()
    new = NewMessage(key, text="hello")
    async with gate:
        accepted = await store.write(lambda tx: doors.accept(tx, new, Admission(1_000), now))
    assert isinstance(accepted, doors.Accepted)
    async with gate:
        claimed = await store.write(lambda tx: claim_head(tx, owner, accepted.message_id, now))
    beat = Beat(claimed.ticket, "content", now.boot, now.wall)
    async with gate:
        await store.write(lambda tx: doors.heartbeat(tx, owner, [beat], now))
    async with gate:
        await store.write(lambda tx: doors.complete(tx, claimed.ticket, Answer("hello back"), now, by="bench"))


def measures(folder: Path, before: Path, cycles: list[list[tuple[str, Params]]]) -> dict[str, Callable[[], float]]:
    """What is measured, by the name that the table gives it."""
    return {
        RAW_32: lambda: replay(folder, before, cycles, 32),
        RAW_1: lambda: replay(folder, before, cycles, 1),
        LANES_32: lambda: asyncio.run(through_the_store(folder, 32)),
        LANES_SINGLE: lambda: asyncio.run(through_the_store(folder, 32, grouped=False)),
        LANES_1: lambda: asyncio.run(through_the_store(folder, 1)),
    }


def main() -> None:
    """Print the table."""
    say(
        f"# {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}, synchronous=FULL; medians of {RUNS} runs of {CYCLES} cycles"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, cycles = record(folder)
        measured: dict[str, list[float]] = {}
        for number in range(RUNS):
            progress(f"run {number + 1} of {RUNS}")
            for label, measure in measures(folder, before, cycles).items():
                measured.setdefault(label, []).append(measure())
    progress("")
    median = {label: statistics.median(figures) for label, figures in measured.items()}
    for label, figure in median.items():
        say(f"{label:45} {figure:9.0f} cycles/s")
    say()
    for what, over, under in (
        ("32 callers against plain sqlite3 in batches of 32", LANES_32, RAW_32),
        ("group commit against one transaction a step", LANES_32, LANES_SINGLE),
    ):
        say(f"{what:55} {median[over] / median[under]:6.2f}")


def say(line: str = "") -> None:
    """One line of the table."""
    sys.stdout.write(line + "\n")


def progress(line: str) -> None:
    """What is going on, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()


main()
