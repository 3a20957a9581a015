"""Point reads at once: on the thread of the event loop, unless they are slow or another process is in the way."""

import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lanes.testing import START
from lanes_storage import doors, reads
from lanes_storage.errors import DatabaseReplaced, StoreClosed
from lanes_storage.interface import FEW_ROWS
from lanes_storage.records import Admission, LaneFilter, NewMessage
from lanes_storage.sqlite.aio import AsyncSqliteStore
from lanes_storage.sqlite.point_reads import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    MOST_S,
    SLOW_S,
    ReadCost,
    ReadPace,
    fetched_blocks,
)
from tests.kit.databases import lay
from tests.kit.processes import PATIENCE_S as PROCESS_S
from tests.kit.until import PATIENCE_S

T = TypeVar("T")
#: As a process that rebuilds the index of the log: it has SQLite's locks on it, and its header is not whole.
RECOVERING = """
import fcntl, os, sys
memory = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(memory, fcntl.LOCK_EX, 8, 120)
os.pwrite(memory, bytes(96), 0)
print("recovering", flush=True)
sys.stdin.readline()
"""


class Steps:
    """A timer that goes on by so much at each look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


def from_disk(timer: Steps) -> ReadCost:
    """By which everything is read from the disk."""
    return ReadCost(timer, itertools.count().__next__)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lay(tmp_path / "lanes.db")


@pytest.fixture
def timer() -> Steps:
    return Steps()


@pytest.fixture
async def quick(path: Path, timer: Steps) -> AsyncIterator[AsyncSqliteStore]:
    store = await AsyncSqliteStore.open(path, synchronous="normal", gauge=from_disk(timer))
    yield store
    await store.close()


async def accept(store: AsyncSqliteStore, key: str = "a") -> int:
    accepted = await store.write(doors.accept(NewMessage(key, "hello"), Admission(), START))
    assert isinstance(accepted, doors.Accepted)
    return accepted.message_id


def at_once(reading: Coroutine[Any, Any, T]) -> T | None:
    """What was read without giving up the thread; None: another one was asked, and is not waited for."""
    try:
        reading.send(None)
    except StopIteration as done:
        read: T = done.value
        return read
    reading.close()
    return None


async def test_what_is_found_by_its_key_is_read_on_the_thread_of_the_event_loop(quick: AsyncSqliteStore) -> None:
    message = await accept(quick)
    found = at_once(quick.read(reads.message(message)))
    assert found is not None
    assert found.key == "a"
    assert at_once(quick.read(reads.ended_among([message] * FEW_ROWS))) == []
    assert at_once(quick.read(reads.heads(0, FEW_ROWS))) is not None
    assert at_once(quick.version()) is not None


async def test_what_lists_or_searches_is_read_elsewhere(quick: AsyncSqliteStore) -> None:
    message = await accept(quick)
    for query in (
        reads.lanes(LaneFilter()),
        reads.recalled(1, FEW_ROWS + 1, 100),
        reads.heads(0, FEW_ROWS + 1),
        reads.ended_among([message] * (FEW_ROWS + 1)),
    ):
        assert at_once(quick.read(query)) is None


async def test_F141_reads_that_turn_slow_leave_the_event_loop_and_come_back(
    quick: AsyncSqliteStore, timer: Steps
) -> None:
    query, slow_s = reads.message(await accept(quick)), 2 * SLOW_S
    timer.step_s = slow_s
    for _ in range(int(MOST_S / slow_s)):
        assert at_once(quick.read(query)) is not None, "some may be slow"
    at_once(quick.read(query))
    assert at_once(quick.read(query)) is None
    assert (await quick.read(query)) is not None, "the other thread reads it"
    timer.step_s = 0
    timer.now += FIRST_BACKOFF_S
    assert at_once(quick.read(query)) is not None


async def test_F141_a_disk_that_is_slow_at_the_start_is_not_waited_for(path: Path) -> None:
    timer = Steps(2 * SLOW_S)
    store = await AsyncSqliteStore.open(path, synchronous="normal", gauge=from_disk(timer))
    timer.step_s = 0
    query = reads.message(await accept(store))
    assert at_once(store.read(query)) is None
    timer.now += FIRST_BACKOFF_S
    assert at_once(store.read(query)) is not None
    await store.close()


def test_F141_a_disk_that_stays_slow_is_tried_ever_more_rarely() -> None:
    timer = Steps()
    pace, rests = ReadPace(from_disk(timer), cold_s=1.0), []
    for _ in range(20):
        assert pace.begin() is None
        rests.append(1.0)
        while pace.begin() is None:
            timer.now += 0.5
            rests[-1] += 0.5
        began = pace.begin()
        assert began is not None
        timer.now += MOST_S  # one is enough, as long as nothing has shown that it is better now
        pace.end(began)
    assert rests == sorted(rests)
    assert rests[0] <= 2 * FIRST_BACKOFF_S
    assert LONGEST_BACKOFF_S <= rests[-1] <= LONGEST_BACKOFF_S + 1


def test_slow_reads_among_many_quick_ones_are_borne() -> None:
    timer = Steps()
    pace = ReadPace(from_disk(timer))
    for number in range(10_000):
        began = pace.begin()
        assert began is not None
        timer.now += 2 * SLOW_S if number % 100 == 0 else SLOW_S / 10
        pace.end(began)


async def test_F141_a_read_that_waits_for_a_busy_machine_stays(path: Path) -> None:
    timer = Steps()
    store = await AsyncSqliteStore.open(path, synchronous="normal", gauge=ReadCost(timer, lambda: 8))
    query = reads.message(await accept(store))
    timer.step_s = SLOW_S * 2
    for _ in range(100):
        assert at_once(store.read(query)) is not None
    await store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells what a thread has read from the disk")
def test_the_system_tells_of_what_is_read_from_the_disk(tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    cold.write_bytes(os.urandom(1_000_000))
    with cold.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        file.read(4_096)
        warm = fetched_blocks()
        file.seek(0)
        file.read(4_096)
        assert fetched_blocks() == warm


async def test_the_version_differs_whoever_reads_it(quick: AsyncSqliteStore, timer: Steps) -> None:
    seen = [await quick.version()]
    timer.step_s = MOST_S + SLOW_S
    seen.append(await quick.version())  # slow
    await accept(quick)
    assert at_once(quick.version()) is None
    seen.append(await quick.version())
    await accept(quick)
    timer.step_s = 0
    timer.now += FIRST_BACKOFF_S
    assert at_once(quick.version()) is not None
    seen.append(await quick.version())
    assert seen[0] == seen[1]
    assert len(set(seen[1:])) == 3


@contextmanager
def recovering(path: Path) -> Iterator[None]:
    command = [sys.executable, "-c", RECOVERING, f"{path}-shm"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "recovering\n"
        yield
    finally:
        process.communicate("\n", timeout=PROCESS_S)


async def test_F141_a_lock_of_another_process_does_not_hold_up_the_event_loop(
    quick: AsyncSqliteStore, path: Path
) -> None:
    message = await accept(quick)
    with recovering(path):
        reading = asyncio.create_task(quick.read(reads.message(message)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not reading.done(), "it waits in another thread, while the event loop goes on"
    async with asyncio.timeout(PATIENCE_S):
        found = await reading
    assert found is not None
    assert found.key == "a"
    assert at_once(quick.read(reads.message(message))) is not None


class Stuck:
    """A connection that another process keeps from reading as it may stand still while it begins the log again: SQLite
    tries for ten seconds, whatever time it was given, and none of them for the disk."""

    def __init__(self, timer: Steps) -> None:
        self.tries = 0
        self._timer = timer

    def execute(self, sql: str, params: object) -> None:
        self.tries += 1
        self._timer.now += 10
        error = sqlite3.OperationalError("locking protocol")
        error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
        raise error


async def test_F141_a_process_that_stands_still_holds_up_the_event_loop_once(
    path: Path, timer: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await AsyncSqliteStore.open(path, synchronous="normal", gauge=ReadCost(timer, lambda: 0))
    try:
        message, stuck = await accept(store), Stuck(timer)
        with monkeypatch.context() as patch:
            patch.setattr(store._point_reads, "_connection", stuck)
            for _ in range(3):
                assert at_once(store.read(reads.message(message))) is None
            timer.now += LONGEST_BACKOFF_S - 1
            assert at_once(store.read(reads.message(message))) is None
            assert stuck.tries == 1
        timer.now += 1
        assert at_once(store.read(reads.message(message))) is not None
    finally:
        await store.close()


async def test_F78_what_is_read_at_once_is_of_the_file_that_has_the_name(quick: AsyncSqliteStore, path: Path) -> None:
    query = reads.message(await accept(quick))
    await asyncio.to_thread(path.rename, path.with_name("moved"))
    with pytest.raises(DatabaseReplaced):
        at_once(quick.read(query))
    await asyncio.to_thread(path.with_name("moved").rename, path)
    assert at_once(quick.read(query)) is not None


async def test_a_closed_store_reads_nothing_at_once(quick: AsyncSqliteStore) -> None:
    await quick.close()
    with pytest.raises(StoreClosed):
        at_once(quick.read(reads.message(1)))
