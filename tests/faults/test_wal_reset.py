"""F85: the WAL-reset fault of SQLite 3.7.0 to 3.51.2, forced: a process is inside its checkpoint while another writes.

``hold_checkpoint.c`` holds it between its copy of the header of the log's index and its look at how much was copied.
"""

import contextlib
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.testing import START, broken
from lanes_storage import doors, errors, open_store, reads
from lanes_storage.interface import Step, Transaction
from lanes_storage.records import Admission, NewMessage
from lanes_storage.sqlite.file import locking
from lanes_storage.sqlite.inspect import has_reset_fault
from tests.kit.databases import lay
from tests.kit.processes import eventually
from tests.kit.tools import needs

#: A checkpoint that copies all, and then one that is held, each as that program makes it.
COPIER = """
import sys
from pathlib import Path
{prelude}
copy()
(Path(sys.argv[2]) / "arm").touch()
copy()
print("copied", flush=True)
sys.stdin.readline()
"""
#: As SQLite does by itself, after a commit.
BARE = """
import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
copy = lambda: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
"""
LANES = """
from lanes_storage import open_store
store = open_store(sys.argv[1])
copy = store._file.log.idle
"""
SENDS = 12

pytestmark = [
    needs("gcc"),
    pytest.mark.skipif(
        platform.machine() != "x86_64" or sys.platform != "linux", reason="the shim is for this machine"
    ),
]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("shim") / "hold_checkpoint.so"
    source = Path(__file__).with_name("hold_checkpoint.c")
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return built


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = lay(tmp_path / "lanes.db")
    with contextlib.closing(open_store(str(path))) as store:
        for number in range(20):
            store.write(send(f"before {number}"))
    return path


def send(key: str) -> Step[int]:
    def step(tx: Transaction) -> int:
        accepted = doors.accept(NewMessage(key, "hello"), Admission(), START)(tx)
        assert isinstance(accepted, doors.Accepted)
        return accepted.message_id

    return step


@contextlib.contextmanager
def held(shim: Path, path: Path, prelude: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that is inside its checkpoint."""
    environment = os.environ | {"LD_PRELOAD": str(shim), "HOLD": str(path.parent)}
    command = [sys.executable, "-c", COPIER.format(prelude=prelude), str(path), str(path.parent)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            eventually((path.parent / "held").exists, "it to be inside its checkpoint")
            yield process
        finally:
            let_go(path, process)
            process.communicate("\n")


def let_go(path: Path, process: "subprocess.Popen[str]") -> None:
    """Let the checkpoint come to its end."""
    go = path.parent / "go"
    if not go.exists():
        go.touch()
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"


def test_F85_nothing_is_lost_that_is_sent_while_a_process_is_inside_its_checkpoint(
    shim: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(shim, path, LANES) as process:
        with contextlib.closing(open_store(str(path))) as sender, monkeypatch.context() as hasty:
            hasty.setattr(locking, "BUSY_TIMEOUT_MS", 100)
            with pytest.raises(errors.DatabaseLocked):
                sender.write(send("meanwhile"))
        let_go(path, process)
        told = []
        for number in range(SENDS):
            with contextlib.closing(open_store(str(path))) as sender:
                told.append(sender.write(send(f"after {number}")))
    assert len(set(told)) == SENDS, "no id is given twice"
    with contextlib.closing(open_store(str(path))) as fresh:
        assert all(fresh.read(reads.message(one)) is not None for one in told)
        assert broken(fresh) == []


@pytest.mark.skipif(not has_reset_fault(sqlite3.sqlite_version_info[:3]), reason="this SQLite does not have the fault")
def test_F85_the_fault_is_there_without_the_write_lock(shim: Path, path: Path) -> None:
    """What the test above would show of a program that leaves checkpoints to SQLite: all is told, and none is kept."""
    with contextlib.closing(bare(path)) as first:
        first.execute("INSERT INTO counters VALUES ('one more', 0)")
        with held(shim, path, BARE) as process:
            first.execute("UPDATE counters SET value = 1 WHERE name = 'one more'")
            let_go(path, process)
            for number in range(SENDS):
                with contextlib.closing(bare(path)) as sender:
                    sender.execute("INSERT INTO counters VALUES (?, 0)", (f"after {number}",))
            with contextlib.closing(bare(path)) as fresh:
                assert fresh.execute("SELECT count(*) FROM counters WHERE name LIKE 'after %'").fetchone() == (0,)


def bare(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
