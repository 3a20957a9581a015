"""Signals that end the dashboard: the terminal is given back as it was found."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

#: What a shell reports for a program that a signal ended is this and the signal's number.
KILLED_BY = 128
#: How long leaving may take. Where the terminal itself is gone, nothing that is written to it ever ends.
PATIENCE_S = 2.0
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def leave_on_signals(leave: Callable[[int], None]) -> None:
    """Call ``leave`` with an exit code when a signal asks this process to end. Needs a running event loop.

    The loop may be blocked by then: on a terminal that is gone, whatever writes waits for ever. So the handlers are
    Python's own, which need no turn of the loop, and a thread ends the process that has not left in time.
    """
    loop, codes = asyncio.get_running_loop(), SimpleQueue[int]()
    threading.Thread(target=_leave_at_last, args=(codes,), name="lanes-last-resort", daemon=True).start()

    def told(number: int, _frame: object) -> None:
        codes.put(KILLED_BY + number)
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is leaving already
            loop.call_soon_threadsafe(leave, KILLED_BY + number)

    for number in ENDING:
        signal.signal(number, told)


def _leave_at_last(codes: SimpleQueue[int]) -> None:
    code = codes.get()
    time.sleep(PATIENCE_S)
    os._exit(code)
