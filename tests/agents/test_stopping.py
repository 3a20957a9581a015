"""No process of a run outlives it unseen: aborted, timed out, with a blocked loop, after ``kill -9`` of the gateway."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lanes.config import from_data
from lanes.engine.upkeep.housekeeping import ConfiguredKeep, Housekeeper
from lanes.host.cgroups import ControlGroup, remove_leftovers
from lanes.host.identity import identity_of, this_process
from lanes.host.stat import stat_of, state_of
from lanes.host.tree import end, survivors, tag
from lanes.runners.command.keeper import PR_SET_CHILD_SUBREAPER
from lanes.testing import DAY, Hands
from lanes_storage import open_async_store, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState
from tests.agents.kit import commanded, program
from tests.agents.trees import EACH, alive, pids
from tests.kit.processes import House, eventually, house
from tests.kit.until import until

TREE = program("tree")
CONTROL_GROUPS = ControlGroup("of-a-test").make() is not None
ControlGroup("of-a-test").remove()
QUICK = {"abort_grace": "2s", "reconcile_interval": "100ms"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        built.config.write_text(
            f"[[runner]]\nname = 'coder'\nkind = 'command'\nargv = {json.dumps(TREE)}\n"
            "[clocks]\nabort_grace = '2s'\nreconcile_interval = '100ms'\n",
            encoding="utf-8",
        )
        yield built


def is_gone(folder: Path) -> bool:
    return not alive(pids(folder))


async def test_F150_an_abort_ends_the_whole_tree_before_the_lane_is_released(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "1"
    async with commanded(tmp_path, TREE, clocks=QUICK) as site:
        await site.desk.send("k", "go")
        tree = await until(lambda: pids(folder), "the tree to stand")
        assert len(alive(tree)) == EACH
        waits = await site.desk.send("k", "next")
        (result,) = [await site.desk.abort("k", actor="me", reason="test")]
        assert (result.outcome, result.survivors, alive(tree)) == ("released", (), [])
        await until(lambda: pids(folder) not in ([], tree), "the next message to start")
        assert not (folder / "overlap").exists()
        await site.desk.abort("k", actor="me")
        assert (await site.desk.wait(waits.id)).state == "aborted"
        assert is_gone(folder)


async def test_F1052_why_says_which_processes_of_a_run_are_stopped_and_what_lets_them_go_on(tmp_path: Path) -> None:
    async with commanded(tmp_path, TREE, clocks=QUICK) as site:
        await site.desk.send("k", "go")
        (pid, _), (other, _), *_ = await until(lambda: pids(tmp_path / "work" / "1"), "the tree to stand")
        said = await site.desk.why("k")
        assert "stopped" not in said
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: state_of(pid) == "T", "the process to be stopped")
        said = await site.desk.why("k")
        assert f"Its process {pid} python" in said
        assert f" is stopped: `kill -CONT {pid}` lets it go on." in said
        os.kill(other, signal.SIGSTOP)
        await until(lambda: state_of(other) == "T", "the other one to be stopped")
        said = await site.desk.why("k")
        assert f"are stopped: `kill -CONT {pid} {other}` lets them go on." in said
        await site.desk.abort("k", actor="me")


@pytest.fixture
def adopting() -> "Iterator[subprocess.Popen[bytes]]":
    """This process adopts the orphans among its descendants, as process 1 does those of its container. Yields a child
    of its own that has ended, and whose exit code nobody has asked for yet."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    with subprocess.Popen(["true"]) as ours:
        os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
        yield ours
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert ours.returncode == 0


def zombies() -> set[int]:
    """The children of this process that have ended and were not reaped."""
    found = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())  # noqa: PTH208 - only names
    return {pid for pid in found if state_of(pid) == "Z" and stat_of(pid).parent == os.getpid()}


async def test_F1058_what_a_killed_keeper_leaves_is_reaped_by_a_gateway_that_adopts_it(
    tmp_path: Path, adopting: subprocess.Popen[bytes]
) -> None:
    async with commanded(tmp_path, TREE, clocks=QUICK) as site:
        sent = await site.desk.send("k", "go")
        tree = await until(lambda: pids(tmp_path / "work" / "1"), "the tree to stand")
        (run,) = await site.desk.store.read(reads.open_runs())
        assert run.process_pid is not None
        os.kill(run.process_pid, signal.SIGKILL)
        assert (await site.desk.wait(sent.id)).state == "failed"
        assert zombies() & {pid for pid, _ in tree} == set()
        assert adopting.pid in zombies()


async def test_F150_a_time_out_ends_the_whole_tree(tmp_path: Path) -> None:
    async with commanded(tmp_path, TREE, clocks={**QUICK, "run_timeout": "2s"}) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", "run_timeout")
        lane = await site.desk.lane("agent:main:test")
        assert (lane.state, lane.paused) == (LaneState.ERRORED, None)
        assert is_gone(tmp_path / "work" / "1")


async def test_F150_what_an_agent_leaves_behind_ends_before_its_reply_is_stored(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("tree", "leave"), clocks=QUICK) as site:
        for _ in range(2):
            ended = await site.ask()
            assert (ended.state, ended.reply) == ("done", "the tree stands")
            assert len(pids(tmp_path / "work" / "1")) == EACH
            assert is_gone(tmp_path / "work" / "1")


async def test_F150_a_tree_is_ended_while_the_database_takes_no_write(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "1"
    async with commanded(tmp_path, TREE, clocks={**QUICK, "run_timeout": "2s"}) as site:
        sent = await site.desk.send("k", "go")
        tree = await until(lambda: pids(folder), "the tree to stand")
        with closing(sqlite3.connect(tmp_path / "lanes.db", isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            await until(lambda: not alive(tree), "the tree to end")
            assert other.execute("SELECT state FROM lanes").fetchone() == ("running",)
            other.execute("ROLLBACK")
        ended = await site.desk.wait(sent.id)
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "run_timeout")
        await site.desk.send("k", "next")
        await until(lambda: pids(folder) not in ([], tree), "the next message to start")


async def test_a_drain_and_a_stop_of_the_gateway_end_the_tree(tmp_path: Path) -> None:
    async with commanded(tmp_path, TREE, clocks=QUICK) as site:
        await site.desk.send("k", "go")
        await until(lambda: pids(tmp_path / "work" / "1"), "the tree to stand")
    await until(lambda: is_gone(tmp_path / "work" / "1"), "the tree to end")


async def test_F151_a_tree_is_ended_while_the_event_loop_is_blocked(tmp_path: Path, made: House) -> None:
    """A command of another process aborts, and this test, which is the loop of the gateway, waits for it blocked."""
    folder = tmp_path / "work" / "1"
    async with commanded(tmp_path, TREE, clocks=QUICK) as site:
        await site.desk.send("k", "go")
        tree = await until(lambda: pids(folder), "the tree to stand")
        waits = await site.desk.send("k", "next")
        told = made.command("abort", "k", "--json").json[0]
        assert (told["outcome"], told["survivors"], alive(tree)) == ("forced", [], [])
        await until(lambda: pids(folder) not in ([], tree), "the pause for survivors to end, and the next message")
        assert not (folder / "overlap").exists()
        await site.desk.abort("k", actor="me")
        await site.desk.wait(waits.id)


@pytest.mark.parametrize("keeper", ["lives", "killed"])
def test_F152_the_tree_of_a_gateway_that_was_killed_is_found_and_ended(made: House, keeper: str) -> None:
    """``killed``: with its keeper, so that nobody ends the tree but those who look for it."""
    folder = made.folder / "work" / "1"
    gateway = made.gateway()
    made.lanes("send", "k", "go")
    tree = eventually(lambda: pids(folder), "the tree to stand")
    (keeper_pid,) = made.row("SELECT process_pid FROM runs")
    made.lanes("send", "k", "next")
    if keeper == "killed":
        os.kill(gateway.pid, signal.SIGSTOP)
        keeper_start = identity_of(keeper_pid).start_time
        os.kill(keeper_pid, signal.SIGKILL)
        eventually(lambda: not alive([(keeper_pid, keeper_start)]), "its end: what it had started is an orphan by then")
    gateway.kill()
    if keeper == "killed":
        assert len(alive(tree)) == EACH
        assert made.lanes("abort", "k", "--json").json[0]["survivors"] == []
        if not CONTROL_GROUPS:  # it has cleared its environment and left its session: no search finds it
            os.kill(tree[-1][0], signal.SIGKILL)
    made.gateway("second")
    eventually(lambda: pids(folder) not in ([], tree), "the next message to start")
    assert not (folder / "overlap").exists()
    assert alive(tree) == []
    state, cause = made.row("SELECT state, error_cause FROM messages WHERE id = 1")
    assert (state, cause) == (("aborted", "aborted") if keeper == "killed" else ("failed", "owner_gone"))
    assert made.row("SELECT survivors FROM runs ORDER BY id")[0] == "[]"


def test_F152_a_lane_stays_paused_until_its_tree_is_gone_and_a_pause_by_hand_stays(made: House) -> None:
    folder = made.folder / "work" / "1"
    gateway = made.gateway()
    made.lanes("send", "k", "go")
    tree = eventually(lambda: pids(folder), "the tree to stand")
    made.lanes("pause", "k", "--reason", "mine")
    gateway.kill()
    made.lanes("reconcile")
    assert alive(tree) == []
    assert [kind for (kind,) in made.rows("SELECT kind FROM pauses")] == ["hand"]


@pytest.mark.skipif(not CONTROL_GROUPS, reason="no control group can be made here")
def test_F451_what_an_agent_moved_to_a_group_in_its_group_is_found_and_ended() -> None:
    """Its keeper was killed, its environment is empty, and it has left the session: only the group proves anything."""
    keeper = subprocess.Popen(["sleep", "600"])
    identity = identity_of(keeper.pid)
    group = ControlGroup(tag(identity))
    folder = Path(group.make() or "")
    (folder / "inner").mkdir()
    left = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
    try:
        (folder / "inner" / "cgroup.procs").write_text(str(left.pid))
        keeper.kill()
        keeper.wait()
        assert not group.is_empty
        assert [each.pid for each in survivors(identity, this_process()) or []] == [left.pid]
        end(identity, this_process(), hard=True)
        left.wait()
        assert survivors(identity, this_process()) == []
        assert not folder.exists()
    finally:
        left.kill()
        group.remove()


async def tidied(path: Path, gone: Path) -> None:
    """The housekeeping of a gateway, two days later, until a folder is gone."""
    store = await open_async_store(str(path), create=True)
    housekeeper = Housekeeper(store, Hands(system_clock().later(2 * DAY)), ConfiguredKeep(from_data({})))
    housekeeper.start()
    await until(lambda: not gone.exists(), "the group to be removed")
    housekeeper.stop()
    await store.close()


@pytest.mark.skipif(not CONTROL_GROUPS, reason="no control group can be made here")
def test_F504_a_gateway_removes_control_groups_that_nobody_asks_any_more(tmp_path: Path) -> None:
    """Gateway and keeper were killed, and their database has no gateway since. For a day the group stays, as proof."""
    keepers = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
    groups = [ControlGroup(tag(identity_of(keeper.pid))) for keeper in keepers]
    folders = [Path(group.make() or "") for group in groups]
    (folders[0] / "inner").mkdir()
    agent = subprocess.Popen(["sleep", "600"])
    try:
        (folders[1] / "cgroup.procs").write_text(str(agent.pid))
        for keeper in keepers[:2]:
            keeper.kill()
            keeper.wait()
        remove_leftovers(time.time())
        assert [folder.exists() for folder in folders] == [True, True, True]
        asyncio.run(tidied(tmp_path / "lanes.db", folders[0]))
        assert [folder.exists() for folder in folders] == [False, True, True], "the others have a process"
    finally:
        for process in (agent, *keepers):
            process.kill()
            process.wait()
        for group in groups:
            group.remove()


def test_F153_a_keeper_without_its_order_starts_nothing(tmp_path: Path) -> None:
    """It is held at a socket: where its gateway dies before the process is stored, it just ends."""
    import socket
    import subprocess

    from lanes.runners.command.child import KEEPER

    ours, theirs = socket.socketpair()
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER), str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    ours.sendall(json.dumps({"argv": ["touch", str(tmp_path / "started")]}).encode())  # not yet a whole line
    ours.close()
    assert keeper.wait(60) == 0
    assert not (tmp_path / "started").exists()


@contextlib.contextmanager
def blocked(*numbers: signal.Signals) -> Iterator[None]:
    """What is started in this block inherits these signals as blocked, as from some supervisors."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def test_F1092_an_agent_inherits_no_blocked_signals(tmp_path: Path) -> None:
    """Its keeper waits for SIGCHLD: without it, the run went on until its limit."""
    shows = [sys.executable, "-I", "-S", "-c", "import signal; print(*signal.pthread_sigmask(signal.SIG_BLOCK, ()))"]
    with blocked(signal.SIGCHLD, signal.SIGTERM):
        async with commanded(tmp_path, shows, clocks={**QUICK, "run_timeout": "5s"}) as site:
            ended = await site.ask()
    assert (ended.state, ended.reply) == ("done", "")


def test_F1092_a_gateway_that_inherits_blocked_signals_ends_by_sigterm(made: House) -> None:
    with blocked(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        gateway = made.gateway(forked=False)
    assert gateway.terminate() == 0
