"""What runners and hooks raise that would end the event loop, and with it every other run.

asyncio lets SystemExit and KeyboardInterrupt out of a task and out of its loop. Of a program's own code they are
errors like any other; an interrupt that the handler of SIGINT raised is Ctrl-C, and is to end what it ends.
"""

import signal
import threading
import traceback
from functools import partial

from lanes.sentences import sentence

#: Where such code is awaited, these are caught.
LEAVES = (SystemExit, KeyboardInterrupt)


def why_left(left: BaseException) -> str:
    """One of ``LEAVES`` as a sentence. Raises it again where it is Ctrl-C."""
    if isinstance(left, SystemExit):
        return f"it called sys.exit({sentence(left.code)})"
    if _of_signal(left):
        raise left
    return "it raised KeyboardInterrupt"


def _of_signal(error: BaseException) -> bool:
    """Whether the present handler of SIGINT raised it. Python's own leaves no trace, so it may always have."""
    if threading.current_thread() is not threading.main_thread():  # no handler is called there
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    while isinstance(handler, partial):
        handler = handler.func
    code = getattr(handler, "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))
