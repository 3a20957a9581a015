"""What ends the dashboard without a key: signals, and the loss of what it needs. It leaves as with a key if it can."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from lanes_tui.surroundings import HUNG_UP

#: What a shell reports for a program that a signal ended is this and the signal's number.
KILLED_BY = 128
#: How long leaving may take. Where the terminal itself is gone, nothing that is written to it ever ends.
PATIENCE_S = 2.0
#: How often it is looked whether all is there that is needed.
LOOK_EVERY_S = 0.25
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def leave_on_signals(leave: Callable[[int], None], lost: Callable[[], bool] = lambda: False) -> None:
    """Call ``leave`` with an exit code when a signal asks this process to end, or once ``lost`` says that it must.

    Needs a running event loop. The loop may be blocked by then: on a terminal that is gone, whatever writes waits for
    ever. So the handlers are Python's own, which need no turn of the loop, and a thread looks whether anything is
    lost, and ends the process that has not left in time.
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
    """The exit code that was requested, if one was within a short while."""
    try:
        return codes.get(timeout=LOOK_EVERY_S)
    except Empty:
        return None
