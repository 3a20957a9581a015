"""The signals that end a gateway.

They are handled with ``signal.signal``, not ``loop.add_signal_handler``: asyncio's handlers write to a pipe that a
forked child shares, so that a signal for the child would end its parent.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator

#: SIGHUP, from a closed terminal, has the same effect as SIGTERM from a supervisor.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Ends the thread that reads signal numbers; no signal has this number.
_OVER = 0

_pid: int | None = None  # the process that handles the signals, if any


@contextlib.contextmanager
def handled_signals(
    on_signal: Callable[[signal.Signals], None], at_once: Callable[[int], None]
) -> Generator[None, None, None]:
    """Call ``on_signal`` in the event loop for each signal that asks this process to end, during the block.

    ``at_once`` is called in a thread, even if the event loop is blocked: a Python handler would wait for a call into C
    to return. SIGHUP is not handled if it was ignored at the start (``nohup``). Call this from the main thread.
    """
    global _pid
    loop = asyncio.get_running_loop()

    def handle(number: int, _: object) -> None:
        loop.call_soon_threadsafe(on_signal, signal.Signals(number))

    numbers = [each for each in ENDING if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def follow() -> None:
        while (number := os.read(reading, 1)[0]) != _OVER:  # the operating system writes the numbers
            if number in numbers:
                at_once(number)

    previous_descriptor = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    following = threading.Thread(target=follow, name="lanes-signals", daemon=True)
    following.start()
    before = {number: signal.signal(number, handle) for number in numbers}
    _pid = os.getpid()
    try:
        yield
    finally:
        _pid = None
        signal.set_wakeup_fd(previous_descriptor)
        os.write(writing, bytes([_OVER]))  # no end of file would come while a forked child has the pipe open
        following.join()
        os.close(reading)
        os.close(writing)
        for number, handler in before.items():
            # A shell that exits sends SIGHUP to its jobs once more.
            signal.signal(number, signal.SIG_IGN if number is signal.SIGHUP else handler or signal.SIG_DFL)


def _default_in_child() -> None:
    if _pid is not None:
        signal.set_wakeup_fd(-1)  # the pipe belongs to the parent
        for number in ENDING:
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_default_in_child)
