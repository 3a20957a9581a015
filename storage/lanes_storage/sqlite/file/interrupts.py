"""Ctrl-C during a long statement: Python runs no signal handler while SQLite works, which can be for minutes."""

import contextlib
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible(connection: sqlite3.Connection) -> Iterator[None]:
    """Within the block, Ctrl-C ends the statement of this connection, and raises KeyboardInterrupt.

    Does nothing outside of the main thread, since only that one gets signals, and where the program has installed its
    own handler, as ``asyncio.run`` does: it may raise nothing, and the statement would fail instead.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    told, heard = socket.socketpair()
    heard.setblocking(False)
    before = -1

    def watch() -> None:
        while number := told.recv(1):
            if number[0] == signal.SIGINT:
                connection.interrupt()
            if before != -1:  # of a block around this one, or of a loop
                with contextlib.suppress(OSError):
                    os.write(before, number)

    watcher = threading.Thread(target=watch, name="lanes-ctrl-c", daemon=True)
    watcher.start()
    try:
        before = signal.set_wakeup_fd(heard.fileno(), warn_on_full_buffer=False)
        yield
    finally:
        signal.set_wakeup_fd(before)
        heard.close()
        watcher.join()
        told.close()
