"""The folder of a run, and git that makes it: a program of the run as its agent is, and never half of it is used."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.runners.command.folders import give, remove_tree
from lanes.runners.command.users import system_user
from tests.agents.kit import commanded
from tests.agents.trees import within
from tests.kit.processes import House, eventually, house
from tests.kit.tools import needs
from tests.kit.until import until

ROOT = os.geteuid() == 0
READS = ["sh", "-c", "cat text"]
QUICK = {"abort_grace": "4s", "reconcile_interval": "100ms"}

pytestmark = needs("git")


class Repository:
    """A repository with one file, ``text``. To write that into a worktree, git starts a program, which notes who it is,
    and stays while there is a file ``hold``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        folder.mkdir()
        self.notes.mkdir()
        self.git("init", "--quiet")
        (folder / "text").write_text("whole\n", encoding="utf-8")
        (folder / ".gitattributes").write_text("text filter=noting\n", encoding="utf-8")
        self.git("add", "text", ".gitattributes")
        self.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
        notes = f"cd {self.notes}; env > environment; id -un > user; echo $PPID $$ > pids"
        self.git("config", "filter.noting.smudge", f"sh -c '{notes}; if [ -e hold ]; then sleep 600; fi; cat'")
        hook = folder / ".git" / "hooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {self.notes}/hook\n", encoding="utf-8")
        hook.chmod(0o755)

    def git(self, *words: str) -> str:
        command = ["git", "-C", str(self.folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def worktrees(self) -> list[str]:
        """The folders that it knows, besides its own."""
        lines = self.git("worktree", "list", "--porcelain").splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith("worktree ")][1:]

    def hold(self) -> None:
        (self.notes / "hold").touch()

    def free(self) -> None:
        (self.notes / "hold").unlink()

    def pids(self) -> list[int]:
        """Git and its program, once they are there."""
        try:
            return [int(pid) for pid in (self.notes / "pids").read_text(encoding="ascii").split()]
        except OSError:
            return []

    def living(self) -> list[int]:
        return within(self.notes)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def made(tmp_path: Path, repository: Repository) -> Iterator[House]:
    with house(tmp_path) as built:
        configure(built, repository)
        yield built


def configure(built: House, repository: Repository, **more: object) -> None:
    settings = {"argv": READS, "worktree_of": str(repository.folder), **more}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    clocks = "".join(f"{name} = '{value}'\n" for name, value in QUICK.items())
    built.config.write_text(
        f"[[runner]]\nname = 'coder'\nkind = 'command'\n{lines}[clocks]\n{clocks}", encoding="utf-8"
    )


async def test_F401_git_gets_the_environment_of_the_agent_and_runs_no_hooks(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("MINE", "listed")
    async with commanded(tmp_path, READS, worktree_of="repository", env=["MINE"]) as site:
        ended = await site.ask()
        assert ended.reply == "whole", ended.error
    names = (repository.notes / "environment").read_text(encoding="utf-8")
    assert "MINE=listed" in names
    assert "LANES_RUN_TAG=" in names
    assert "secret" not in names
    assert not (repository.notes / "hook").exists()


async def test_F402_an_abort_ends_git_before_the_lane_is_released_and_the_next_run_has_a_whole_worktree(
    tmp_path: Path, repository: Repository
) -> None:
    repository.hold()
    async with commanded(tmp_path, READS, worktree_of="repository", clocks=QUICK) as site:
        await site.desk.send("k", "go")
        await until(repository.living, "git")
        (result,) = [await site.desk.abort("k", actor="me", reason="test")]
        assert (result.outcome, result.survivors, repository.living()) == ("released", (), [])
        repository.free()
        ended = await site.ask(key="k")
        assert ended.reply == "whole", ended.error
    assert repository.worktrees() == [str(tmp_path / "work" / "1")]


@pytest.mark.parametrize("killed", ["gateway", "all"])
def test_F403_a_worktree_that_was_cut_by_kill_9_is_made_again(made: House, repository: Repository, killed: str) -> None:
    """``all``: with keeper and git, which cannot clean up."""
    repository.hold()
    gateway = made.gateway()
    made.lanes("send", "k", "go")
    pids = eventually(lambda: repository.living() and repository.pids(), "git")
    (keeper,) = made.row("SELECT process_pid FROM runs")
    if killed == "all":
        os.kill(gateway.pid, signal.SIGSTOP)
        for pid in {keeper, *pids, *repository.living()}:
            with contextlib.suppress(ProcessLookupError):  # it has ended with another one
                os.kill(pid, signal.SIGKILL)
    gateway.kill()
    eventually(lambda: not repository.living(), "the end of git")
    repository.free()
    made.gateway("second")
    sent = made.lanes("send", "k", "next", "--json").json
    eventually(lambda: made.is_now(str(sent["id"]), "done", "failed"), "its end")
    row = made.row("SELECT state, reply, error_message FROM messages WHERE id = ?", sent["id"])
    assert row[:2] == ("done", "whole"), row
    assert list((made.folder / "work").iterdir()) == [made.folder / "work" / "1"]


async def test_F403_an_empty_folder_that_was_cut_is_made_again_and_one_that_was_there_is_kept(
    tmp_path: Path, repository: Repository
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "1").mkdir()  # cut between its making and git
    (work / ".1.making").write_text("making\n", encoding="ascii")
    (work / "2").mkdir()  # somebody's, and the gateway was killed before it looked
    (work / "2" / "text").write_text("mine\n", encoding="utf-8")
    (work / ".2.making").touch()
    async with commanded(tmp_path, READS, worktree_of="repository") as site:
        assert (await site.ask(key="first")).reply == "whole"
        assert (await site.ask(key="second")).reply == "mine"
    assert sorted(work.iterdir()) == [work / "1", work / "2"]


async def test_F403_a_worktree_that_is_registered_and_missing_is_made_again(
    tmp_path: Path, repository: Repository
) -> None:
    async with commanded(tmp_path, READS, worktree_of="repository") as site:
        for _ in range(2):
            ended = await site.ask()
            assert ended.reply == "whole", ended.error
            shutil.rmtree(tmp_path / "work" / "1")


async def test_F403_a_run_waits_while_another_makes_their_folder(tmp_path: Path, repository: Repository) -> None:
    repository.hold()
    async with commanded(tmp_path, READS, worktree_of="repository", cwd="shared") as site:
        sent = [await site.desk.send(key, "go") for key in ("one", "two")]
        await until(repository.living, "git")

        async def told() -> bool:
            signs = {(await site.desk.lane(key)).progress for key in ("one", "two")}
            return signs == {"git:worktree add", "folder:another run makes it"}

        await until(told, "the other run to wait")
        repository.free()
        os.kill(repository.living()[-1], signal.SIGKILL)
        assert [(await site.desk.wait(each.id)).reply for each in sent] == ["whole", "whole"]
        assert repository.worktrees() == [str(tmp_path / "shared")]


async def test_a_folder_that_git_cannot_make_fails_the_message_and_leaves_nothing(tmp_path: Path) -> None:
    async with commanded(tmp_path, READS, worktree_of="nowhere") as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.error.cause, "nowhere" in ended.error.message) == ("no_folder", True)
        assert list((tmp_path / "work").iterdir()) == []
        (tmp_path / "work" / "1").write_text("a file", encoding="utf-8")
        assert ((await site.ask()).error or ended.error).cause == "no_folder"
        assert [each.name for each in (tmp_path / "work").iterdir()] == ["1"]


@pytest.fixture
def of_nobody() -> Iterator[Repository]:
    """A repository of another user, where that one may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        repository = Repository(Path(name) / "repository")
        for each in (repository.folder, *repository.folder.rglob("*")):
            os.chown(each, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        yield repository


@pytest.mark.skipif(not ROOT, reason="only root can start programs as another user")
async def test_F404_git_runs_as_the_user_of_the_agent(of_nobody: Repository) -> None:
    argv = ["sh", "-c", "stat -c %U . text; git status --short; cat text"]
    async with commanded(of_nobody.folder.parent, argv, worktree_of="repository", user="nobody") as site:
        ended = await site.ask()
        assert ended.reply == "nobody\nnobody\nwhole", ended.error
    assert (of_nobody.notes / "user").read_text(encoding="utf-8") == "nobody\n"


@pytest.mark.skipif(not ROOT, reason="only root can start programs as another user")
def test_F404_no_link_is_followed_to_what_is_given_to_the_user(tmp_path: Path) -> None:
    nobody = system_user("nobody", "coder")
    assert nobody is not None
    (tmp_path / "of-root").mkdir()
    (tmp_path / "link").symlink_to("of-root")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for name in ("link", "full"):
        with pytest.raises(OSError):  # noqa: PT011 - the kernel names it
            give(tmp_path / name, nobody)
    assert {each.lstat().st_uid for each in tmp_path.rglob("*")} == {0}


def test_F614_a_folder_with_read_only_parts_is_removed() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder, outside = Path(name) / "w" / "1", Path(name) / "outside"
        (folder / "pkg" / "mod").mkdir(parents=True)
        (folder / "pkg" / "mod" / "go.mod").touch()
        outside.mkdir()
        (folder / "pkg" / "link").symlink_to(outside)
        (folder / "pkg" / "unreadable").mkdir(mode=0o000)
        for each in (outside, folder / "pkg" / "mod", folder / "pkg", folder):
            each.chmod(0o555)
        if ROOT:  # whom no mode stops
            for each in (Path(name), *Path(name).rglob("*")):
                os.chown(each, pwd.getpwnam("nobody").pw_uid, -1, follow_symlinks=False)
            os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            remove_tree(folder)
        finally:
            os.seteuid(os.getuid())
        assert not folder.exists()
        assert outside.stat().st_mode & 0o777 == 0o555, "no link is followed"


def test_F405_what_a_killed_gateway_leaves_of_a_folder_for_one_run_is_removed_by_the_next_run(
    made: House, repository: Repository
) -> None:
    argv = ["sh", "-c", "read text; cat text; touch begun; if [ $text = hang ]; then exec sleep 600; fi"]
    configure(made, repository, argv=argv, cwd="w/{run_id}", keep_cwd=False)
    gateway = made.gateway()
    made.lanes("send", "k", "hang\n")
    first = made.folder / "w" / "1"
    eventually(lambda: (first / "begun").exists(), "the program")
    gateway.kill()
    eventually(lambda: not within(first), "its end")
    assert repository.worktrees() == [str(first)]
    made.gateway("second")
    sent = made.lanes("send", "k", "go\n", "--json").json
    eventually(lambda: made.is_now(str(sent["id"]), "done", "failed"), "its end")
    assert made.row("SELECT state, reply FROM messages WHERE id = ?", sent["id"]) == ("done", "whole")
    assert (repository.worktrees(), list((made.folder / "w").iterdir())) == ([], [])
