"""The write-ahead log, and why it stays short.

After each commit that leaves more than 4,000 pages (16 MB) in it, SQLite itself copies them back into the file, and
starts the log anew once nobody reads from it. Two things keep it from starting anew: one reader that stays (a
transaction left open in a shell, a backup), and readers that always overlap. Against the second, a gateway that finds
the log large empties it by a checkpoint that waits, for a moment, for the readers of that moment; against the first
nothing helps but the end of that reader, so it is said.

It is done on a connection of its own with a short patience, since such a checkpoint keeps other writers waiting.
"""

import contextlib
import sqlite3
from pathlib import Path

from lanes_storage.sqlite.connect import translated

#: From this size on the log is emptied. The same as ``journal_size_limit``: below it, it is simply written over.
LARGE_LOG_BYTES = 67_108_864
#: How long the readers of the moment are waited for.
PATIENCE_S = 0.1


def log_of(path: Path) -> Path:
    """The log of a database; SQLite names it after the file that a link leads to."""
    return Path(f"{path.resolve()}-wal")


def log_bytes(path: Path) -> int:
    """The size of the log of a database; 0 where there is none."""
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def shorten_log(path: Path, *, larger_than: int = LARGE_LOG_BYTES) -> str | None:
    """Empty the log when it is large. Returns a sentence when something keeps it from being emptied.

    Raises ``StorageError``.
    """
    if log_bytes(path) <= larger_than:
        return None
    with translated(str(path)):
        connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        with contextlib.closing(connection):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if not busy:
        return None
    megabytes = log_bytes(path) // 1_000_000
    return (
        f"the log of {path} has {megabytes} MB and can not be emptied: a process reads from it without an end."
        " Look for an open transaction in a shell, or a backup under way"
    )
