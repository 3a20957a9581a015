"""The write-ahead log: copied back only under the write lock, and kept short; a reader that keeps it long is named."""

import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.testing import Hands
from lanes_storage import Store, open_async_store, open_store
from lanes_storage.sqlite import aio
from lanes_storage.sqlite.file import wal
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.wal import log_bytes
from lanes_storage.sqlite.store import SqliteStore
from tests.kit.until import until
from tests.kit.world import World

pytestmark = pytest.mark.disk

#: More than a page of the file, so that a few of them make the log as long as a test needs it.
LONG = "x" * 100_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lanes.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with contextlib.closing(open_store(str(path), create=True)) as made:
        yield made


def alone(path: Path, number: str = "count(*) FROM messages") -> int:
    """What a plain copy of the file has, without its log. Copied by another process, since a read drops locks."""
    copy = path.with_name("plain-copy.db")
    subprocess.run(["cp", str(path), str(copy)], check=True)
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        return int(connection.execute(f"SELECT {number}").fetchone()[0])


def reading(path: Path) -> sqlite3.Connection:
    """A shell with a transaction that reads, and stays."""
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN")
    shell.execute("SELECT count(*) FROM messages").fetchone()
    return shell


def salt(path: Path) -> bytes:
    """What tells one log from the next."""
    return wal.log_of(path).read_bytes()[16:24]


def test_F86_a_long_log_begins_again(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "LONG_LOG_FRAMES", 100)
    world = World(store, Hands())
    for number in range(40):  # some 25 frames each
        world.send(f"lane {number}", LONG)
    assert log_bytes(path) < 200 * 4_120, "it was written from its start again and again"


def test_F86_while_a_reader_stays_the_log_is_not_copied_at_every_commit(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "LONG_LOG_FRAMES", 10)
    monkeypatch.setattr(wal, "THROTTLE_S", 3_600)
    world = World(store, Hands())
    copied = []
    kept = store._file.log
    monkeypatch.setattr(kept, "checkpoint", lambda: copied.append(1))
    with contextlib.closing(reading(path)):
        for number in range(5):
            world.send(f"lane {number}", LONG)
    assert copied == [1], "once; and then not before the throttle is over"


def test_F86_an_old_frame_behind_the_end_of_the_present_log_is_none(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "LONG_LOG_FRAMES", 20)
    world = World(store, Hands())
    world.send("a", LONG)
    before, kept = salt(path), store._file.log
    assert kept.checkpoint() is not None
    world.send("b", "short")
    assert salt(path) != before, "begun again"
    assert log_bytes(path) > 20 * 4_120, "the file is as long as it was"
    assert not kept._is_long()


def test_F87_a_plain_copy_of_a_young_file_is_not_empty(store: Store, path: Path) -> None:
    assert alone(path) == 0, "it has its tables"


def test_F87_a_plain_copy_of_a_closed_file_has_everything(store: Store, path: Path) -> None:
    World(store, Hands()).send("a", "hello")
    assert alone(path) == 0
    store.close()
    assert alone(path) == 1


async def test_F87_a_plain_copy_of_an_idle_file_has_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "IDLE_S", 0.01)
    monkeypatch.setattr(wal, "IDLE_EVERY_S", 0.01)
    made = await open_async_store(str(path), create=True)
    await made.write(lambda tx: tx.run("UPDATE counters SET value = 4711", {}))
    await until(lambda: alone(path, "max(value) FROM counters") == 4711, "the log to be copied")
    await made.close()


def test_F88_readers_that_overlap_do_not_keep_a_large_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader goes when the next has come: at no time is nobody reading."""
    monkeypatch.setattr(wal, "TIMEOUT_S", 10)
    with contextlib.closing(SqliteFile.open(path, create=True)) as file, contextlib.ExitStack() as shells:
        file.connection.execute("CREATE TABLE notes (text)")
        file.connection.execute("INSERT INTO notes VALUES (?)", (LONG,))
        before, stop = salt(path), threading.Event()
        first = shells.enter_context(contextlib.closing(reading_here(path)))

        def relay() -> None:
            present = first
            while not stop.is_set():
                following = shells.enter_context(contextlib.closing(reading_here(path)))
                present.close()
                present = following

        readers = threading.Thread(target=relay)
        readers.start()
        try:
            assert file.shorten() is None
        finally:
            stop.set()
            readers.join()
        assert salt(path) != before


def reading_here(path: Path) -> sqlite3.Connection:
    """The same, to be closed by another thread."""
    shell = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    shell.execute("BEGIN")
    shell.execute("SELECT count(*) FROM messages").fetchone()
    return shell


async def test_F88_a_reader_is_named_only_if_it_was_there_all_the_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "LARGE_LOG_BYTES", 100_000)
    monkeypatch.setattr(wal, "TIMEOUT_S", 0.05)
    made = await open_async_store(str(path), create=True)

    async def commit() -> None:
        await made.write(lambda tx: tx.run("CREATE TABLE IF NOT EXISTS notes (text)", {}))
        await made.write(lambda tx: tx.run("INSERT INTO notes VALUES (:text)", {"text": LONG}))

    await commit()
    with contextlib.closing(reading(path)) as one:
        await commit()
        assert made.shorten_log() is None, "one look tells nothing"
        with contextlib.closing(reading(path)):
            await commit()
            one.close()
            assert made.shorten_log() is None, "another one, that came later"
            await commit()
            said = made.shorten_log()
            assert said is not None
            assert "a process never stops reading it" in said
    assert made.shorten_log() is None, "it has ended"
    await commit()
    assert log_bytes(path) < 1_000_000
    await made.close()


def test_a_file_without_a_log_has_none(path: Path) -> None:
    assert log_bytes(path) == 0


async def test_a_writer_in_the_middle_of_a_transaction_is_not_disturbed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "LARGE_LOG_BYTES", 1)
    made = await open_async_store(str(path), create=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert made.shorten_log() is None
        other.execute("ROLLBACK")
    await made.close()
