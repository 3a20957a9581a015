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
from lanes.watch.finding import home_of_openclaw

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


def test_the_folders_of_a_user(home: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Path(home["HOME"], ".local/state/lanes")
    assert places.state_dir() == state
    assert places.default_database() == state / "lanes.db"
    assert places.demo_database() == state / "demo.db"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert places.state_dir() == state
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert places.gateways_dir() == Path("/state/lanes/gateways")
    assert places.config_candidates(cwd=tmp_path) == [tmp_path / "lanes.toml", Path("/config/lanes/lanes.toml")]
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    assert places.state_dir() == Path.home() / ".local/state/lanes"


def test_a_user_whom_the_system_does_not_know_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.delenv("OPENCLAW_STATE_DIR", raising=False)
    assert places.state_dir() == Path("/.local/state/lanes")
    assert home_of_openclaw(None).state == Path("/.openclaw")
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
    path = note_gateway(os.getpid(), str(tmp_path / "x.db"), url="http://127.0.0.1:1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (note,) = living_gateways()
    assert (note.process, note.database, note.url) == (this_process(), str(tmp_path / "x.db"), "http://127.0.0.1:1")
    assert note.path == path
    path.unlink()
    assert living_gateways() == []


def test_a_second_note_of_one_process_replaces_the_first(home: Env) -> None:
    note_gateway(os.getpid(), "/one.db")
    note_gateway(os.getpid(), "/two.db")
    assert [note.database for note in living_gateways()] == ["/two.db"]


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
    note_gateway(os.getpid(), database)
    assert living_gateways()[0].database == noted.format(tmp_path)


def test_the_note_of_a_dead_gateway_goes_when_another_starts(home: Env, child: subprocess.Popen[bytes]) -> None:
    path = note_gateway(child.pid, "/x.db")
    assert [note.process.pid for note in living_gateways()] == [child.pid]
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert living_gateways() == []  # a zombie by now
    assert path.exists()
    note_gateway(os.getpid(), "/another.db")
    assert not path.exists()


@pytest.mark.parametrize("changes", [{"start_time": 1}, {"boot_id": "before"}, {"pid": 2**22 + 1}])
def test_a_stale_note_is_that_of_a_dead_one(home: Env, child: subprocess.Popen[bytes], changes: dict[str, Any]) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db"), **changes)
    assert living_gateways() == []
    note_gateway(child.pid, "/x.db")
    assert not path.exists()


def test_F696_a_note_of_another_boot_may_be_that_of_another_machine(home: Env, child: subprocess.Popen[bytes]) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db"), boot_id="another")
    note_gateway(child.pid, "/y.db")
    assert path.exists()


@pytest.mark.parametrize(
    "changes", [{"host": "elsewhere", "boot_id": "theirs"}, {"pid_ns": "pid:[1]"}, {"pid": "x"}, {"database": 1}]
)
def test_a_note_that_cannot_be_judged_is_left_alone(
    home: Env, child: subprocess.Popen[bytes], changes: dict[str, Any]
) -> None:
    path = rewrite(note_gateway(os.getpid(), "/x.db"), **changes)
    assert "database" in changes or living_gateways() == []
    note_gateway(child.pid, "/x.db")
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '"x"', "\x00"])
def test_what_is_no_note_is_ignored(home: Env, content: str) -> None:
    path = note_gateway(os.getpid(), "/x.db")
    path.write_text(content)
    assert living_gateways() == []
    assert path.exists()


def test_a_note_needs_a_living_process(home: Env, child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError):
        note_gateway(child.pid, "/x.db")


def test_the_database_that_a_command_acts_on(home: Env, child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    default = places.default_database()
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    other.touch()

    def found(*, really: bool = False) -> tuple[str, ChosenBy]:
        return find_database(really_used=lambda database: really and database == str(default))

    assert found() == (str(default), ChosenBy.DEFAULT)
    mine = note_gateway(os.getpid(), str(one))
    assert found() == (str(one), ChosenBy.GATEWAY)
    note_gateway(child.pid, str(one))
    assert found() == (str(one), ChosenBy.GATEWAY)
    note_gateway(child.pid, str(other))
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
    assert living_gateways() == []
