"""Exceptions of runners and hooks that would end the event loop, and with it every other run.

asyncio lets SystemExit and KeyboardInterrupt propagate out of a task and out of the loop. Raised by user code, they
are treated as ordinary errors; raised by the handler of SIGINT, they are Ctrl-C and keep their effect.
"""

import signal
import threading
import traceback
from functools import partial

from lanes.base.sentences import sentence

#: The exceptions to catch where such code is awaited.
LEAVES = (SystemExit, KeyboardInterrupt)


def why_left(left: BaseException) -> str:
    """One of ``LEAVES`` as a sentence. Raises it again if it is Ctrl-C."""
    if isinstance(left, SystemExit):
        return f"it called sys.exit({sentence(left.code)})"
    if _of_signal(left):
        raise left
    return "it raised KeyboardInterrupt"


def _of_signal(error: BaseException) -> bool:
    """Whether the present handler of SIGINT raised the exception. Python's default handler leaves no trace, so with
    that handler every KeyboardInterrupt counts as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():  # signal handlers run only in the main thread
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    while isinstance(handler, partial):
        handler = handler.func
    code = getattr(handler, "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))
