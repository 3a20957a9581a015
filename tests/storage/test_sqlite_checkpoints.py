"""F85: over a day's work of gateways and commands, no connection copies the log back without the write lock."""

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from lanes import Gateway, connect
from lanes.commands.common.entry import run
from lanes.runners.base import RunContext
from lanes_storage.sqlite import aio, copies
from lanes_storage.sqlite.file import wal
from tests.kit.until import until


class Day:
    """Every connection of this process, what it executes, and what of it is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.checkpoints = 0
        self._writing: dict[int, str] = {}  # connections with the write lock, and on which file
        self._quiet: set[int] = set()  # those that copy nothing by themselves
        self._lock = threading.Lock()
        self._numbers = iter(range(1_000_000))
        self._connect = sqlite3.connect

    def connect(self, database: Any, *given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._connect(database, *given, **named)
        number, name = next(self._numbers), str(database).removeprefix("file://").partition("?")[0]
        connection.set_trace_callback(lambda statement: self._note(number, name, statement.upper()))
        return connection

    def _note(self, number: int, name: str, statement: str) -> None:
        with self._lock:
            if "WAL_AUTOCHECKPOINT = 0" in statement:
                self._quiet.add(number)
            elif statement.startswith("BEGIN IMMEDIATE"):
                self._writing[number] = name
                if number not in self._quiet:
                    self.wrong.append(f"{name}: a writer that may copy by itself")
            elif statement.startswith(("COMMIT", "ROLLBACK")):
                self._writing.pop(number, None)
            elif "WAL_CHECKPOINT" in statement:
                self.checkpoints += 1
                others = {writer for one, writer in self._writing.items() if one != number}
                if "PASSIVE" not in statement or name not in others:
                    self.wrong.append(f"{name}: {statement} without the write lock")
            elif "JOURNAL_MODE = DELETE" in statement and not name.endswith((copies.DRAFT, ".restoring")):
                self.wrong.append(f"{name}: {statement}")


async def answer(run: RunContext) -> str:
    return run.text * 2_000


def commands(database: Path, *calls: str) -> None:
    for call in calls:
        with contextlib.suppress(SystemExit):
            run(["--db", str(database), *call.split()])


async def test_F85_every_checkpoint_of_a_day_runs_under_the_write_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day()
    monkeypatch.setattr(sqlite3, "connect", day.connect)
    monkeypatch.setattr(wal, "LONG_LOG_FRAMES", 20)
    monkeypatch.setattr(wal, "IDLE_S", 0.01)
    monkeypatch.setattr(wal, "IDLE_EVERY_S", 0.01)
    monkeypatch.setattr(aio, "LARGE_LOG_BYTES", 1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    database = tmp_path / "lanes.db"
    async with connect(str(database)) as desk, Gateway(desk, answer):
        for number in range(20):
            await desk.ask(f"lane {number % 3}", f"message {number}")
        commands(database, "list", "send a hello", "why a", "status", "doctor", "db check", "pause a", "resume a")
        desk.store.shorten_log()
        before = day.checkpoints
        await desk.send("b", "hello")
        await until(lambda: day.checkpoints > before, "an idle store to copy its log back")
    commands(
        database,
        f"db backup {tmp_path / 'copy.db'}",
        f"db restore {tmp_path / 'copy.db'}",
        "send a once-more",
        "db compact",
    )
    commands(database, "list", "dead-letters", "reconcile", "db upgrade")
    assert day.checkpoints > 10
    assert day.wrong == []
