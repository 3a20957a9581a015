"""Ctrl-C during a long statement: Python runs no signal handler while SQLite works, which may take minutes."""

import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator

#: Ends the watcher; no signal has this number.
_END = b"\0"


@contextlib.contextmanager
def interruptible(connection: sqlite3.Connection) -> Iterator[None]:
    """Within the block, Ctrl-C interrupts the statement of this connection and raises KeyboardInterrupt.

    Does nothing outside of the main thread, since only that one gets signals, or if the program has installed its own
    handler, as ``asyncio.run`` does: that may not raise, and the statement would fail instead.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    # Not a socketpair: importing ``socket`` would take longer than everything here.
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = -1

    def watch() -> None:
        while (number := os.read(read_end, 1)) != _END:
            if number[0] == signal.SIGINT:
                connection.interrupt()
            if before != -1:  # pass the signal on to an enclosing block, or to an event loop
                with contextlib.suppress(OSError):
                    os.write(before, number)

    watcher = threading.Thread(target=watch, name="lanes-ctrl-c", daemon=True)
    try:
        watcher.start()
    except RuntimeError:  # at a limit of processes, where an abort is needed more than ever
        os.close(read_end)
        os.close(write_end)
        yield
        return
    try:
        before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(write_end, _END)  # closing it would have no effect while a forked child has it open too
        watcher.join()
        os.close(read_end)
        os.close(write_end)
