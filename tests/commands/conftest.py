"""A stage for commands, and a way to call them in this process as ``lanes`` itself would."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.commands.common.entry import run
from tests.kit.processes import House, house
from tests.kit.stage import Stage


class Called:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


Call = Callable[..., Called]

#: Limits that no machine is slow enough to meet by itself.
CONFIG = """
[clocks]
heartbeat_interval = "200ms"
reconcile_interval = "200ms"
drain_timeout = "5s"
run_timeout = "1h"
stall_timeout = "59m"

[[runner]]
name = "chat"
kind = "provider"
providers = ["sim"]

[[provider]]
name = "sim"
base_url = "{url}/v1"
model = "sim-echo"
first_byte_timeout = "58m"
idle_timeout = "58m"
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's own is found; the folder of this test is home."""
    for name in [name for name in os.environ if name.startswith("LANES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the database of a test is."""
    return tmp_path / "lanes.db"


@pytest.fixture
def stage(database: Path) -> Iterator[Stage]:
    made = Stage(database)
    yield made
    made.close()


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a command with exactly these arguments."""

    def call(*arguments: str) -> Called:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return Called(code, out, err)

    return call


@pytest.fixture
def lanes(bare: Call, database: Path) -> Call:
    """Call a command on the database of the test."""
    return lambda *arguments: bare("--db", str(database), *arguments)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    """Real processes."""
    with house(tmp_path) as one:
        yield one


@pytest.fixture
def served(made: House) -> House:
    """A folder with a simulated provider, and a configuration that asks it; no gateway yet."""
    made.config.write_text(CONFIG.format(url=made.provider()))
    return made
