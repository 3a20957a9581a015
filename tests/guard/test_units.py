"""The unit of a user that ``lanes guard PROGRAM`` installs: what it says, and when it is stopped.

A real service manager runs it in ``make live SUBJECTS=unit``.
"""

import json
import os
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lanes.commands.common.app import lanes
from lanes.guard import trial

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="units of systemd are for Linux")

#: Instead of the service manager: it notes what it is asked for, and what the program was told by then.
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$HOME/asked"
cat "$HOME/.claude/settings.json" > "$HOME/settings-at-$2"
"""
MINE = '{"env": {}}\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person who uses Claude Code, and no gateway answers."""
    for name in [name for name in os.environ if name.startswith(("LANES_", "XDG_", "CLAUDE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial, "STARTS_WITHIN_S", 0.0)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}{os.pathsep}{os.environ['PATH']}")
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(MINE)
    (tmp_path / ".config" / "lanes").mkdir(parents=True)
    (tmp_path / ".config" / "lanes" / "lanes.toml").write_text("[gateway]\nport = 9\n")  # nobody listens there
    return tmp_path


def guard(*words: str, before: tuple[str, ...] = ()) -> Result:
    done = CliRunner().invoke(lanes, [*before, "guard", "claude", *words])
    assert done.exit_code == 0, done.output
    return done


def unit_of(home: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[method-assign,assignment]
    found.read(home / ".config" / "systemd" / "user" / "lanes.service")
    return found


def test_F481_a_gateway_that_ends_at_once_is_started_again_for_ever(home: Path) -> None:
    guard("--write")
    unit = unit_of(home)
    assert (unit["Unit"]["StartLimitIntervalSec"], unit["Service"]["Restart"]) == ("0", "always")


def test_F738_where_no_service_manager_starts_it_the_person_is_told_to(home: Path) -> None:
    systemctl = home / "bin" / "systemctl"
    systemctl.write_text("#!/bin/sh\nprintf 'Created symlink.\\nNo bus.\\n' >&2\nexit 1\n")
    said = guard("--write").output
    assert "failed: No bus.\n" in said
    assert "no gateway answers yet: start it with `lanes gateway`;" in said


def test_F482_a_stop_of_the_unit_leaves_the_agents_to_the_gateway(home: Path) -> None:
    guard("--write")
    assert unit_of(home)["Service"]["KillMode"] == "mixed"


def test_F483_the_gateway_of_the_unit_goes_by_what_this_shell_sets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / 'my "state" 100%'))
    monkeypatch.setenv("LANES_CLOCKS_RUN_TIMEOUT", "2m")
    monkeypatch.setenv("LANES_TOKEN", "a-secret-of-this-shell")
    guard("--write", before=("--db", "work.db"))
    path = home / ".config" / "systemd" / "user" / "lanes.service"
    told = [line for line in path.read_text().splitlines() if line.startswith("Environment=")]
    state = str(home / r"my \"state\" 100%%")
    assert told == [
        f'Environment="XDG_STATE_HOME={state}"',
        f'Environment="LANES_DATABASE_URL={home / "work.db"}"',
        'Environment="LANES_CLOCKS_RUN_TIMEOUT=2m"',
    ]
    assert path.stat().st_mode & 0o777 == 0o600, "a database may be named with its password"
    assert "a-secret-of-this-shell" not in path.read_text()


def test_F484_the_program_asks_its_provider_itself_before_the_gateway_stops(home: Path) -> None:
    guard("--write")
    guard("--undo")
    assert (home / "settings-at-disable").read_text() == MINE
    assert (home / "asked").read_text().split("\n")[1] == "--user disable --now lanes.service"
    assert not (home / ".config" / "systemd" / "user" / "lanes.service").exists()


def test_F485_the_program_is_pointed_at_a_gateway_that_was_started(home: Path) -> None:
    guard("--write")
    assert (home / "settings-at-enable").read_text() == MINE
    assert "127.0.0.1" in (home / ".claude" / "settings.json").read_text()


def test_a_path_of_any_letters_is_one_word_of_its_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = home / "odd $X 100% n"
    program = odd / "bin" / "lanes"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(odd))
    guard("--write")
    said = str(odd).replace("%", "%%")
    config = f"{said}/lanes/lanes.toml".replace("$", "$$")  # not in the first word, where systemd replaces nothing
    unit = (odd / "systemd" / "user" / "lanes.service").read_text()
    assert f'ExecStart="{said}/bin/lanes" gateway --config "{config}"\n' in unit


def test_a_unit_that_is_there_is_started_and_stays(home: Path) -> None:
    path = home / ".config" / "systemd" / "user" / "lanes.service"
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    guard("--write")
    assert (home / "asked").read_text() == "--user enable --now lanes.service\n"
    guard("--undo")
    assert path.read_text() == "# mine\n"
    assert "disable" not in (home / "asked").read_text()


def test_where_no_gateway_answers_it_says_who_knows_why(home: Path) -> None:
    assert "`systemctl --user status lanes.service` says why" in guard("--write").output
    assert json.loads((home / ".claude" / "settings.json").read_text())["env"]["ANTHROPIC_BASE_URL"]


def start_told(*words: str) -> str:
    """What a command without a gateway says of how one is started."""
    said = CliRunner().invoke(lanes, [*words, "send", "k", "text"]).output
    (told,) = re.findall("`((?:systemctl|lanes) [^`]*)`", said)
    return str(told)


UNIT = "systemctl --user start lanes.service"


def test_the_unit_is_what_is_started_where_it_serves_this_database(home: Path) -> None:
    assert start_told().startswith("lanes up")
    guard("--write")
    assert start_told() == UNIT
    assert start_told("--db", str(home / "other.db")).startswith("lanes gateway --db")
    other = home / "other.toml"
    other.write_bytes((home / ".config" / "lanes" / "lanes.toml").read_bytes())
    assert start_told("--config", str(other)).startswith("lanes gateway --config")
    guard("--undo")
    assert start_told().startswith("lanes up")


def test_so_it_is_where_the_unit_names_the_database(home: Path) -> None:
    guard("--write", before=("--db", "work 100%.db"))
    for name in ("work 100%.db", str(home / "work 100%.db"), f"sqlite:///{home}/work 100%.db"):
        assert start_told("--db", name) == UNIT
    assert start_told().startswith("lanes gateway")
    assert start_told("--db", "other.db").startswith("lanes gateway")


def test_a_unit_that_lanes_did_not_write_is_not_advised(home: Path) -> None:
    path = home / ".config" / "systemd" / "user" / "lanes.service"
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    guard("--write")
    assert start_told().startswith("lanes gateway")
