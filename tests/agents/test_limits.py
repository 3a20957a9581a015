"""What holds for the processes of a run: their user, and that no change of control group hides them."""

import os
import pwd
import signal
import sqlite3
import tempfile
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
from tests.kit.until import until

ROOT = os.geteuid() == 0


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
