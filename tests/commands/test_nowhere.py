"""Commands from a folder that was deleted, and from one that this user may not enter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.conftest import RUNNER
from tests.kit.processes import PATIENCE_S, environment, house

#: What root may do all the same is not needed, and given up: `sudo -u lanes lanes …` in /root finds the folder closed.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
ROOT = Path(__file__).parents[2]
#: In a folder that is deleted, or closed, once the program has been loaded.
SCRIPT = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from lanes.commands import main
import lanes.verbs.sending, lanes.explain.starting
folder = Path(sys.argv.pop(1))
folder.mkdir()
os.chdir(folder)
folder.rmdir() if sys.argv.pop(1) == "deleted" else folder.chmod(0)
sys.exit(main())
"""
COMMANDS = {"send": ["send", "a", "hello"], "list": ["list"], "why": ["why", "a"], "abort": ["abort", "a"]}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("folder", ["deleted", "closed"])
def test_F875_a_command_works_from_a_folder_where_nothing_can_be_found(tmp_path: Path, folder: str, name: str) -> None:
    with house(tmp_path) as made:
        made.lanes("send", "a", "hello")
        words = [str(tmp_path / "here"), folder, "--db", str(made.database), *COMMANDS[name]]
        done = subprocess.run(
            [*WITHOUT_RIGHTS, sys.executable, "-c", SCRIPT, *words],
            env=environment(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == (4 if name == "abort" else 0), done.stderr
        assert "Traceback" not in done.stderr
        assert name != "send" or done.stdout == "2\n"


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
@pytest.mark.parametrize("words", [["list"], ["send", "a", "hello"], ["gateway", "--port", "0"]], ids=" ".join)
def test_F879_without_proc_lanes_says_what_it_needs(tmp_path: Path, words: list[str]) -> None:
    """By another id of this boot the processes of this machine would count as those of an earlier one: as ended."""
    with house(tmp_path) as made:
        made.lanes("send", "a", "hello")
        made.config.write_text(RUNNER)
        program = [sys.executable, "-m", "lanes", "--db", str(made.database), "--config", str(made.config), *words]
        inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        done = subprocess.run(
            [*inside, 'mount -t tmpfs none /proc || exit 7; exec "$@"', "sh", *program],
            env=environment(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        if done.returncode == 7 or "unshare" in done.stderr:
            pytest.skip("this system has no such namespaces")
        assert done.returncode == 69, done.stderr
        (last,) = done.stderr.splitlines()[-1:]
        assert last.endswith("No such file or directory: lanes reads /proc to see which processes live: mount it")
        assert "Traceback" not in done.stderr
