"""Signals end the dashboard, whatever keeps its event loop from a turn."""

import signal
import subprocess
import sys

import pytest

from tests.kit.processes import PATIENCE_S

#: As where the terminal is gone: the writing thread has died, and who hands it something waits for ever.
BLOCKED = """
import asyncio, threading
from lanes_tui.signals import leave_on_signals

async def main():
    leave_on_signals(lambda code: None)
    print("blocked", flush=True)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_F117_a_dashboard_whose_loop_is_blocked_is_ended_by_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"blocked\n"
        process.send_signal(number)
        try:
            assert process.wait(PATIENCE_S) == 128 + number
        finally:
            process.kill()
