"""Reads the sessions of an OpenClaw gateway from its files, read-only, while it is stopped or hangs.

2026.9 keeps them in SQLite databases with a WAL, 2026.5 in JSON with a lock file for each session that runs.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lanes.watch.adapter import SourceDown
from lanes.watch.reading import ShownKeys, latest, moment, typed, words
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import Sighting

#: The largest JSON file that is read.
MOST_BYTES = 64 * 1024 * 1024
#: The most sessions of one agent that are read, as in the queries.
MOST_ROWS = 1_000
#: In files of 2026.9: which sessions run, and the runs by session.
WINDOWS = "SELECT session_key, status, started_at, updated_at FROM session_windows ORDER BY updated_at DESC LIMIT 1000"
TASKS = """
SELECT child_session_key, run_id, started_at FROM task_runs WHERE status = 'running' ORDER BY started_at LIMIT 1000
"""


def sessions_in(state: Path, names: ShownKeys) -> list[Sighting]:
    """The sessions in the files of a state folder. Raises SourceDown if any of them cannot be read: the list would be
    incomplete."""
    agents = state / "agents"
    found: dict[str, Sighting] = {}
    runs = runs_in(state)
    try:
        folders = sorted(agents.iterdir())
    except OSError as error:
        raise _unreadable(agents, error.strerror, "name its state folder as `files` of this [[watch]]") from error
    for agent in folders:
        for row in (*_of_json(agent / "sessions"), *_of_sqlite(agent / "agent" / "openclaw-agent.sqlite")):
            key = names.shown(row[0])
            found[key] = _sighted(key, *row[1:], holding(runs.get(row[0], ()), row[2]))
    return list(found.values())


def _sighted(key: str, status: str, started: int | None, touched: int | None, runs: tuple[str, ...]) -> Sighting:
    running = status == "running" or bool(runs)
    return Sighting(
        key,
        WatchedState.RUNNING if running else WatchedState.IDLE,
        runs if running else (),
        started if running else None,
        latest(started, touched) if running else None,
        outcome=None if running else status or None,
    )


def _of_json(folder: Path) -> Iterator[tuple[str, str, int | None, int | None]]:
    """Sessions of 2026.5. A session that its row calls running does not run if the process of its lock is gone."""
    rows = _json_rows(folder / "sessions.json")
    newest = sorted(
        rows, key=lambda key: (words(rows[key], "status") == "running", moment(rows[key], "updatedAt") or 0)
    )
    for key in newest[: -MOST_ROWS - 1 : -1]:
        row = rows[key]
        status = words(row, "status")
        locked = _locked(folder / f"{Path(words(row, 'sessionId')).name}.jsonl.lock")
        if status == "running" and locked is False:
            status = "stale"
        elif locked:
            status = "running"
        yield key, status, moment(row, "startedAt"), moment(row, "updatedAt")


def _json_rows(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where there is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _unreadable(path, f"it has more than {MOST_BYTES >> 20} MiB")
        rows = parsed(path.read_text(encoding="utf-8", errors="replace"), dict)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if rows is None:
        raise _unreadable(path, "it is not JSON")
    return rows


def _locked(lock: Path) -> bool | None:
    """Whether a living process holds the lock of a session; None: there is no lock."""
    try:
        form = parsed(lock.read_text(encoding="utf-8", errors="replace")[:4096], dict)
    except OSError:
        return None
    pid = typed(form, "pid", int, 0)
    if pid <= 0:
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except OSError:
        pass
    return True


def _of_sqlite(path: Path) -> Iterator[tuple[str, str, int | None, int | None]]:
    """Sessions of 2026.9."""
    for key, status, started, updated in _rows(path, WINDOWS):
        if isinstance(key, str):
            yield key, status if isinstance(status, str) else "", _ms(started), _ms(updated)


class TaskRun(NamedTuple):
    """A run that a task table calls running: it may wait, or be left over."""

    name: str
    started: int


def runs_in(state: Path) -> dict[str, list[TaskRun]]:
    """The runs of each session that a task table calls running, the oldest first."""
    runs: dict[str, list[TaskRun]] = {}
    for path in (state / "state" / "openclaw.sqlite", state / "tasks" / "runs.sqlite"):
        for key, run, started in _rows(path, TASKS):
            if isinstance(key, str) and isinstance(run, str):
                runs.setdefault(key, []).append(TaskRun(run, _ms(started) or 0))
    return runs


def holding(runs: Sequence[TaskRun], since: int | None) -> tuple[str, ...]:
    """The run that holds the session: the one that started nearest to ``since``, when the session was taken."""
    return (min(runs, key=lambda run: abs(run.started - (since or 0))).name,) if runs else ()


def _rows(path: Path, query: str) -> list[Any]:
    """The rows of a query, read-only; none if there is no such file or table."""
    try:
        if not path.is_file():
            return []
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
            return connection.execute(query).fetchall()
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    except sqlite3.Error as error:
        if str(error).startswith("no such "):  # table, or column: SQLite has no error code for that
            return []
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str | None, fix: str = "") -> SourceDown:
    return SourceDown(SourceState.HUNG, f"{path} cannot be read: {why}", fix)


def _ms(value: object) -> int | None:
    return moment({"at": value}, "at")
