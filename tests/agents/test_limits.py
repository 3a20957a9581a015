"""What holds for the processes of a run: their user, and that no change of control group hides them."""

import os
import pwd
import re
import signal
import sqlite3
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.host.cgroups import ControlGroup
from lanes.runners.command.users import system_user
from tests.agents.kit import commanded
from tests.agents.trees import within
from tests.kit.tools import needs
from tests.kit.until import until

ROOT = os.geteuid() == 0
DOCUMENT = Path(__file__).parents[2] / "docs" / "agents.md"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user may enter: the usual one of a test is root's alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not ROOT, reason="only root can start programs as another user")
async def test_a_program_belongs_to_the_user_that_is_named(shared: Path) -> None:
    argv = ["sh", "-c", "id -un; pwd; stat -c %U .; echo $USER $HOME; touch mine && echo written"]
    async with commanded(shared, argv, user="nobody") as site:
        ended = await site.ask()
        lines = (ended.reply or "").splitlines()
        assert lines[:3] == ["nobody", str(shared / "work" / "1"), "nobody"], ended.error
        assert (lines[3].split()[0], lines[4]) == ("nobody", "written")
        assert lines[3].split()[1] == pwd.getpwnam("nobody").pw_dir


def test_a_user_who_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="this system has no user nobody-at-all"):
        system_user("nobody-at-all", "coder")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(ConfigError, match="only root can start programs as another user"):
        system_user("nobody", "coder")
    command = {"name": "c", "kind": "provider", "providers": [], "user": "nobody"}
    with pytest.raises(ConfigError, match="make the kind command or acp or python"):
        from_data({"runner": [command]}, env={})


def wrapped_by(program: str) -> tuple[str, ...]:
    """The recipe of the document that starts a program by this one."""
    blocks = re.findall(r"```toml\n(wrap = .*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (wrap,) = [wrap for block in blocks if (wrap := tomllib.loads(block)["wrap"])[0] == program]
    return tuple(wrap)


def works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@needs("bwrap")
async def test_the_sandbox_of_the_document_keeps_a_program_in_its_folder_and_hides_no_process(shared: Path) -> None:
    wrap = wrapped_by("bwrap")
    if not works(*wrap[:4], "true"):
        pytest.skip("no sandbox can be made here")
    says = f"echo in > kept && cat kept; echo out > {shared}/escaped || echo refused"
    hangs = "setsid sleep 600 & sleep 600"
    argv = ["sh", "-c", f"read text; if [ $text = hang ]; then {hangs}; else {says}; fi"]
    async with commanded(shared, argv, wrap=wrap, clocks={"abort_grace": "4s"}) as site:
        assert (await site.ask("go\n")).reply == "in\nrefused"
        assert not (shared / "escaped").exists()
        await site.desk.send("k", "hang\n")
        await until(lambda: len(within(shared / "work" / "2")) > 2, "its tools")
        assert (await site.desk.abort("k")).outcome == "released"
        assert within(shared / "work" / "2") == []


@needs("prlimit")
async def test_a_limit_of_the_document_holds(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["sh", "-c", "ulimit -n"], wrap=wrapped_by("prlimit")) as site:
        assert (await site.ask()).reply == "1024"


async def test_F320_a_process_that_left_its_control_group_is_found_when_its_keeper_is_killed(tmp_path: Path) -> None:
    """systemd-run moves a program to a scope: that its first group is empty proves nothing."""
    group = ControlGroup("probe").make()
    if group is None:
        pytest.skip("no control group can be made here")
    ControlGroup("probe").remove()
    parent = Path(group).parent
    argv = ["sh", "-c", f"echo $$ > {parent}/cgroup.procs; echo moved; exec sleep 600"]
    folder = tmp_path / "work" / "1"
    async with commanded(tmp_path, argv, clocks={"abort_grace": "2s", "heartbeat_interval": "100ms"}) as site:
        sent = await site.desk.send("k", "go")

        async def moved() -> bool:
            return (await site.desk.lane("k")).progress == "content"

        await until(moved, "it to move")
        with closing(sqlite3.connect(tmp_path / "lanes.db")) as connection:
            (keeper,) = connection.execute("SELECT process_pid FROM runs").fetchone()
        os.kill(keeper, signal.SIGKILL)
        ended = await site.desk.wait(sent.id)
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "exit_status")
        assert within(folder) == []
