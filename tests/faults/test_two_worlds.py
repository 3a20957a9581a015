"""The files under the path change while a gateway has them open, or its locks on them fall."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.kit.processes import PATIENCE_S, House, Process, eventually

CONFIG = """
[clocks]
heartbeat_interval = "200ms"
reconcile_interval = "200ms"
drain_timeout = "2s"

[[runner]]
name = "reader"
kind = "python"
target = "scenario_runners:read"

[[policy]]
match = "*"
on_interrupt = "requeue"
"""
RUNNERS = '''
import asyncio
from pathlib import Path


async def read(run):
    """Read every file of the folder, as a tool for programmers does; wait for the file that the text names."""
    for file in Path().glob("lanes.db*"):
        file.read_bytes()
    Path("read").touch()
    while run.text.startswith("until ") and not Path(run.text.removeprefix("until ")).exists():
        await asyncio.sleep(0.01)
    return f"read for {run.text}"
'''


@pytest.fixture
def gateway(made: House) -> Process:
    made.config.write_text(CONFIG)
    (made.folder / "scenario_runners.py").write_text(RUNNERS)
    return made.gateway(forked=False)  # its command line is named


def ask(gateway: Process, key: str, text: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}/api/lanes/{key}/messages", json={"text": text}, timeout=PATIENCE_S, verify=False)


def readiness(gateway: Process) -> int:
    return httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_S, verify=False).status_code


def answers(database: Path) -> dict[int, str]:
    """The replies in a file that nobody uses any more."""
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT id, reply FROM messages WHERE reply IS NOT NULL"))


@pytest.mark.parametrize("end", [Process.kill, lambda process: process.terminate()], ids=["kill", "term"])
def test_F76_a_runner_that_reads_the_files_of_its_folder_loses_nothing(
    made: House, gateway: Process, end: Callable[[Process], object]
) -> None:
    told = {}
    for number in range(3):
        told[int(made.lanes("send", "a", str(number)).out)] = f"read for {number}"
        eventually(lambda: set(told) <= set(answers_of(gateway, told)), "its answer")
        assert made.lanes("list", "--json").json[0]["key"] == "a"  # would take itself for the last
    log = made.folder / "lanes.db-wal"
    inode = log.stat().st_ino
    made.lanes("why", "a")
    assert log.stat().st_ino == inode
    end(gateway)
    assert answers(made.database) == told
    assert made.lanes("doctor").code == 0
    assert not made.history(told, settled=True).problems


def answers_of(gateway: Process, ids: dict[int, str]) -> list[int]:
    """Which of these the gateway shows as done."""
    url = f"{gateway.url}/api/messages"
    asked = {one: httpx.get(f"{url}/{one}", timeout=PATIENCE_S, verify=False).json() for one in ids}
    return [one for one, message in asked.items() if message["state"] == "done"]


@pytest.fixture
def running(made: House, gateway: Process) -> Process:
    """A gateway with a run that goes on until it is told to stop."""
    assert ask(gateway, "a", "until done").status_code == 202
    eventually((made.folder / "read").exists, "its runner to have read the files, which then may go")
    return gateway


def lost(gateway: Process) -> None:
    """It has found out, says so once, and takes nothing."""
    eventually(lambda: readiness(gateway) == 503, "it to find out")
    refused = ask(gateway, "b", "meanwhile")
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert "lanes.db" in refused.json()["detail"]
    assert httpx.get(f"{gateway.url}/api/lanes", timeout=PATIENCE_S, verify=False).status_code == 503
    eventually(lambda: "nothing is accepted, claimed or reported any more" in gateway.said(), "it to say why")
    assert gateway.said().count("DatabaseReplaced") == 0
    assert gateway.said().count("nothing is accepted") == 1


def test_F78_a_file_that_is_deleted_under_a_gateway(made: House, running: Process) -> None:
    for end in ("", "-wal", "-shm"):
        made.database.with_name(made.database.name + end).unlink()
    lost(running)
    doctor = made.lanes("doctor", "--json", check=False)
    assert doctor.code == 1
    (found,) = [check for check in doctor.json if check["level"] == "broken"]
    assert f"process {running.pid}" in found["message"]
    assert "lanes gateway" in found["message"]
    # what it was told before is saved from what it has open
    for at, name in re.findall(r"cp (\S+) (saved\.db(?:-wal)?)", found["fix"]):
        shutil.copyfile(at, made.folder / name)
    assert made.lanes("--db", str(made.folder / "saved.db"), "list", "--json").json[0]["key"] == "a"
    assert running.terminate() == 0, "it ends in good order all the same"


def test_F78_another_file_in_its_place_and_a_second_gateway_on_it(made: House, running: Process) -> None:
    """The second one may run the lane in its own file: the first has stopped."""
    copy = made.folder / "copy.db"
    made.lanes("db", "backup", str(copy))
    for end in ("-wal", "-shm", ""):
        made.database.with_name(made.database.name + end).unlink()
    copy.rename(made.database)
    lost(running)
    doctor = made.lanes("doctor", "--json", check=False)
    assert doctor.code == 1
    assert any(f"process {running.pid}" in check["message"] for check in doctor.json if check["level"] == "broken")
    running.kill()
    second = made.gateway("second")
    (made.folder / "done").touch()
    eventually(lambda: answers_of(second, {1: ""}), "the message to run there")
    assert second.terminate() == 0
    assert made.lanes("doctor").code == 0


def test_F79_a_file_that_comes_back(made: House, running: Process) -> None:
    aside = made.folder / "aside"
    aside.mkdir()
    files = [made.database.with_name(made.database.name + end) for end in ("", "-wal", "-shm")]
    for file in files:
        file.rename(aside / file.name)
    lost(running)
    for file in files:
        (aside / file.name).rename(file)
    eventually(lambda: readiness(running) == 200, "it to go on")
    eventually(lambda: "is back" in running.said(), "it to say so")
    (made.folder / "done").touch()
    eventually(lambda: answers_of(running, {1: ""}), "the message to run again")
    assert made.row("SELECT state, interruptions FROM messages WHERE id = 1") == ("done", 0)
    assert ask(running, "b", "after").status_code == 202
    assert running.terminate() == 0
    assert not made.history([1]).problems


def test_F80_nothing_that_a_sender_was_told_is_in_the_file_that_a_restore_put_aside(made: House) -> None:
    """A program that only sends is no owner, and hinders no restore."""
    import lanes_storage
    from lanes_storage.errors import DatabaseReplaced

    made.lanes("send", "a", "before")
    copy = made.folder / "copy.db"
    made.lanes("db", "backup", str(copy))
    old_program = sqlite3.connect(made.database, isolation_level=None)  # knows of no guard
    with closing(lanes_storage.open_store(str(made.database))) as sender, closing(old_program):
        old_program.execute("SELECT count(*) FROM messages").fetchone()
        kept = made.lanes("db", "restore", str(copy), "--json").json["kept"]
        with pytest.raises(DatabaseReplaced):
            sender.write(lambda tx: tx.run("UPDATE counters SET value = 4711", {}))
        with pytest.raises(sqlite3.IntegrityError, match="put aside when a copy was restored"):
            old_program.execute("UPDATE counters SET value = 4711")
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT count(*) FROM counters WHERE value = 4711").fetchone() == (0,)
    assert made.lanes("--db", kept, "list", "--json").json[0]["key"] == "a"
    refused = made.lanes("--db", kept, "send", "a", "into the old one", check=False)
    assert (refused.code, refused.out) == (69, "")
    # and back again: the file that was put aside is a copy as good as any
    made.lanes("db", "restore", kept)
    assert made.lanes("send", "a", "after").code == 0
    assert made.lanes("doctor").code == 0


def test_F81_a_restore_follows_a_link_and_keeps_the_mode(made: House) -> None:
    real = made.folder / "disk" / "real.db"
    real.parent.mkdir()
    made.lanes("--db", str(real), "send", "a", "before")
    link = made.folder / "link.db"
    link.symlink_to(real)
    copy = made.folder / "copy.db"
    made.lanes("--db", str(link), "db", "backup", str(copy))
    real.chmod(0o640)
    kept = Path(made.lanes("--db", str(link), "db", "restore", str(copy), "--json").json["kept"])
    assert link.is_symlink()
    assert kept.parent == real.parent
    assert real.stat().st_mode & 0o777 == 0o640
    assert made.lanes("--db", str(real), "list", "--json").json[0]["key"] == "a"


def test_F82_a_URI_in_place_of_a_path_is_refused(made: House) -> None:
    for name in ("file:x.db?mode=memory", "file:real.db"):
        refused = made.lanes("--db", name, "send", "a", "hello", check=False)
        assert (refused.code, refused.out) == (69, "")
        assert "name a file in a folder that exists" in refused.err
    assert not list(made.folder.glob("*real.db*"))
