"""A file that another process keeps locked: who holds it is named, and what to do; looking still works."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes_storage.sqlite.file import locking
from lanes_storage.sqlite.file.paths import Files
from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S, House, eventually
from tests.kit.stage import Stage

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


STAND_BEHIND = """
import fcntl, sys
side = open(sys.argv[1], "r+")
fcntl.flock(side, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def program(text: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds a lock on a file."""
    command = [sys.executable, "-c", text, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def holder(stage: Stage, database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the write lock of a database with one held lane, for longer than anyone waits."""
    monkeypatch.setattr(locking, "BUSY_TIMEOUT_MS", 200)
    stage.hold("k", stage.owner())
    with program(HOLD, database) as process:
        yield process


def test_abort_on_a_locked_file_is_69_and_names_the_stopped_process(
    lanes: Call, holder: "subprocess.Popen[str]"
) -> None:
    holder.send_signal(signal.SIGSTOP)
    eventually(lambda: " T " in Path(f"/proc/{holder.pid}/stat").read_text(), "it to be stopped")
    refused = lanes("abort", "k", "--json")
    assert (refused.code, refused.json) == (69, [])
    assert f"process {holder.pid} (stopped)" in refused.err
    assert f"kill -CONT {holder.pid}" in refused.err
    assert lanes("list", "--json").json[0]["key"] == "k", "looking needs no lock"
    assert lanes("why", "k").code == 0


def test_one_that_is_busy_is_named_as_well(lanes: Call, holder: "subprocess.Popen[str]") -> None:
    refused = lanes("pause", "k")
    assert refused.code == 69
    assert f"process {holder.pid} (running)" in refused.err


def test_F902_one_that_waits_for_it_itself_is_not_named(
    lanes: Call, holder: "subprocess.Popen[str]", database: Path
) -> None:
    """Nobody is told to end a gateway that is next in line."""
    with program(STAND_BEHIND, Files.of(database).side) as waiting:
        refused = lanes("pause", "k")
        assert f"it is held by process {holder.pid} (running): wait for it, or end it" in refused.err
        holder.send_signal(signal.SIGSTOP)
        eventually(lambda: " T " in Path(f"/proc/{holder.pid}/stat").read_text(), "it to be stopped")
        refused = lanes("pause", "k")
        assert f"kill -CONT {holder.pid}`" in refused.err
        assert str(waiting.pid) not in refused.err


def test_a_gateway_that_is_stopped_without_the_lock_holds_nobody_up(served: House, lanes: Call) -> None:
    gateway = served.gateway()
    lanes("send", "k", "[[sim-hang]]")
    eventually(lambda: served.held() == ["k"], "the lane to be held")
    gateway.freeze(served.database)
    aborted = lanes("abort", "k", "--grace", "200ms", "--json")
    gateway.thaw()
    assert aborted.code == 0
    assert aborted.json[0]["outcome"] == "forced"
    assert gateway.terminate(PATIENCE_S) == 0


def test_the_doctor_names_a_stopped_process_that_holds_the_lock(lanes: Call, holder: "subprocess.Popen[str]") -> None:
    assert {c["check"]: c["level"] for c in lanes("doctor", "--json").json}["lock"] == "ok", "one that runs ends soon"
    holder.send_signal(signal.SIGSTOP)
    eventually(lambda: " T " in Path(f"/proc/{holder.pid}/stat").read_text(), "it to be stopped")
    (found,) = [check for check in lanes("doctor", "--json").json if check["check"] == "lock"]
    assert found["level"] == "warning"
    assert f"process {holder.pid} (stopped)" in found["message"]
    assert f"kill -CONT {holder.pid}" in found["fix"]


def test_a_stopped_gateway_is_told_as_one(served: House, lanes: Call) -> None:
    gateway = served.gateway()
    lanes("send", "k", "[[sim-hang]]")
    eventually(lambda: served.held() == ["k"], "the lane to be held")
    gateway.freeze(served.database)
    for command in (("status",), ("why", "k"), ("doctor",)):
        seen = lanes(*command).out
        assert "stopped" in seen, command
        assert f"kill -CONT {gateway.pid}" in seen, command
    status = lanes("status", "--json").json["gateways"][0]
    assert (status["alive"], "is stopped" in status["evidence"]) == (True, True), "nobody takes its lanes yet"
    gateway.thaw()
    assert "kill -CONT" not in lanes("status").out
