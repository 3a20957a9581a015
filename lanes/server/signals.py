"""The signals that end a gateway.

They reach the event loop by Python's own handlers, not by asyncio's: those write into a pipe that a forked child
shares, so that a signal for the child would end its parent.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Generator

#: A terminal that is closed asks for the same as a supervisor.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_pid: int | None = None  # of the process that heeds them; None: none does


@contextlib.contextmanager
def heeded(asked: Callable[[signal.Signals], None], at_once: Callable[[int], None]) -> Generator[None, None, None]:
    """Call ``asked`` in the event loop for each signal that asks this process to end, during the block.

    ``at_once`` is called first and in the signal handler itself, also while something blocks the event loop. SIGHUP is
    left alone where it was ignored at the start (``nohup``). From the main thread.
    """
    global _pid
    loop = asyncio.get_running_loop()

    def handle(number: int, _: object) -> None:
        at_once(number)
        loop.call_soon_threadsafe(asked, signal.Signals(number))

    numbers = [each for each in ENDING if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    _pid = os.getpid()
    try:
        yield
    finally:
        _pid = None
        for number, handler in before.items():
            # A shell that ends tells its jobs once more that the terminal is gone.
            signal.signal(number, signal.SIG_IGN if number is signal.SIGHUP else handler or signal.SIG_DFL)


def _default_in_child() -> None:
    if _pid is not None:
        for number in ENDING:
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_default_in_child)
