"""A process that listens on a port and is stopped: the system takes connections for it, and nothing answers."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

LISTEN = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"


@contextlib.contextmanager
def stopped_listener() -> Iterator[tuple[int, int]]:
    """Yields its pid and its port."""
    process = subprocess.Popen([sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            yield process.pid, port
        finally:
            process.kill()
