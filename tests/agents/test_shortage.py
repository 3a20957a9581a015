"""A limit of processes is reached: by `ulimit -u`, `TasksMax=`, `--pids-limit`, or by an agent that forks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lanes.host import descriptors
from lanes.runners.command.child import Child
from lanes.runners.command.trees import check_room
from lanes.runners.http.failures import NoProcess
from tests.agents.kit import commanded
from tests.kit.filesystems import needed_disk
from tests.kit.processes import PATIENCE_S, environment, house
from tests.kit.until import until

ROOT = Path(__file__).parents[2]
#: This limit is not for root: the real user of the processes is another one, without what would lift it.
LIMITED = ["setpriv", "--ruid", "54321", "--bounding-set", "-sys_resource,-sys_admin"] if os.geteuid() == 0 else []
SHORT = """
import asyncio, resource, sys
from pathlib import Path
from lanes.host import descriptors
from tests.agents.kit import commanded
from tests.kit.until import until

async def main():
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    async with commanded(Path(sys.argv[1]), ["echo", "done"]) as site:
        if "first" in sys.argv:
            await site.ask("first", "z")
        resource.setrlimit(resource.RLIMIT_NPROC, (1, most))
        sent = [await site.desk.send(key, "hello") for key in "abc"]
        async def refused():
            lane = await site.desk.lane("a")
            return lane.last_error is not None
        await until(refused, "a run that finds no room")
        lane = await site.desk.lane("a")
        print(lane.last_error.cause, lane.last_error.message)
        live = site.gateway._engine._live
        print("waits:", live.has_no_process("coder"), live.has_no_process("other"), descriptors.room(0) > 0)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        print([(await site.desk.wait(each.id)).reply for each in sent])

asyncio.run(main())
"""
#: A name is looked up in a thread.
NAMED = """
import asyncio, resource, sys
from pathlib import Path
from tests.agents.kit import configured
from tests.kit.rawserver import DONE, STREAM, chunk, raw_server
from tests.kit.until import until

async def answer(call):
    await call.say(STREAM, chunk("done", "stop"), DONE)

async def main():
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    chat = {"name": "chat", "kind": "provider", "providers": ["named"]}
    async with raw_server(answer) as url:
        named = {"name": "named", "base_url": url.replace("127.0.0.1", "localhost"), "model": "m"}
        async with configured(Path(sys.argv[1]), chat, provider=[named]) as site:
            resource.setrlimit(resource.RLIMIT_NPROC, (1, most))
            sent = await site.desk.send("a", "hello")
            async def refused():
                return (await site.desk.lane("a")).last_error is not None
            await until(refused, "a run that finds no room")
            lane = await site.desk.lane("a")
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            print(lane.last_error.cause, lane.last_error.message)
            print((await site.desk.wait(sent.id)).reply)

asyncio.run(main())
"""
THREADS = """
import asyncio, resource
from lanes_storage.threads import in_thread

async def main():
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    done = []
    resource.setrlimit(resource.RLIMIT_NPROC, (1, most))
    try:
        await in_thread(done.append, "first")
    except RuntimeError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    await in_thread(done.append, "second")
    print(done)

asyncio.run(main())
"""
RUNNER = """
[[runner]]
name = "echo"
kind = "command"
argv = ["cat"]
"""
COMMAND = """
import resource, sys
from lanes.commands import main
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
sys.exit(main())
"""

DESCRIPTORS = """
import asyncio, resource, sys
from pathlib import Path
from tests.agents.kit import commanded
from tests.kit.until import until

async def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with commanded(Path(sys.argv[1]), ["echo", "done"]) as site:
        await site.ask("first", "z")
        await site.desk.lane("z")  # what is loaded for these takes descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, hard))
        sent = await site.desk.send("a", "hello")
        async def refused():
            return (await site.desk.lane("a")).last_error is not None
        await until(refused, "a run that finds no room")
        lane = await site.desk.lane("a")
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        print(lane.last_error.cause)
        print((await site.desk.wait(sent.id)).reply)

asyncio.run(main())
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux" or not shutil.which("setpriv"), reason="needs setpriv")


@pytest.mark.parametrize("before", [["first"], []], ids=["later", "the first ones"])
def test_F873_F883_F1094_messages_wait_for_a_process_as_for_a_descriptor(tmp_path: Path, before: list[str]) -> None:
    """Each of them failed at once, and nothing was left that could run once there was room. Then they waited, and
    nothing was claimed meanwhile for other runners, too, which start no process. The first ones of a gateway failed
    with "can't start new thread": their folder is made in a thread, and there was none yet."""
    done = limited(tmp_path, SHORT, str(tmp_path), *before)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "no_process no process could be started: Resource temporarily unavailable",
        "waits: True False True",
        "['done', 'done', 'done']",
    ]


def test_F1098_no_descriptor_for_a_folder_fails_no_message(tmp_path: Path) -> None:
    """Only where one was missing for the program itself, its message waited."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIPTORS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["no_descriptor", "done"], done.stderr


async def test_F1099_a_message_waits_until_the_disk_of_its_folder_has_room(tmp_path: Path) -> None:
    """One after the other became a dead letter, as long as the disk was full."""
    with needed_disk(tmp_path / "disk", 1) as disk:
        async with commanded(tmp_path, ["echo", "done"], cwd=str(disk.folder / "{lane_id}")) as site:
            disk.fill()
            sent = await site.desk.send("a", "hello")

            async def refused() -> bool:
                return (await site.desk.lane("a")).last_error is not None

            await until(refused, "a run that finds no room")
            error = (await site.desk.lane("a")).last_error
            assert error is not None
            assert (error.cause, "No space left" in error.message) == ("no_folder", True)
            disk.free()
            assert (await site.desk.wait(sent.id)).reply == "done"


def test_F887_so_do_those_of_a_provider_whose_name_can_not_be_looked_up(tmp_path: Path) -> None:
    """That takes a thread: each of them failed, with a traceback in the log."""
    done = limited(tmp_path, NAMED, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["no_process no process could be started: can't start new thread", "done"]
    assert "Traceback" not in done.stderr


def test_F888_work_that_no_thread_could_begin_is_not_done_later(tmp_path: Path) -> None:
    """Its caller was told that it failed, and has gone on."""
    done = limited(tmp_path, THREADS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["can't start new thread", "['second']"]


def test_F873_a_keeper_that_can_start_no_process_says_so() -> None:
    child = Child.__new__(Child)
    child.no_process, child.exit, child.failure, child._left = False, None, None, None
    child._note({"failed": "No such file or directory (x)", "errno": 2})
    check_room(child)
    child._note({"failed": "Resource temporarily unavailable", "errno": 11})
    with pytest.raises(NoProcess, match="no process could be started: Resource temporarily unavailable"):
        check_room(child)


@pytest.mark.parametrize("words", [["list"], ["why", "a"], ["abort", "a", "--scope", "both"], ["status"]], ids=str)
def test_F874_commands_need_no_further_thread(tmp_path: Path, words: list[str]) -> None:
    """They ended with a traceback just where a lane has to be freed."""
    with house(tmp_path) as made:
        made.lanes("send", "a", "hello")
        done = limited(tmp_path, COMMAND, "--db", str(made.database), *words)
        assert done.returncode == (69 if words == ["status"] else 0), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout


def test_F977_a_gateway_that_can_start_no_thread_says_so_in_one_sentence(tmp_path: Path) -> None:
    """As under a `TasksMax=` that is too low: it ended with a traceback."""
    with house(tmp_path) as made:
        made.config.write_text(RUNNER)
        where = ["--db", str(made.database), "--config", str(made.config)]
        done = limited(tmp_path, COMMAND, *where, "gateway", "--port", "0")
    assert done.returncode == 69, done.stderr
    assert not [words for words in ("can't start new thread", "never awaited") if words in done.stderr]
    assert "lanes: no further thread can be started" in done.stderr


def test_F882_the_longer_nothing_has_room_the_more_rarely_it_is_tried() -> None:
    """Two events for each lane and second filled the journal for as long as a limit was reached."""
    shortage, now, pauses = descriptors.Shortage(), 0.0, []
    for _ in range(6):
        shortage.note(now)
        shortage.note(now + 0.5)  # others of the same moment
        began = now
        while shortage.lasts(now):
            now += 0.25
        pauses.append(now - began)
    assert pauses == [1, 2, 4, 8, 8, 8]
    now += descriptors.LONGEST_PAUSE_S  # there was room since
    shortage.note(now)
    assert not shortage.lasts(now + descriptors.PAUSE_S)


def limited(folder: Path, script: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a program under which a limit of processes holds."""
    command = [*LIMITED, sys.executable, "-c", script, *words]
    env = environment(folder) | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
