"""Ctrl-C during a long statement: Python runs no signal handler while SQLite works, which can be for minutes."""

import contextlib
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible(connection: sqlite3.Connection) -> Iterator[None]:
    """Within the block, Ctrl-C ends the statement of this connection, and raises KeyboardInterrupt.

    Does nothing outside of the main thread, which alone gets signals, and beside an event loop, which handles them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told, heard = socket.socketpair()
    heard.setblocking(False)
    before = signal.set_wakeup_fd(heard.fileno(), warn_on_full_buffer=False)
    if before != -1:
        signal.set_wakeup_fd(before)

    def watch() -> None:
        while number := told.recv(1):
            if number[0] == signal.SIGINT:
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="lanes-ctrl-c", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        heard.close()
        watcher.join()
        told.close()
