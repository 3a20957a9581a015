"""lanes config: every setting with its origin, and the check of a file before it is used."""

from pathlib import Path
from typing import Any

import pytest

from lanes.config import SETTINGS
from lanes.config.settings import SECTIONS
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
    checked = bare("config", "--check", str(file))
    assert (checked.code, checked.out) == (0, f"{file}: accepted; runners: chat\n")
    assert "MAIN_API_KEY is not set" in checked.err
    monkeypatch.setenv("MAIN_API_KEY", "x")
    assert bare("config", "--check", str(file), "--json").json == {
        "file": str(file), "runners": ["chat"], "problems": [],
    }  # fmt: skip


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
