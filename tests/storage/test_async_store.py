"""The store of an event loop: the same database, for coroutines and for the threads beside them."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lanes.testing import START
from lanes_storage import AsyncStore, doors, open_async_store, open_store, reads
from lanes_storage.errors import DatabaseMissing, StoreClosed
from lanes_storage.interface import Reads, Step, Transaction
from lanes_storage.records import Admission, LaneFilter, NewMessage
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.threads import in_thread
from tests.kit.until import PATIENCE_S, until


def send(key: str) -> Step[object]:
    return doors.accept(NewMessage(key, "hello"), Admission(), START)


async def keys(store: AsyncStore) -> list[str]:
    return [lane.key for lane in await store.read(reads.lanes(LaneFilter()))]


async def test_what_was_written_is_read(astore: AsyncStore) -> None:
    await astore.write(send("a"))
    assert await keys(astore) == ["a"]


async def test_many_at_once_are_all_kept(astore: AsyncStore) -> None:
    await asyncio.gather(*(astore.write(send(str(n))) for n in range(50)))
    assert len(await keys(astore)) == 50


async def test_F771_the_queries_of_a_look_read_one_moment(astore: AsyncStore) -> None:
    def look_while_others_write(read: Reads) -> list[int]:
        found = []
        for number in range(3):
            found.append(read(reads.lanes_total(LaneFilter())))
            other.write(send(str(number)))
        return found

    with closing(open_store(astore.name)) as other, closing(open_store(astore.name)) as blocking:
        assert await astore.look(look_while_others_write) == [0, 0, 0]
        assert blocking.look(look_while_others_write) == [3, 3, 3]


async def test_a_thread_writes_and_reads_beside_the_loop(astore: AsyncStore) -> None:
    def work() -> str | None:
        astore.write_blocking(send("from a thread"), 30)
        reader = astore.reader()
        try:
            lane = reader.read(reads.lane("from a thread"))
        finally:
            reader.close()
        return None if lane is None else lane.key

    assert await asyncio.to_thread(work) == "from a thread"


async def test_a_thread_that_does_not_wait_is_told(astore: AsyncStore) -> None:
    begun, go = threading.Event(), threading.Event()

    def wait(tx: Transaction) -> None:
        begun.set()
        go.wait()

    busy = asyncio.create_task(astore.write(wait))
    await asyncio.to_thread(begun.wait)
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(astore.write_blocking, send("given up"), 0.01)
    go.set()
    await busy
    await astore.write(send("a"))
    assert await keys(astore) == ["a"]


async def test_the_version_differs_for_own_and_for_other_commits(astore: AsyncStore, url: str) -> None:
    versions = [await astore.version()]
    assert await astore.version() == versions[0]
    await astore.write(send("a"))
    versions.append(await astore.version())
    other = open_store(url)
    other.write(send("b"))
    other.close()
    versions.append(await astore.version())
    assert len(set(versions)) == 3


async def test_listeners_hear_of_commits_of_this_process(astore: AsyncStore) -> None:
    heard = []
    astore.on_commit(lambda: heard.append(1))
    astore.on_commit(lambda: heard.append(2))
    await astore.write(send("a"))
    assert heard == [1, 2]
    await astore.write(lambda tx: doors.candidates(tx, 1, START))
    assert heard == [1, 2], "looking is no commit"


async def test_a_closed_store_says_so(url: str) -> None:
    store = await open_async_store(url, create=True)
    await store.close()
    await store.close()
    for use in (store.write(send("a")), store.read(reads.lane("a")), store.version()):
        with pytest.raises(StoreClosed):
            await use
    with pytest.raises(StoreClosed):
        store.write_blocking(send("a"))


async def test_a_missing_database_is_not_made_unless_asked(url: str) -> None:
    with pytest.raises(DatabaseMissing):
        await open_async_store(url)


async def test_who_is_cancelled_while_the_file_is_opened_leaves_nothing_open(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go, plainly = threading.Event(), threading.Event(), SqliteFile.open
    opened: list[SqliteFile] = []

    def slowly(*given: Any, **more: Any) -> SqliteFile:
        inside.set()
        assert go.wait(PATIENCE_S)
        opened.append(plainly(*given, **more))
        return opened[0]

    monkeypatch.setattr(SqliteFile, "open", slowly)
    task = asyncio.create_task(open_async_store(url, create=True))
    await until(inside.is_set, "the thread that opens it")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go.set()
    await until(lambda: opened and not opened[0].guard.lock.is_open, "its end")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].connection.execute("SELECT 1")


def test_threads_do_not_stay_when_their_event_loop_has_ended(tmp_path: Path) -> None:
    before, loops = set(threading.enumerate()), []  # kept: the collection of garbage ends no thread

    async def read() -> None:
        loops.append(asyncio.get_running_loop())
        store = await open_async_store(str(tmp_path / "lanes.db"), create=True)
        await keys(store)
        await in_thread(int)
        await store.close()

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        await in_thread(int)

    def begun() -> set[threading.Thread]:
        return set(threading.enumerate()) - before

    for _ in range(3):
        asyncio.run(read())
    asyncio.run(until(lambda: not begun(), "the end of the threads of the stores"))
    for _ in range(3):
        asyncio.run(work())
    asyncio.run(until(lambda: len(begun()) <= 1, "the end of all but the last"))  # of which the next loop is the end
