"""A gateway that hangs: its sessions by its files, in the forms of both versions. How a gateway that runs is found."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from lanes.host.holder import stopped_holder_of
from lanes.records import Outcome
from lanes.verbs.control import abort
from lanes.watch.adapter import SourceDown
from lanes.watch.finding import codex_token_file, home_of_openclaw, kinds_of, openclaw_token
from lanes.watch.openclaw import adapter, wire
from lanes.watch.openclaw.files import sessions_in
from lanes.watch.reading import ShownKeys
from lanes_storage.law import LaneState, SourceState, WatchedState
from tests.kit.processes import eventually
from tests.watch.openclaw import OF_9
from tests.watch.site import ADDRESS, KEY, WatchSite, watch_site


def of_9(state: Path, run: str = "run-1") -> None:
    """The files of 2026.9, as they are while a run holds the session."""
    agent, shared = state / "agents" / "main" / "agent", state / "state"
    agent.mkdir(parents=True)
    shared.mkdir()
    with closing(sqlite3.connect(agent / "openclaw-agent.sqlite")) as one:
        one.execute("PRAGMA journal_mode = WAL")
        one.execute("CREATE TABLE session_windows (session_key, status, started_at, updated_at)")
        one.execute("INSERT INTO session_windows VALUES (?, 'running', 1000, 2000)", (KEY,))
        one.execute("INSERT INTO session_windows VALUES ('agent:idle', 'done', 1000, 2000)")
        one.commit()
    with closing(sqlite3.connect(shared / "openclaw.sqlite")) as other:
        other.execute("CREATE TABLE task_runs (run_id, child_session_key, status, started_at, last_event_at)")
        other.execute("INSERT INTO task_runs VALUES (?, ?, 'running', 1000, 2000)", (run, KEY))
        other.commit()


def of_5(state: Path, pid: int) -> None:
    """The files of 2026.5: the lock of the session names the process that holds it."""
    sessions = state / "agents" / "main" / "sessions"
    sessions.mkdir(parents=True)
    row = {"sessionId": "s1", "status": "running", "startedAt": 1000, "updatedAt": 2000}
    (sessions / "sessions.json").write_text(json.dumps({KEY: row, "hostile\x1b[2J": "no row"}))
    (sessions / "s1.jsonl.lock").write_text(json.dumps({"pid": pid, "createdAt": 1}))


def test_the_sessions_of_2026_9_are_read_from_its_databases(tmp_path: Path) -> None:
    of_9(tmp_path)
    rows = {row.key: row for row in sessions_in(tmp_path, ShownKeys())}
    assert (rows[KEY].state, rows[KEY].runs, rows[KEY].since) == (WatchedState.RUNNING, ("run-1",), 1000)
    assert (rows["agent:idle"].state, rows["agent:idle"].outcome) == (WatchedState.IDLE, "done")


def test_F300_of_runs_that_are_called_running_the_one_that_began_with_the_hold_of_the_session_holds_it(
    tmp_path: Path,
) -> None:
    """The others wait behind it, or were left over by a crash."""
    of_9(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state" / "openclaw.sqlite")) as tasks:
        for run, started in (("left over", 10), ("waits", 5000)):
            tasks.execute("INSERT INTO task_runs VALUES (?, ?, 'running', ?, 2000)", (run, KEY, started))
        tasks.commit()
    assert {row.key: row.runs for row in sessions_in(tmp_path, ShownKeys())}[KEY] == ("run-1",)


def test_the_sessions_of_2026_5_are_read_from_its_json_and_locks(tmp_path: Path) -> None:
    of_5(tmp_path, os.getpid())
    rows = {row.key: row for row in sessions_in(tmp_path, ShownKeys())}
    assert rows[KEY].state is WatchedState.RUNNING
    assert all(key.isprintable() for key in rows)


def test_a_lock_of_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    of_5(tmp_path, gone.pid)
    (row, *_) = sessions_in(tmp_path, ShownKeys())
    assert row.state is WatchedState.IDLE


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceDown, match="cannot be read"):
        sessions_in(tmp_path / "none", ShownKeys())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40] + b"x" * 4096)


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 << 20)


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


JSON, SQLITE = "agents/main/sessions/sessions.json", "agents/main/agent/openclaw-agent.sqlite"


@pytest.mark.parametrize(("name", "spoil"), [(JSON, _cut), (JSON, _huge), (JSON, _a_folder), (SQLITE, _cut)])
def test_F1007_a_file_that_cannot_be_read_does_not_tell_that_there_are_no_sessions(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    (of_9(tmp_path) if name == SQLITE else of_5(tmp_path, os.getpid()))
    assert sessions_in(tmp_path, ShownKeys())
    spoil(tmp_path / name)
    with pytest.raises(SourceDown, match=f"{Path(name).name} cannot be read"):
        sessions_in(tmp_path, ShownKeys())


def test_F1007_a_file_of_other_tables_tells_of_no_sessions(tmp_path: Path) -> None:
    of_9(tmp_path)
    with closing(sqlite3.connect(tmp_path / SQLITE)) as one:
        one.execute("DROP TABLE session_windows")
        one.commit()
    assert sessions_in(tmp_path, ShownKeys()) == []


@pytest.fixture
async def hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WatchSite]:
    """An OpenClaw that answers nothing any more, whose files can be read."""
    monkeypatch.setattr(wire, "CONNECT_S", 1.0)
    of_9(tmp_path / "openclaw")
    async with watch_site(tmp_path, OF_9, files=str(tmp_path / "openclaw")) as site:
        site.gateway.silent = True
        yield site


async def test_F1007_a_session_that_was_held_is_shown_while_its_files_cannot_be_read(
    hung: WatchSite, tmp_path: Path
) -> None:
    async with hung.watched():
        await hung.lane(gateway=SourceState.HUNG, from_files=True, runs=("run-1",))
    _cut(tmp_path / "openclaw" / SQLITE)
    async with hung.watched():
        await hung.connected(SourceState.HUNG)
        assert (await hung.lane(gateway=SourceState.HUNG)).state is LaneState.RUNNING


def test_F1008_of_many_sessions_in_a_file_the_newest_and_those_that_run_are_read(tmp_path: Path) -> None:
    of_5(tmp_path, os.getpid())
    path = tmp_path / JSON
    rows = {f"agent:{number}": {"status": "done", "updatedAt": 3000 + number} for number in range(1200)}
    path.write_text(json.dumps(json.loads(path.read_text()) | rows))
    keys = {row.key for row in sessions_in(tmp_path, ShownKeys())}
    assert {KEY, "agent:1199"} <= keys
    assert len(keys) == 1000


async def test_F339_a_gateway_that_hangs_is_shown_by_its_files_and_nothing_is_claimed(hung: WatchSite) -> None:
    async with hung.watched():
        lane = await hung.lane(gateway=SourceState.HUNG, from_files=True, runs=("run-1",))
        assert lane.state is LaneState.RUNNING
        result = await hung.desk.call(abort, hung.desk.context(), key=ADDRESS)
        assert result.outcome is Outcome.UNREACHABLE
        hung.gateway.silent = False
        await hung.lane_gone()


async def test_F677_a_lock_that_names_no_possible_process_ends_no_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CONNECT_S", 1.0)
    state = tmp_path / "openclaw"
    of_5(state, 2**70)
    async with watch_site(tmp_path, OF_9, files=str(state)) as site:
        site.gateway.silent = True
        async with site.watched():
            await site.lane(gateway=SourceState.HUNG, from_files=True, state=LaneState.IDLE)
            site.gateway.silent = False
            await site.lane_gone()


async def test_F677_an_adapter_that_fails_at_the_files_of_its_program_ends_no_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CONNECT_S", 1.0)
    monkeypatch.setattr(adapter, "sessions_in", lambda *_: 1 / 0)
    async with watch_site(tmp_path, OF_9, files=str(tmp_path)) as site:
        site.gateway.silent = True
        async with site.watched():
            await site.connected(SourceState.HUNG)
            site.gateway.silent = False
            await site.connected()


def test_a_stopped_listener_is_named() -> None:
    listens = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    code = f"{listens}; time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as listener:
        try:
            assert listener.stdout is not None
            port = int(listener.stdout.readline())
            assert stopped_holder_of(port) is None
            listener.send_signal(signal.SIGSTOP)
            assert eventually(lambda: stopped_holder_of(port), "the stop") == listener.pid
        finally:
            listener.kill()


# ------------------------------------------------------------------------ its process and its configuration

OPENCLAW = [
    "openclaw",  # 2026.5 names its process so
    "openclaw-gateway",
    "node /opt/a/node_modules/openclaw/openclaw.mjs gateway run --port 18789",
    "/usr/bin/openclaw --profile work gateway",
]
OTHERS = [
    "/opt/a/openclaw/.venv/bin/python -m lanes gateway --port 8765",
    "/opt/a/openclaw/bin/lanes gateway",
    "lanes gateway --config /opt/a/.openclaw/lanes.toml",
    "openclaw tui",
]


@pytest.mark.parametrize("said", [*OPENCLAW, *OTHERS])
def test_F299_a_gateway_is_recognised_by_its_program_and_not_by_a_folder_of_its_name(said: str) -> None:
    assert kinds_of(said) == (["openclaw"] if said in OPENCLAW else [])


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ('{"gateway": {"auth": {"token": "abc"}}}', "abc"),
        ("{ // mine\n gateway: { auth: { token: 'abc', }, }, }", "abc"),
        ("{gateway: {auth: {token: '${TOKEN}'}}}", None),
        ("{gateway: [", None),
        ("[" * 100_000, None),
    ],
)
def test_F299_the_token_is_read_as_openclaw_reads_its_configuration(
    tmp_path: Path, text: str, token: str | None
) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text(text)
    assert openclaw_token(config, os.getpid()) == token


def test_F1005_a_relative_path_of_a_process_begins_where_it_works(tmp_path: Path) -> None:
    """`lanes watch add` would read another file, or none, and write that name into lanes.toml."""
    words = [sys.executable, "-c", "input()", "app-server", "--ws-token-file", "codex.token"]
    env = {"OPENCLAW_STATE_DIR": "state"}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdin=subprocess.PIPE) as server:
        eventually(lambda: codex_token_file(server.pid), "the process to be started")
        assert codex_token_file(server.pid) == tmp_path / "codex.token"
        assert home_of_openclaw(server.pid).config == tmp_path / "state" / "openclaw.json"
        server.communicate(b"\n")
