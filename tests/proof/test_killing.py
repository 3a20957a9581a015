"""Kill points: the process is gone where it was told to go, and what was committed before is there."""

import signal
import subprocess
from pathlib import Path

import pytest

from lanes.testing import KillPoint
from tests.kit.forks import run_forked
from tests.kit.processes import House, environment

pytestmark = pytest.mark.disk

#: Making the schema is the first commit of a new file, the message the second.
SCHEMA, MESSAGE = 1, 2


def send(folder: Path, at: str) -> "subprocess.CompletedProcess[str]":
    command = [
        "-m",
        "lanes.testing",
        "--at",
        at,
        "--",
        "send",
        "--db",
        str(folder / "lanes.db"),
        "agent:main:a",
        "hello",
    ]
    return run_forked(command, folder=folder, env=environment(folder), check=False)


@pytest.mark.parametrize(("at", "kept"), [("mid:2", 0), ("mid:2.3", 0), ("before:2", 0), ("after:2", 1)])
def test_a_command_dies_at_its_commit(tmp_path: Path, at: str, kept: int) -> None:
    done = send(tmp_path, at)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "", "nobody was told"
    assert House(tmp_path).count("SELECT count(*) FROM messages") == kept


def test_a_command_that_does_not_get_there_ends_well(tmp_path: Path) -> None:
    done = send(tmp_path, f"before:{MESSAGE + 1}")
    assert done.returncode == 0, done.stderr
    assert House(tmp_path).count("SELECT count(*) FROM messages") == 1


def test_what_is_no_kill_point_is_refused(tmp_path: Path) -> None:
    for words in ("", "before", "before:0", "never:1", "before:1x", "before:1.2", "mid:1.0"):
        with pytest.raises(ValueError, match="no kill point"):
            KillPoint.parse(words)
    done = send(tmp_path, "before:1x")
    assert done.returncode == 1
    assert "before:N" in done.stderr


@pytest.mark.parametrize("words", ["mid:7", "mid:7.2", "after:1"])
def test_a_kill_point_reads_as_it_is_written(words: str) -> None:
    assert str(KillPoint.parse(words)) == words
