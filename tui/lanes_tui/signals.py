"""Ends the dashboard on a signal, or once it has lost its terminal or gateway: cleanly if possible, else by force."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from lanes_tui.surroundings import HUNG_UP

#: The exit code of a program that a signal ended is this plus the number of the signal, as shells report it.
KILLED_BY = 128
#: How long leaving may take, in seconds. Writing to a terminal that is gone may block for ever.
PATIENCE_S = 2.0
#: How often ``lost`` is asked, in seconds.
LOOK_EVERY_S = 0.25
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def leave_on_signals(leave: Callable[[int], None], lost: Callable[[], bool] = lambda: False) -> None:
    """Call ``leave`` with an exit code when a signal asks this process to end, or once ``lost`` returns true.

    Needs a running event loop. That loop may be blocked by a write to a terminal that is gone. So the signal handlers
    are Python's own, which need no turn of the loop, and a thread asks ``lost``, and ends the process if that has not
    left in time.
    """
    loop, codes = asyncio.get_running_loop(), SimpleQueue[int]()

    def request_exit(code: int) -> None:
        codes.put(code)
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is leaving already
            loop.call_soon_threadsafe(leave, code)

    def watch() -> None:
        code = _exit_code(codes)
        while code is None:
            if lost():
                request_exit(HUNG_UP)
            code = _exit_code(codes)
        time.sleep(PATIENCE_S)
        os._exit(code)

    threading.Thread(target=watch, name="lanes-last-resort", daemon=True).start()
    for number in ENDING:
        signal.signal(number, lambda number, _frame: request_exit(KILLED_BY + number))


def _exit_code(codes: SimpleQueue[int]) -> int | None:
    """The requested exit code; None: none was requested within ``LOOK_EVERY_S``."""
    try:
        return codes.get(timeout=LOOK_EVERY_S)
    except Empty:
        return None
