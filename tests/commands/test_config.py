"""lanes config: every setting with its origin, and the check of a file before it is used."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from lanes.config import SETTINGS
from lanes.config.declared import places
from lanes.config.declared.setting import SECTIONS
from tests.commands.conftest import Call

FILE = """
[clocks]
run_timeout = "90s"

[queue]
cap = 7

[[runner]]
name = "chat"
kind = "provider"
providers = ["main"]

[[provider]]
name = "main"
base_url = "https://api.example.com/v1"
model = "m"
api_key_env = "MAIN_API_KEY"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lanes.toml"
    path.write_text(FILE)
    return path


def by_name(bare: Call, *arguments: str) -> dict[str, dict[str, Any]]:
    return {setting["name"]: setting for setting in bare("config", "--json", *arguments).json}


def test_F60_every_setting_is_shown_with_its_origin(bare: Call, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANES_QUEUE_CAP", "9")
    monkeypatch.setenv("MAIN_API_KEY", "a-secret-that-is-never-shown")
    shown = by_name(bare, "--db", "flag.db")
    assert {s.key for s in SETTINGS if s.section in SECTIONS} <= shown.keys()
    assert all(list(s) == ["name", "value", "origin", "where", "meaning"] for s in shown.values())
    told = {name: (shown[name]["value"], shown[name]["origin"]) for name in shown}
    assert told["clocks.run_timeout"] == ("90s", "file")
    assert told["clocks.stall_timeout"] == ("90s", "derived")
    assert told["queue.cap"] == (9, "environment")
    assert told["clocks.stale_after"] == ("30s", "default")
    assert told["database.url"] == (str(file.parent / "flag.db"), "flag")
    assert told["provider.main.api_key_env"] == ("MAIN_API_KEY", "file")
    assert shown["clocks.run_timeout"]["where"] == f"{file}:3"
    assert shown["queue.cap"]["where"] == "environment variable LANES_QUEUE_CAP"
    assert "never-shown" not in bare("config").out + bare("config", "--json").out


def test_the_table_for_people(bare: Call, file: Path) -> None:
    listed = bare("config")
    assert listed.code == 0
    assert listed.out.splitlines()[0].split() == ["SETTING", "VALUE", "ORIGIN", "WHERE"]
    (line,) = [line for line in listed.out.splitlines() if line.startswith("clocks.run_timeout ")]
    assert line.split() == ["clocks.run_timeout", "90s", "file", f"{file}:3"]
    assert f"configuration file: {file}" in listed.err
    assert "MAIN_API_KEY is not set" in listed.err, "what a gateway would refuse is said"


def test_a_database_that_nobody_named_is_the_one_that_commands_find(bare: Call, tmp_path: Path) -> None:
    url = by_name(bare)["database.url"]
    assert (url["value"], url["origin"]) == (str(tmp_path / "state" / "lanes" / "lanes.db"), "default")


def test_check(bare: Call, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANES_GATEWAY_PORT", "0")
    checked = bare("config", "--check", str(file), "--json")
    assert checked.code == 78
    assert ["MAIN_API_KEY is not set" in problem for problem in checked.json["problems"]] == [True]
    monkeypatch.setenv("MAIN_API_KEY", "x")
    checked = bare("config", "--check", str(file))
    assert (checked.code, checked.out, checked.err) == (0, f"{file}: accepted; runners: chat\n", "")
    assert bare("config", "--check", str(file), "--json").json == {
        "file": str(file), "runners": ["chat"], "problems": [], "warnings": [],
    }  # fmt: skip


WRONG = {
    "no runner": ("[queue]\ncap = 7\n", "no runner is configured"),
    "a secret": (FILE, "MAIN_API_KEY is not set"),
    "an open address": (FILE + '[gateway]\nhost = "0.0.0.0"\n', "needs a token"),
    "an address of another host": (
        FILE + '[gateway]\nhost = "203.0.113.7"\nport = 0\n',
        "Cannot assign requested address. Choose another address with gateway.host",
    ),
    "no host": (FILE + '[gateway]\nhost = "nowhere.invalid"\n', "cannot listen on nowhere.invalid"),
    "a runner's module": (
        '[[runner]]\nname = "own"\nkind = "python"\ntarget = "not_there:run"\n',
        "no module not_there",
    ),
    "a hook's function": (FILE + '[hooks]\nnotice = "json:nothing"\n', "has no nothing"),
    "a hook's module that ends": (
        FILE + '[hooks]\nnotice = "ends:told"\n',
        "importing ends failed: it ends the program",
    ),
    "a program's user": (
        '[[runner]]\nname = "own"\nkind = "command"\nargv = ["cat"]\nuser = "nobody-at-all"\n',
        "this system has no user nobody-at-all",
    ),
    "a provider's certificates": (FILE + 'ca_file = "none.pem"\n', "none.pem) cannot be used"),
    "two of one name": (FILE + FILE.partition("\n\n[[")[2].join(("[[", "")), "is taken"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_gateway_refuses_the_check_refuses_in_the_same_words(
    bare: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, said = WRONG[name]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text)
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n")
    if name in ("an address of another host", "no host"):
        monkeypatch.setenv("LANES_TOKEN", "t")
    if name != "a secret":
        monkeypatch.setenv("MAIN_API_KEY", "x")
    started = bare("gateway", "--config", str(wrong), "--db", str(tmp_path / "x.db"))
    checked = bare("config", "--check", str(wrong))
    assert (checked.code, started.code) == (78, 78)
    assert said in checked.err
    assert checked.err.splitlines()[0] == started.err.splitlines()[-1]
    assert not (tmp_path / "x.db").exists(), "nothing was opened"


def test_a_port_that_is_taken_is_refused_unless_a_gateway_of_this_user_has_it(
    bare: Call, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIN_API_KEY", "x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("LANES_GATEWAY_PORT", str(port))
        refused = bare("config", "--check", str(file))
        assert refused.code == 78
        assert f"cannot listen on 127.0.0.1:{port}" in refused.err
        note = places.note_gateway(os.getpid(), "/x.db", url=f"http://127.0.0.1:{port}")
        assert bare("config", "--check", str(file)).code == 0, "it is checked before that is started again"
        note.unlink()


def test_the_file_of_the_folder_is_named_and_its_code_runs_only_once_it_was_named(
    bare: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIN_API_KEY", "x")
    used = f"using the configuration of this folder: {file}\n"
    assert used in bare("send", "k", "text").err, "by a policy of that file"
    assert "using" not in bare("--config", str(file), "send", "k", "text").err
    file.write_text(FILE + '[hooks]\nnotice = "not_there:told"\n')
    for command in ("gateway", "up"):
        refused = bare(command)
        assert refused.code == 78
        assert (
            f"{file} was found in this folder, not named; read the file, then name it once: `lanes gateway --config"
            in refused.err
        )
    assert "no module not_there" in bare("gateway", "--config", "lanes.toml").err, "it was about to be run"
    assert "no module not_there" in bare("gateway").err, "as it is from now on"
    file.write_text(file.read_text().replace("told", "else"))
    assert "was found in this folder, not named" in bare("gateway").err
    assert bare("list").code == 0, "other commands run nothing of it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clocks]\nrun_timout = '5m'\n", "run_timeout"),
        ("[clocks]\nheartbeat_interval = '20s'\nstale_after = '30s'\n", "heartbeat_interval"),
        ("[queue]\ncap = 'many'\n", "queue.cap"),
        ("[queue\n", "TOML"),
    ],
)
def test_a_file_that_is_refused_is_78(bare: Call, tmp_path: Path, text: str, said: str) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text)
    refused = bare("config", "--check", str(wrong), "--json")
    assert (refused.code, refused.out) == (78, "")
    assert f"{wrong}:" in refused.err
    assert said in refused.err
    assert len(refused.err.splitlines()) == 1
    (tmp_path / "lanes.toml").write_text(text)
    assert bare("config").code == 78, "the one that would be used is refused as well"


def test_a_file_that_is_not_there_is_78(bare: Call, tmp_path: Path) -> None:
    assert bare("config", "--check", str(tmp_path / "none.toml")).code == 78


def test_F840_a_file_of_this_folder_is_named_only_where_something_is_taken_from_it(
    bare: Call, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIN_API_KEY", "x")
    used = f"using the configuration of this folder: {file}\n"
    assert bare("send", "k", "text").err.count(used) == 1
    assert (bare("list").err, bare("messages", "k").err) == ("", "")
    file.write_text(f"[database]\nurl = '{places.default_database()}'\n{FILE}")
    assert bare("list").err == used
    assert bare("--db", str(places.default_database()), "list").err == ""
    assert bare("config").err == f"configuration file: {file}\n"


def test_F837_a_program_of_a_runner_that_is_not_installed_is_told(
    bare: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANES_GATEWAY_PORT", "0")
    file = tmp_path / "agents.toml"
    runner = "[[runner]]\nname = '{}'\nkind = 'command'\nargv = ['{}']\n"
    programs = {"a": "sh", "b": "no-such-agent", "c": "/nowhere/agent", "d": "bin/in-the-folder-of-each-run"}
    file.write_text("".join(runner.format(*each) for each in programs.items()))
    checked = bare("config", "--check", str(file))
    assert checked.code == 0, "a gateway starts with it"
    assert [line.partition(",")[0] for line in checked.err.splitlines()] == [
        "warning: runner b starts no-such-agent", "warning: runner c starts /nowhere/agent",
    ]  # fmt: skip
    assert len(bare("config", "--check", str(file), "--json").json["warnings"]) == 2
