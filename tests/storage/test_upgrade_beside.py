"""An upgrade beside other processes: those that look on, upgrade too, or are an older lanes."""

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.host.identity import this_process
from lanes.testing import broken
from lanes_storage import open_store
from lanes_storage.clock import system_clock
from lanes_storage.errors import DatabaseDamaged, DatabaseInUse, DatabaseTooNew, DatabaseTooOld, DatabaseUnreleased
from lanes_storage.schema import versions
from lanes_storage.sqlite.file import connect
from tests.kit.judged import NOBODY
from tests.storage.of_0_1_0 import FIXTURE, refused, rows, upgraded

#: The storage of 0.1.0 as it was released, which a child process imports in place of today's.
CODE_OF_0_1_0 = FIXTURE / "lanes_storage.zip"


class Held:
    """An upgrade in a thread, which stands still before the statement that fits, until it is let go."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
        self.there, self._go = threading.Event(), threading.Event()
        real = sqlite3.connect

        def traced(*args: Any, **more: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = real(*args, **more)
            if threading.current_thread() is self._thread:
                connection.set_trace_callback(lambda statement: self._meet(statement, before))
            return connection

        monkeypatch.setattr(sqlite3, "connect", traced)
        self._thread = threading.Thread(target=lambda: upgraded(path))
        self._thread.start()
        assert self.there.wait(60)

    def _meet(self, statement: str, before: str) -> None:
        if statement.startswith(before):
            self.there.set()
            self._go.wait(60)

    def let_go(self) -> None:
        self._go.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


LOOKING = """
import sys
sys.path.insert(0, sys.argv[1])
import lanes_storage
assert lanes_storage.__file__.startswith(sys.argv[1]), lanes_storage.__file__
from lanes_storage import open_store, reads, schema
from lanes_storage.errors import StorageError
from lanes_storage.records import LaneFilter
assert schema.VERSION == 1
{work}
"""


def of_0_1_0(work: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process with the storage of 0.1.0."""
    command = [sys.executable, "-W", "ignore", "-c", LOOKING.format(work=work), str(CODE_OF_0_1_0), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


LOOKER = """
store = open_store(sys.argv[2])
for line in sys.stdin:
    try:
        print(len(store.read(reads.lanes(LaneFilter()))), flush=True)
    except StorageError as error:
        print(type(error).__name__, error, flush=True)
"""


@pytest.fixture
def looker(old: Path) -> Iterator[Callable[[], str]]:
    """Asks a process of 0.1.0, which has the file open, for its lanes."""
    process = of_0_1_0(LOOKER, str(old))
    assert process.stdin is not None
    assert process.stdout is not None

    def ask() -> str:
        process.stdin.write("look\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return process.stdout.readline().strip()  # type: ignore[union-attr]

    yield ask
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0


def test_F134_who_looks_on_sees_the_old_file_or_is_told(
    old: Path, said: dict[str, Any], looker: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looker()
    assert before == str(len(said["list"]))
    upgrade = Held(old, monkeypatch, "COMMIT")
    assert looker() == before, "0.1.0 sees the file as it was"
    with pytest.raises(DatabaseTooOld):
        open_store(str(old))
    upgrade.let_go()
    assert looker().startswith("DatabaseUnavailable")
    store = open_store(str(old))
    try:
        assert broken(store) == []
    finally:
        store.close()


def test_of_two_that_upgrade_at_once_one_does_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = Held(old, monkeypatch, "COMMIT")
    seen: list[int] = []
    about_to = threading.Event()
    monkeypatch.setattr(versions, "upgrade", lambda tx, found: seen.append(found))
    monkeypatch.setattr(versions, "creation", lambda: about_to.set())
    second = threading.Thread(target=lambda: connect.open_writer(old, create=True).close())
    second.start()
    assert about_to.wait(60), "it saw the old version, and goes for the lock"
    upgrade.let_go()
    second.join(60)
    assert not second.is_alive()
    assert seen == [], "the second found it done"
    assert rows(old, "pauses")


def beats(path: Path, pid: int, ago_ms: int = 0, host: str | None = None, start_time: int = 0) -> None:
    """The last owner of the fixture is a process that was heard of so long ago."""
    who = this_process()
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE owners SET ended_at = NULL, ended_cause = NULL, heartbeat_at = ?, stale_after_ms = 30000, host = ?,"
        " boot_id = ?, pid_ns = ?, pid = ?, start_time = ?"
        " WHERE id = (SELECT max(id) FROM owners WHERE kind = 'gateway')",
        (system_clock().wall - ago_ms, host or who.host, host or who.boot_id, who.pid_ns, pid, start_time),
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_F134_it_is_not_upgraded_under_a_gateway_of_0_1_0(old: Path, elsewhere: bool) -> None:
    beats(old, NOBODY if elsewhere else os.getpid(), host="another" if elsewhere else None)
    before = rows(old, "lanes")
    with pytest.raises(DatabaseInUse, match=r"while gateway \d+ of an older lanes"):
        open_store(str(old), create=True)
    assert rows(old, "lanes") == before


@pytest.mark.parametrize("ago_ms", [3_600_000, -3_600_000])
def test_F134_nor_under_one_that_is_stopped_or_behind_a_clock_that_was_set(old: Path, ago_ms: int) -> None:
    beats(old, os.getpid(), ago_ms, start_time=this_process().start_time)
    with pytest.raises(DatabaseInUse, match=f"process {os.getpid()}"):
        open_store(str(old), create=True)


def test_one_that_is_gone_keeps_nobody_from_it(old: Path) -> None:
    beats(old, NOBODY)
    upgraded(old)
    assert rows(old, "pauses")


def test_one_that_was_silent_for_long_neither(old: Path) -> None:
    beats(old, os.getpid(), ago_ms=31_000)
    upgraded(old)
    assert rows(old, "pauses")


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_file_of_a_development_version_is_refused_untouched(old: Path, upgrade: bool) -> None:
    connection = sqlite3.connect(old)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with refused(old, DatabaseUnreleased, "has schema 2, which no release had"):
        open_store(str(old), create=upgrade)


OPENER = """
try:
    open_store(sys.argv[2], create=True)
except StorageError as error:
    print(type(error).__name__)
"""


def test_F133_0_1_0_refuses_the_upgraded_file_and_leaves_it_as_it_is(old: Path) -> None:
    before = upgraded(old).read_bytes()
    process = of_0_1_0(OPENER, str(old))
    assert process.communicate(timeout=60)[0] == "DatabaseTooNew\n"
    assert process.returncode == 0
    assert old.read_bytes() == before


@pytest.mark.parametrize(
    ("made_meanwhile", "error"),
    [("PRAGMA user_version = 99", DatabaseTooNew), ("PRAGMA application_id = 4711", DatabaseDamaged)],
)
def test_F133_what_a_file_is_is_asked_again_under_the_lock(
    old: Path, made_meanwhile: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the lock another program may have made something else of it."""
    real = versions.creation

    def meanwhile() -> tuple[str, ...]:
        other = sqlite3.connect(old)
        other.execute(made_meanwhile)
        other.commit()
        other.close()
        return real()

    monkeypatch.setattr(versions, "creation", meanwhile)
    with pytest.raises(error):
        open_store(str(old), create=True)
    name, value = re.findall(r"PRAGMA (\w+) = (\d+)", made_meanwhile)[0]
    connection = sqlite3.connect(old)
    assert connection.execute(f"PRAGMA {name}").fetchone() == (int(value),)
    assert connection.execute("SELECT count(*) FROM cooldowns").fetchone() != (0,), "still what it was"
    connection.close()
