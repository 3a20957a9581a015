"""A log that nobody reads: the pipe is full, and everything goes on."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.kit.processes import PATIENCE_S, House, environment, eventually
from tests.scenarios.conftest import configure

RUNNERS = '''
"""A runner that says much, and one that waits."""

import asyncio
import sys


async def block(run):
    if run.text == "wait":
        await asyncio.Event().wait()
    print("x" * 100_000)
    print("y" * 100_000, file=sys.stderr)
    raise ValueError("z" * 100_000)
'''


CONFIG_WITHOUT_KEY = """
[[runner]]
name = "chat"
kind = "provider"
providers = ["only"]

[[provider]]
name = "only"
dialect = "chat"
base_url = "http://127.0.0.1:9/v1"
model = "none"
api_key_env = "LANES_NO_SUCH_KEY"
"""


def fill(writing: int) -> None:
    """Write into a pipe until it is full."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    os.set_blocking(writing, True)


@contextlib.contextmanager
def unread(made: House) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway whose standard output and standard error are a full pipe that nobody reads."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    fill(writing)
    where = ["--db", str(made.database), "--config", str(made.config), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lanes", "gateway", *where],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
        cwd=made.folder,
        env=environment(made.folder),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(reading)
        os.close(writing)


def test_F115_a_log_that_nobody_reads_stops_nothing(made: House) -> None:
    configure(made, "http://127.0.0.1:9")
    (made.folder / "scenario_runners.py").write_text(RUNNERS)
    with unread(made) as process:
        owner = eventually(lambda: _owner(made, process.pid), "the gateway to register")
        made.send_many([("blocking:waits", "wait"), *((f"blocking:{n}", "speak") for n in range(20))])
        eventually(
            lambda: made.count("SELECT count(*) FROM messages WHERE state = 'failed'") == 20,
            "every run that speaks to end",
        )
        made.gateway("second")
        beats = made.count(f"SELECT heartbeats FROM owners WHERE id = {owner}")
        eventually(
            lambda: made.count(f"SELECT heartbeats FROM owners WHERE id = {owner}") > beats + 5,
            "its heart to go on",
        )
        assert made.held() == ["blocking:waits"]
        assert made.count("SELECT count(*) FROM events WHERE type = 'reclaim'") == 0, "the second takes nothing"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert made.row("SELECT cause FROM runs WHERE edge = 'reclaim'") == ("drained",)
    assert not made.history().problems


def _owner(made: House, pid: int) -> int | None:
    with contextlib.suppress(Exception):
        return int(made.row("SELECT id FROM owners WHERE pid = ? AND ended_at IS NULL", pid)[0])
    return None


def test_F115_a_gateway_that_does_not_start_says_why(made: House) -> None:
    made.config.write_text(CONFIG_WITHOUT_KEY)
    where = ["--db", str(made.database), "--config", str(made.config), "--port", "0"]
    # no other thread gets a turn that the last words of this one do not wait for
    program = "import sys; from lanes.commands import main; sys.setswitchinterval(3600); sys.warnoptions = []; main()"
    refused = subprocess.run(
        [sys.executable, "-c", program, "gateway", *where],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=made.folder,
        env=environment(made.folder),
        check=False,
    )
    assert refused.returncode == 78
    assert "LANES_NO_SUCH_KEY" in refused.stderr
