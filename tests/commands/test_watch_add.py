"""`lanes watch add`: finds what runs here, asks before it reads what is another program's, sends tokens only home."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.commands.common.exits import Exit
from lanes.watch import finding
from lanes.watch.finding import FoundGateway
from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S

TOKEN = "what-the-gateway-wants"
ROOT = Path(__file__).parents[2]
WORDS = {
    "openclaw": ("gateway", "run"),
    "opencode": ("serve", "--port", "0"),
    "codex": ("app-server", "--listen", "ws://127.0.0.1:0"),
    "langgraph": ("dev", "--no-browser"),
}

Run = Callable[..., FoundGateway]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Play the gateway of a program as a process of this user. Of all that run here only that one is found."""
    playing: list[subprocess.Popen[str]] = []
    monkeypatch.setattr(finding, "processes", lambda: [process.pid for process in playing])

    def play(kind: str, *words: str, token: str = "", **env: str) -> FoundGateway:
        command = [sys.executable, "-m", "tests.watch.serving", kind, *WORDS[kind], *words]
        environment = {**os.environ, "REPLAY_TOKEN": token, **env}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        playing.append(process)
        assert process.stdout is not None
        return FoundGateway(kind, process.pid, process.stdout.readline().strip())

    yield play
    for process in playing:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def written(folder: Path) -> list[dict[str, Any]]:
    """The sources in the configuration."""
    file = folder / "config" / "lanes" / "lanes.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))["watch"] if file.exists() else []


@pytest.mark.parametrize("kind", ["opencode", "codex", "langgraph"])
def test_a_gateway_that_wants_no_token_is_found_and_written(kind: str, run: Run, lanes: Call, tmp_path: Path) -> None:
    gateway = run(kind)
    added = lanes("watch", "add", "--yes")
    assert added.code == 0, added
    assert f"found {kind} at {gateway.url} (pid {gateway.pid})" in added.err
    assert f"connected to {kind} " in added.err
    assert written(tmp_path) == [{"name": kind, "kind": kind, "url": gateway.url}]
    again = lanes("watch", "add", "--yes")
    assert (again.code, "--name" in again.err) == (Exit.USAGE, True)


def test_nothing_is_written_without_being_asked(run: Run, lanes: Call, tmp_path: Path) -> None:
    run("opencode")
    added = lanes("watch", "add")
    assert (added.code, "[[watch]]" in added.err) == (Exit.FAILED, True)
    assert written(tmp_path) == []


def test_F346_what_another_program_keeps_is_read_only_if_that_is_allowed(
    run: Run, lanes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = run("opencode", token=TOKEN, OPENCODE_SERVER_PASSWORD=TOKEN)
    with monkeypatch.context() as forbidden:
        forbidden.setattr(finding, "_environment", lambda _: pytest.fail("it was read"))
        refused = lanes("watch", "add")
        assert (refused.code, "--yes" in refused.err) == (Exit.USAGE, True)
    assert written(tmp_path) == []
    added = lanes("watch", "add", "--yes")
    assert added.code == 0, added
    file = tmp_path / "state" / "lanes" / "watch" / "opencode.token"
    assert written(tmp_path) == [{"name": "opencode", "kind": "opencode", "url": gateway.url, "token_file": str(file)}]
    assert (file.read_text(encoding="utf-8"), stat.S_IMODE(file.stat().st_mode)) == (TOKEN, 0o600)
    assert TOKEN not in added.out + added.err


def test_the_token_file_of_codex_is_that_of_its_command_line(run: Run, lanes: Call, tmp_path: Path) -> None:
    file = tmp_path / "codex.token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    gateway = run("codex", "--ws-auth", "capability-token", "--ws-token-file", str(file), token=TOKEN)
    assert lanes("watch", "add").code == Exit.USAGE
    added = lanes("watch", "add", "--yes")
    assert added.code == 0, added
    assert written(tmp_path) == [{"name": "codex", "kind": "codex", "url": gateway.url, "token_file": str(file)}]


def test_a_token_that_is_given_and_refused_is_told(run: Run, lanes: Call, tmp_path: Path) -> None:
    run("langgraph", token=TOKEN)
    asked = lanes("watch", "add", "--yes")
    assert (asked.code, "give --token-file" in asked.err) == (Exit.CONFIG, True)
    file = tmp_path / "wrong"
    file.write_text("another", encoding="utf-8")
    refused = lanes("watch", "add", "--yes", "--token-file", str(file))
    assert (refused.code, "refuses the token" in refused.err) == (Exit.CONFIG, True)
    file.write_text(TOKEN, encoding="utf-8")
    assert lanes("watch", "add", "--yes", "--token-file", str(file)).code == 0


def test_openclaw_is_paired_and_its_token_not_kept(run: Run, lanes: Call, tmp_path: Path) -> None:
    home = tmp_path / "claw"
    home.mkdir()
    run("openclaw", token=TOKEN, OPENCLAW_STATE_DIR=str(home), OPENCLAW_GATEWAY_TOKEN=TOKEN)
    refused = lanes("watch", "add")
    assert (refused.code, "not paired yet" in refused.err) == (Exit.USAGE, True)
    added = lanes("watch", "add", "--yes")
    assert added.code == 0, added
    assert written(tmp_path)[0]["files"] == str(home)
    kept = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert {file.name for file in kept} == {"openclaw-viewer.json", "openclaw-aborter.json", "lock"}
    assert all(TOKEN not in file.read_text(encoding="utf-8") for file in kept)


@pytest.mark.parametrize("url", ["http://192.0.2.7:4096", "http://127.0.0.1:1"])
def test_F346_a_token_goes_only_to_a_process_of_this_user_or_encrypted(url: str, lanes: Call, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="utf-8")
    added = lanes("watch", "add", "--yes", "--kind", "opencode", "--address", url, "--token-file", str(file))
    assert (added.code, "the token is not sent to" in added.err) == (Exit.CONFIG, True)


def test_several_gateways_are_chosen_from_by_kind_or_address(run: Run, lanes: Call, tmp_path: Path) -> None:
    run("opencode")
    second = run("codex")
    several = lanes("watch", "add", "--yes")
    assert (several.code, bool(re.search("opencode at .*; codex at", several.err))) == (Exit.USAGE, True)
    assert lanes("watch", "add", "--yes", "--address", second.url).code == 0
    assert written(tmp_path)[0]["kind"] == "codex"
    wrong = lanes("watch", "add", "--yes", "--kind", "opencode", "--address", second.url)
    assert (wrong.code, "begins with http" in wrong.err) == (Exit.USAGE, True)


def test_none_that_runs_is_told(run: Run, lanes: Call) -> None:
    assert run is not None
    assert "no gateway that lanes can watch of this user" in lanes("watch", "add").err
