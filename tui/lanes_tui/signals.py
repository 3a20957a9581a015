"""Signals that end the dashboard: the terminal is given back as it was found."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

#: What a shell reports for a program that a signal ended is this and the signal's number.
KILLED_BY = 128
#: How long leaving may take. Where the terminal itself is gone, nothing that is written to it ever ends.
PATIENCE_S = 2.0
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def leave_on_signals(leave: Callable[[int], None]) -> None:
    """Call ``leave`` with an exit code when a signal asks this process to end. Needs a running event loop."""
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, _leave, leave, KILLED_BY + number)


def _leave(leave: Callable[[int], None], code: int) -> None:
    last = threading.Timer(PATIENCE_S, os._exit, (code,))
    last.daemon = True
    last.start()
    leave(code)
