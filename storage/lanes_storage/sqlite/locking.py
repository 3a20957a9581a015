"""Waiting for the write lock, fairly enough that nobody starves.

The engine's own wait sleeps longer with each try, up to a tenth of a second, so that a process which waits meets
seven others that write without a pause only by luck, and gives up after seconds in which they wrote thousands of
times. This one looks again after a few milliseconds, always, at moments that differ from process to process.
"""

import sqlite3
import time

#: How long a writer waits for another process before it says that the file is locked.
BUSY_TIMEOUT_MS = 5_000
#: Between two looks at the lock, in seconds: from, to.
LOOK_AGAIN_S = (0.0005, 0.004)


def begin(connection: sqlite3.Connection) -> None:
    """Open a transaction that holds the write lock. Raises sqlite3.OperationalError after BUSY_TIMEOUT_MS."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        _begin(connection, time.monotonic() + BUSY_TIMEOUT_MS / 1000)
    finally:
        # For everything else, such as the recovery of a log that a dead process left.
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def _begin(connection: sqlite3.Connection, until: float) -> None:
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        from random import uniform  # only who has to wait pays for it

        time.sleep(uniform(*LOOK_AGAIN_S))
