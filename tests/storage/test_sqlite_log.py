"""The write-ahead log stays short; a reader that keeps it long is named, and does no other harm."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from lanes.testing import Hands
from lanes_storage import open_async_store, open_store
from lanes_storage.sqlite.log import LARGE_LOG_BYTES, log_bytes, shorten_log
from tests.kit.world import World

pytestmark = pytest.mark.disk


def test_a_large_log_is_emptied_and_a_small_one_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lanes.db"
    store = open_store(str(path), create=True)
    World(store, Hands()).send("a", "x" * 100_000)
    size = log_bytes(path)
    assert size > 100_000
    assert shorten_log(path) is None
    assert log_bytes(path) == size < LARGE_LOG_BYTES
    assert shorten_log(path, larger_than=100_000) is None
    assert log_bytes(path) == 0
    store.close()


def test_a_reader_that_stays_is_said_and_once_it_is_gone_the_log_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "lanes.db"
    store = open_store(str(path), create=True)
    world = World(store, Hands())
    with contextlib.closing(sqlite3.connect(path)) as shell:
        shell.execute("BEGIN")
        shell.execute("SELECT count(*) FROM messages").fetchone()
        world.send("a", "x" * 100_000)
        said = shorten_log(path, larger_than=100_000)
        assert said is not None
        assert "a process reads from it without an end" in said
        world.send("b", "written all the same")
    assert shorten_log(path, larger_than=100_000) is None
    assert log_bytes(path) == 0
    store.close()


def test_a_file_without_a_log_has_none(tmp_path: Path) -> None:
    assert log_bytes(tmp_path / "lanes.db") == 0
    assert shorten_log(tmp_path / "lanes.db") is None


async def test_a_writer_in_the_middle_of_a_transaction_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "lanes.db"
    store = await open_async_store(str(path), create=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.shorten_log() is None
        other.execute("ROLLBACK")
    await store.close()
