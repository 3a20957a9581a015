"""Who gets the write lock next: of several processes that write, none waits by luck."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from lanes_storage.errors import DatabaseLocked
from lanes_storage.sqlite.file import locking
from lanes_storage.sqlite.file.connect import connect_writing
from lanes_storage.sqlite.file.locking import SideLock, begin
from lanes_storage.sqlite.file.paths import Files
from tests.kit.databases import lay
from tests.kit.processes import PATIENCE_S, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such locks")

Writer = tuple[sqlite3.Connection, SideLock]


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[Writer]]:
    """Three writers of one database, as of three processes: the locks of each are of its own descriptors."""
    lay(tmp_path / "lanes.db")
    files = Files.of(tmp_path / "lanes.db")
    with ExitStack() as held:
        made = [
            (held.enter_context(closing(connect_writing(files.database))), held.enter_context(closing(SideLock(files))))
            for _ in range(3)
        ]
        for connection, _ in made:
            connection.execute("PRAGMA busy_timeout = 0")
        yield made


def end(writer: Writer) -> None:
    connection, lock = writer
    connection.execute("COMMIT")
    lock.release()


def goes_first(writers: list[Writer], patch: pytest.MonkeyPatch, wait: Callable[[list[str]], None]) -> list[str]:
    """The order in which one that stands in line, as ``wait`` notes it, and one that writes without a pause go on."""
    patch.setattr(locking, "RESPECT_S", PATIENCE_S)
    busy, order = writers[0], list[str]()
    begin(*busy)
    thread = threading.Thread(target=wait, args=(order,))
    thread.start()
    eventually(lambda: not busy[1].is_next(time.monotonic()), "the other one to stand in line")
    end(busy)
    begin(*busy)
    order.append("busy")
    end(busy)
    thread.join()
    assert busy[1].is_next(time.monotonic()), "nobody stands there any more"
    return order


def test_F715_who_waits_for_long_goes_before_one_that_writes_without_a_pause(
    writers: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(order: list[str]) -> None:
        begin(*writers[1])
        order.append("waiting")
        end(writers[1])

    assert goes_first(writers, monkeypatch, wait) == ["waiting", "busy"]


def test_F769_one_that_opens_the_file_gets_its_turn_too(writers: list[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(order: list[str]) -> None:
        with writers[1][1].held(PATIENCE_S) as taken:
            order.append(f"opening: {taken}")

    assert goes_first(writers, monkeypatch, wait) == ["opening: True", "busy"]


def test_F715_the_line_is_in_the_order_in_which_they_came(writers: list[Writer]) -> None:
    first, second, third = (lock for _, lock in writers)
    came = time.monotonic() - 2
    first.wait_in_line(came)
    second.wait_in_line(came + 0.5)
    asked = (first, came), (second, came + 0.5), (third, came + 1)
    assert [lock.is_next(since) for lock, since in asked] == [True, False, False]
    assert third.is_next(came - 1)
    first.leave_line()
    assert second.is_next(came + 0.5)
    assert not third.is_next(came + 1)
    second.close()  # as its process ends
    assert third.is_next(came + 1)


def test_F715_one_that_is_stopped_in_the_line_keeps_nobody_out(
    writers: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "RESPECT_S", 0.02)
    stopped, other, _ = writers
    since = time.monotonic() - 2 * locking.IN_LINE_AFTER_S
    stopped[1].wait_in_line(since)
    begin(*other)
    end(other)
    assert other[1].is_next(since + locking.BUSY_TIMEOUT_MS / 1000 + 1), "by then, it would have given up"


def test_F715_one_that_gives_up_leaves_the_line(writers: list[Writer]) -> None:
    busy, waiting, _ = writers
    begin(*busy)
    with pytest.raises(DatabaseLocked):
        begin(*waiting, timeout_s=2 * locking.IN_LINE_AFTER_S)
    assert busy[1].is_next(time.monotonic())
    end(busy)
