"""Being stopped: by a supervisor, by a terminal that is closed, twice, and with children that stay."""

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lanes.commands.serve import screen
from lanes.config import from_data
from lanes.server.serve import CLOSING_S
from tests.kit.ports import kept_port
from tests.kit.processes import PATIENCE_S, House, Process, environment, eventually
from tests.scenarios.conftest import configure

RUNNERS = '''
"""Runners that leave something behind."""

import os
import sqlite3
import time
from pathlib import Path


async def block(run):
    """Fork a worker that stays, or block the event loop until the file that the text names is there, or for ever
    within a call that no handler in Python can interrupt."""
    if run.text.endswith("below"):
        Path(run.text + ".begun").touch()
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        sqlite3.connect(":memory:").execute(endless).fetchall()
    if run.text != "fork":
        Path(run.text + ".begun").touch()
        while not Path(run.text).exists():
            time.sleep(0.02)
        return "the late reply"
    worker = os.fork()
    if worker == 0:
        time.sleep(600)
        os._exit(0)
    return str(worker)
'''


#: A runner that a test ends, and whose event loop goes on meanwhile.
WAITING = """
import asyncio
from pathlib import Path


async def block(run):
    while not Path(run.text).exists():
        await asyncio.sleep(0.02)
    return "its reply"
"""
#: A gateway whose last resort comes soon.
HASTY = "import sys; from lanes.server import serve; serve.CLOSING_S = 0.2; from lanes.commands import main; main()"


def patient(made: House) -> None:
    """Let what runs take its time, however slow the machine is."""
    made.config.write_text(made.config.read_text().replace('drain_timeout = "2s"', 'drain_timeout = "1h"'))


def waits(made: House) -> Path:
    """Let a message of lane ``blocking:a`` run until the file is there that is returned."""
    go = made.folder / "go"
    made.lanes("send", "blocking:a", str(go))
    eventually(lambda: made.count("SELECT count(*) FROM runs"), "the lane to run")
    return go


def draining(made: House) -> int:
    return made.count("SELECT count(*) FROM owners WHERE drain_by IS NOT NULL")


def test_F117_the_default_drain_leaves_room_within_thirty_seconds() -> None:
    assert from_data({}).clocks.drain_timeout_ms / 1000 + CLOSING_S < 30


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_F117_a_signal_drains(made: House, number: signal.Signals) -> None:
    configure(made, "http://127.0.0.1:9")
    patient(made)
    (made.folder / "scenario_runners.py").write_text(WAITING)
    gateway = made.gateway()
    go = waits(made)
    gateway.popen.send_signal(number)
    eventually(lambda: "draining" in gateway.said() and draining(made), "the drain")
    if number is signal.SIGHUP:  # a shell that ends tells its jobs once more: that means the same
        gateway.popen.send_signal(number)
        eventually(lambda: not _pending(gateway.pid), "the second one to be taken")
    go.touch()
    assert gateway.popen.wait(PATIENCE_S) == 0
    assert "at once" not in gateway.said().replace("a second signal stops at once", "")
    assert made.row("SELECT state FROM messages") == ("done",), "what ran within drain_timeout came to its end"
    assert not made.history().problems


def test_F117_an_ignored_hangup_stays_ignored(made: House) -> None:
    configure(made, "http://127.0.0.1:9")
    where = ("--db", str(made.database), "--config", str(made.config), "--port", "0")
    log = (made.folder / "nohup.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "lanes", "gateway", *where],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=made.folder,
            env=environment(made.folder),
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        ) as process,
    ):
        said = Path(log.name)
        eventually(lambda: b"gateway on" in said.read_bytes(), "the gateway")
        process.send_signal(signal.SIGHUP)
        made.lanes("send", "a", "hello")
        eventually(lambda: made.count("SELECT count(*) FROM runs"), "it to claim all the same")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("where", ["go", "below"])
def test_F117_a_second_signal_means_now_whatever_blocks_the_event_loop(made: House, where: str) -> None:
    configure(made, "http://127.0.0.1:9")
    patient(made)
    (made.folder / "scenario_runners.py").write_text(RUNNERS)
    options = ("gateway", "--db", str(made.database), "--config", str(made.config), "--port", "0")
    gateway = Process([sys.executable, "-c", HASTY, *options], made.folder, "gateway")
    made.processes.append(gateway)
    gateway.address()
    made.lanes("send", "blocking:a", str(made.folder / where))
    eventually((made.folder / f"{where}.begun").exists, "the event loop to be blocked")
    gateway.popen.send_signal(signal.SIGTERM)
    eventually(lambda: not _pending(gateway.pid), "the first signal to be taken")
    gateway.popen.send_signal(signal.SIGTERM)
    assert gateway.popen.wait(PATIENCE_S) == 1, gateway.said()
    assert "did not end in time" in gateway.said()


def _pending(pid: int) -> bool:
    """Whether a signal waits for a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))


def test_F121_a_forked_worker_keeps_neither_the_address_nor_its_signals(made: House) -> None:
    configure(made, "http://127.0.0.1:9")
    (made.folder / "scenario_runners.py").write_text(RUNNERS)
    with kept_port() as number:
        port = str(number)
        first = _on_port(made, "first", port)
        workers = [int(made.lanes("send", "blocking:a", "fork", "--wait", "--json").json["reply"]) for _ in range(2)]
        try:
            os.kill(workers[0], signal.SIGTERM)
            eventually(lambda: not _alive(workers[0]), "the worker to heed a signal that is for it")
            assert made.lanes("status", "--json").json["gateways"][0]["draining"] is None, "and nobody else does"
            first.kill()
            assert _alive(workers[1])
            second = _on_port(made, "second", port)
            assert second.url.endswith(f":{port}")
        finally:
            for worker in workers:
                if _alive(worker):
                    os.kill(worker, signal.SIGKILL)


def _on_port(made: House, name: str, port: str) -> Process:
    process = made.start("gateway", "--db", str(made.database), "--config", str(made.config), "--port", port, name=name)
    process.url = process.address()
    return process


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_F117_a_terminal_that_is_closed_drains_the_gateway_and_ends_the_dashboard(made: House) -> None:
    configure(made, "http://127.0.0.1:9")
    patient(made)
    (made.folder / "scenario_runners.py").write_text(WAITING)
    pid, terminal = _up(made)
    threading.Thread(target=_read_until_closed, args=(terminal,), daemon=True).start()
    eventually(lambda: _dashboards(pid), "the dashboard to be started")
    go = waits(made)
    dashboards = _dashboards(pid)
    os.close(terminal)
    eventually(lambda: draining(made), "the drain")
    go.touch()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert made.row("SELECT state FROM messages") == ("done",)
    assert made.count("SELECT count(*) FROM owners WHERE ended_at IS NULL") == 0
    eventually(lambda: not any(_alive(each) for each in dashboards), "the dashboard to end")


def test_F920_a_gateway_that_drains_does_not_say_that_it_goes_on(made: House) -> None:
    """Ctrl-C reaches both processes until the dashboard has taken the terminal."""
    configure(made, "http://127.0.0.1:9")
    patient(made)
    (made.folder / "scenario_runners.py").write_text(WAITING)
    pid, terminal = _up(made)
    said = bytearray()
    reading = threading.Thread(target=_read_until_closed, args=(terminal, said), daemon=True)
    reading.start()
    eventually(lambda: _dashboards(pid), "the dashboard to be started")
    go = waits(made)
    (dashboard,) = _dashboards(pid)
    os.kill(pid, signal.SIGINT)
    eventually(lambda: draining(made), "the drain")
    os.kill(dashboard, signal.SIGKILL)
    eventually(lambda: not _alive(dashboard), "the dashboard to end")
    go.touch()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    reading.join(PATIENCE_S)
    os.close(terminal)
    assert b"continues here" not in said


async def test_F117_a_dashboard_that_does_not_heed_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose terminal was closed under it may be busy with that for ever."""
    monkeypatch.setattr(screen, "PATIENCE_S", 0.01)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", deaf, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    await screen._ended(process)
    assert process.returncode == -signal.SIGKILL


def _up(made: House) -> tuple[int, int]:
    """The process of ``lanes up`` on a terminal, and that."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(made.folder)
        where = ["--db", str(made.database), "--config", str(made.config), "--port", "0"]
        os.execve(sys.executable, [sys.executable, "-m", "lanes", "up", *where], environment(made.folder))
    return pid, terminal


def _read_until_closed(terminal: int, said: bytearray | None = None) -> None:
    with contextlib.suppress(OSError):
        while found := os.read(terminal, 65_536):
            if said is not None:
                said += found


def _dashboards(pid: int) -> list[int]:
    """The dashboards that a process has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(each) for each in children if b"dashboard" in Path(f"/proc/{each}/cmdline").read_bytes()]
