"""Every command that README shows is run: the first two by make, the rest in the terminal beside `make run`."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.modules import ROOT
from tests.kit.processes import PATIENCE_S, Process, environment, eventually
from tests.kit.tools import missing

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Where `make run` says that it listens; the test takes a free port instead.
ADDRESS = "http://127.0.0.1:8765"
RUN, TEST = "make run", "make test"
HUNG = "agent:main:feishu:group:oc_d497"


def commands() -> list[str]:
    """What README tells a reader to type, in its order, without the remarks behind it."""
    lines = [line for block in BLOCK.findall(README) for line in block.splitlines() if line]
    return [re.sub(r"\s+# .*", "", line) for line in lines]


class Terminal:
    """The second terminal of a reader: what was exported in one command holds for the next."""

    def __init__(self, home: Path, address: str) -> None:
        self._home = home
        self._address = address
        self._exported: list[str] = []

    def type(self, command: str) -> str:
        """Run a command as it stands; returns what it said on standard output. It must succeed."""
        if command.startswith("export "):
            self._exported.append(command)
        typed = "\n".join([*self._exported, command.replace(ADDRESS, self._address)])
        done = subprocess.run(
            ["sh", "-euc", typed],
            cwd=ROOT,
            env=with_our_commands(self._home, self._address.rpartition(":")[2]),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def with_our_commands(home: Path, port: str = "0") -> dict[str, str]:
    """The environment of a reader whose program is the one under test, wherever its environment is."""
    ours = str(Path(sys.executable).parent)
    return environment(home) | {"PATH": f"{ours}{os.pathsep}{os.environ['PATH']}", "LANES_GATEWAY_PORT": port}


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal beside `make run`, which is started as README says, in an environment that is set up."""
    home = tmp_path_factory.mktemp("home")
    venv = home / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    (venv / ".installed").touch()
    command = ["make", "-C", str(ROOT), *shlex.split(RUN)[1:], f"VENV={venv}"]
    gateway = Process(command, home, "make-run", env=with_our_commands(home))
    try:
        yield Terminal(home, gateway.address())
        gateway.terminate()  # make hands it on
    finally:
        gateway.end()


def test_readme_shows_commands() -> None:
    shown = commands()
    assert shown[:2] == [RUN, TEST], "use comes first"
    assert len(shown) > 12
    assert {command.split()[0] for command in shown} == {"make", "export", "lanes", "curl"}


def test_make_test_runs_the_tests() -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(TEST)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "python -m pytest" in done.stdout


def test_every_other_command_does_what_readme_says(terminal: Terminal) -> None:
    left_out = ("make", *missing("curl"))
    said = {command: terminal.type(command) for command in commands() if command.split()[0] not in left_out}

    def of(start: str) -> str:
        return next(out for command, out in said.items() if command.startswith(start))

    assert of("lanes send agent:main:telegram:42").strip(), "the simulated provider answers"
    assert HUNG in of("lanes list")
    assert HUNG in of("lanes why")
    assert "released" in of("lanes abort")
    assert "stuck at the provider" in of("lanes events")
    failed_over = "lanes messages agent:main:telegram:7"
    eventually(lambda: "sim-backup: server_error" in terminal.type(failed_over), "the second provider to fail as well")
    if not missing("curl"):
        assert '"chat.completion"' in of("curl")
    waited = f"lanes messages {HUNG} --state done"
    eventually(lambda: "is anybody there?" in (told := terminal.type(waited)) and "hello??" in told, "what waited")
