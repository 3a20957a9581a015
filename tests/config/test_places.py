"""Where things lie, and the notes of gateways that live, died, and live elsewhere."""

import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lanes.config.declared import places
from lanes.config.declared.places import ChosenBy, find_database, living_gateways, note_gateway
from lanes.guard.programs import PROGRAMS, program_file
from lanes.host.identity import this_process
from lanes.watch.finding import openclaw_home

Env = Mapping[str, str]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Another living process."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def rewrite(note: Path, **changes: Any) -> Path:
    note.write_text(json.dumps(json.loads(note.read_text()) | changes))
    return note


def test_the_folders_of_a_user(tmp_path: Path) -> None:
    home = {"HOME": "/people/me"}
    assert places.state_dir(env=home) == Path("/people/me/.local/state/lanes")
    assert places.default_database(env=home) == Path("/people/me/.local/state/lanes/lanes.db")
    assert places.demo_database(env=home) == Path("/people/me/.local/state/lanes/demo.db")
    xdg = {**home, "XDG_STATE_HOME": "/state", "XDG_CONFIG_HOME": "/config"}
    assert places.gateways_dir(env=xdg) == Path("/state/lanes/gateways")
    assert places.config_candidates(env=xdg, cwd=tmp_path) == [
        tmp_path / "lanes.toml",
        Path("/config/lanes/lanes.toml"),
    ]
    assert places.state_dir(env={**home, "XDG_STATE_HOME": "relative"}) == places.state_dir(env=home)
    assert places.state_dir(env={}) == Path.home() / ".local/state/lanes"


def test_a_user_whom_the_system_does_not_know_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.delenv("OPENCLAW_STATE_DIR", raising=False)
    assert places.state_dir(env={}) == Path("/.local/state/lanes")
    assert openclaw_home(None).state == Path("/.openclaw")
    assert program_file(PROGRAMS["claude"]).is_relative_to("/.claude")


def test_a_private_folder_is_one_whoever_made_it(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert places.make_private(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    places.make_private(tmp_path / "c/d")
    for made in ("c", "c/d"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700


def test_a_note_is_private_and_says_who_lives(home: Env, tmp_path: Path) -> None:
    path = note_gateway(os.getpid(), str(tmp_path / "x.db"), url="http://127.0.0.1:1", env=home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (note,) = living_gateways(env=home)
    assert (note.who, note.database, note.url) == (this_process(), str(tmp_path / "x.db"), "http://127.0.0.1:1")
    assert note.path == path
    path.unlink()
    assert living_gateways(env=home) == []


def test_a_second_note_of_one_process_replaces_the_first(home: Env) -> None:
    note_gateway(os.getpid(), "/one.db", env=home)
    note_gateway(os.getpid(), "/two.db", env=home)
    assert [note.database for note in living_gateways(env=home)] == ["/two.db"]


@pytest.mark.parametrize(
    ("database", "noted"),
    [
        ("x.db", "{0}/x.db"),
        ("sqlite:///x.db", "sqlite:///{0}/x.db"),
        ("sqlite:////y/x.db", "sqlite:////y/x.db"),
        ("postgresql://u:pw@h/d", "postgresql://u@h/d"),
    ],
)
def test_what_is_noted_means_the_same_elsewhere(
    home: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, noted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    note_gateway(os.getpid(), database, env=home)
    assert living_gateways(env=home)[0].database == noted.format(tmp_path)


def test_the_note_of_a_dead_gateway_goes_when_another_starts(home: Env, child: subprocess.Popen[bytes]) -> None:
    path = note_gateway(child.pid, "/x.db", env=home)
    assert [note.who.pid for note in living_gateways(env=home)] == [child.pid]
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert living_gateways(env=home) == []  # a zombie by now
    assert path.exists()
    note_gateway(os.getpid(), "/another.db", env=home)
    assert not path.exists()


@pytest.mark.parametrize("changes", [{"start_time": 1}, {"boot_id": "before"}, {"pid": 2**22 + 1}])
def test_a_stale_note_is_that_of_a_dead_one(home: Env, child: subprocess.Popen[bytes], changes: dict[str, Any]) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db", env=home), **changes)
    assert living_gateways(env=home) == []
    note_gateway(child.pid, "/x.db", env=home)
    assert not path.exists()


def test_F696_a_note_of_another_boot_may_be_that_of_another_machine(home: Env, child: subprocess.Popen[bytes]) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db", env=home), boot_id="another")
    note_gateway(child.pid, "/y.db", env=home)
    assert path.exists()


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"pid_ns": "pid:[1]"}, {"pid": "x"}, {"database": 1}])
def test_a_note_that_cannot_be_judged_is_left_alone(
    home: Env, child: subprocess.Popen[bytes], changes: dict[str, Any]
) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db", env=home), **changes)
    assert "database" in changes or living_gateways(env=home) == []
    note_gateway(child.pid, "/x.db", env=home)
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '"x"', "\x00"])
def test_what_is_no_note_is_ignored(home: Env, content: str) -> None:
    path = note_gateway(os.getpid(), "/x.db", env=home)
    path.write_text(content)
    assert living_gateways(env=home) == []
    assert path.exists()


def test_a_note_needs_a_living_process(home: Env, child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError):
        note_gateway(child.pid, "/x.db", env=home)


def test_the_database_that_a_command_acts_on(home: Env, child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    default = places.default_database(env=home)
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    other.touch()

    def found(*, really: bool = False) -> tuple[str, ChosenBy]:
        return find_database(really_used=lambda database: really and database == str(default), env=home)

    assert found() == (str(default), ChosenBy.DEFAULT)
    mine = note_gateway(os.getpid(), str(one), env=home)
    assert found() == (str(one), ChosenBy.GATEWAY)
    note_gateway(child.pid, str(one), env=home)
    assert found() == (str(one), ChosenBy.GATEWAY)
    note_gateway(child.pid, str(other), env=home)
    assert found() == (str(default), ChosenBy.DEFAULT), "they do not agree"
    child.kill()
    child.wait()
    assert found(really=True) == (str(one), ChosenBy.GATEWAY)
    mine.unlink()
    assert found() == (str(other), ChosenBy.LAST), "the last one, which was killed"
    assert found(really=True) == (str(other), ChosenBy.LAST), "no runner ran where no database is"
    default.touch()
    assert found() == (str(other), ChosenBy.LAST)
    assert found(really=True) == (str(default), ChosenBy.DEFAULT)
    other.unlink()
    assert found() == (str(default), ChosenBy.DEFAULT)


def test_gateways_that_start_at_once_do_not_disturb_each_other(home: Env) -> None:
    code = (
        "import os, sys; from lanes.config.declared.places import note_gateway, living_gateways\n"
        "for _ in range(20): note_gateway(os.getpid(), '/x.db'); living_gateways()\n"
        "print(len(living_gateways()) >= 1)"
    )
    env = {**home, "PYTHONPATH": os.pathsep.join(sys.path)}
    crowd = [subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0] for process in crowd] == [b"True\n"] * 4
    assert living_gateways(env=home) == []
