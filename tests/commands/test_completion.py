"""Shell completion: the real bash, with keys that hold what shells part words at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S
from tests.kit.stage import Stage
from tests.kit.tools import needs

#: Complete the words of the arguments, the last of which is being typed, and print what is offered.
ASK = """
eval "$(lanes completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_lanes_completion lanes
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(database: Path | None, *words: str) -> list[str]:
    """What bash offers; the words are as bash parts them."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if database is not None:
        environment["LANES_DB"] = str(database)
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", "lanes", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs("bash")
def test_keys_are_completed_behind_their_last_colon(stage: Stage, database: Path) -> None:
    for key in ("agent:main:telegram:42", "agent:main:web", "other", "agent:a b", "agent:漢字", "agent:\u202ex"):
        stage.send(key, "text")
    assert offered(database, "abort", "oth") == ["other"]
    assert offered(database, "show", "agent", ":", "main", ":") == ["telegram:42", "web"]
    assert offered(database, "why", "agent", ":", "main", ":", "tele") == ["telegram:42"]
    assert offered(database, "pause", "agent", ":", "a") == ["a\\ b"], "what a shell would part is escaped"
    assert "漢字" in offered(database, "ack", "agent", ":")
    assert not any("\u202e" in key for key in offered(database, "ack", "agent", ":")), "a shell prints it raw"


@needs("bash")
def test_a_key_that_would_be_an_option_or_a_command_is_not_offered_as_one(stage: Stage, database: Path) -> None:
    for key in ("--all", "-y", "safe", "a,b", "$(touch harm)", "`touch harm`", "a\\nb", "it's"):
        stage.send(key, "text")
    keys = offered(database, "abort", "")
    assert set(keys) == {"safe", r"a\,b", r"\$\(touch\ harm\)", r"\`touch\ harm\`", r"a\\nb", r"it\'s"}
    assert not any(key.startswith("-") for key in keys)


@needs("bash")
def test_commands_and_options_are_completed(stage: Stage, database: Path) -> None:
    assert offered(database, "dead") == ["dead-letters"]
    assert "--dry-run" in offered(database, "abort", "--")
    assert offered(database, "list", "--state", "err") == ["errored"]
    assert offered(database, "db", "back") == ["backup"]


@needs("bash")
def test_F918_the_key_of_a_conversation_is_completed_like_its_commands(stage: Stage, database: Path) -> None:
    stage.send("new-york", "text")
    assert set(offered(database, "conversation", "ne")) == {"new", "new-york"}
    assert offered(database, "conversation", "new-") == ["new-york"]
    assert offered(database, "conversation", "new", "n") == ["new-york"]


@needs("bash")
def test_nothing_is_said_into_the_line_that_is_typed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a command says which configuration and which database it uses."""
    stage.send("agent:a", "text")
    (tmp_path / "lanes.toml").write_text(f'[database]\nurl = "{stage.path}"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert offered(None, "show", "ag") == ["agent:a"]


@needs("bash")
def test_what_goes_wrong_completes_to_nothing(database: Path) -> None:
    assert offered(database, "abort", "k") == [""]


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef lanes"), ("fish", "complete --no-files")]
)
def test_each_shell(bare: Call, shell: str, mark: str) -> None:
    printed = bare("completion", shell)
    assert (printed.code, mark in printed.out) == (0, True)
    assert "_LANES_COMPLETE" in printed.out


def test_no_such_shell_is_2(bare: Call) -> None:
    assert bare("completion", "csh").code == 2
    missing = bare("completion")
    assert missing.code == 2
    assert "Choose from: bash, zsh, fish" in missing.err
    assert "\\" not in missing.err


#: As ``ASK``, for fish: what it offers for a line that is being typed.
FISH = "lanes completion fish | source; complete --do-complete=$argv[1]"


@needs("fish")
def test_fish_keeps_what_stands_behind_a_comma(stage: Stage, database: Path) -> None:
    stage.send("agent:a,b:c", "text")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANES_DB": str(database),
    }
    asked = ["fish", "--no-config", "-c", FISH, "lanes show agent:"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout == "agent:a,b:c\n"


def test_the_script_for_fish_parts_an_answer_once(bare: Call) -> None:
    assert 'string split --max 1 "," -- $answer' in bare("completion", "fish").out
