"""Ends or moves waiting messages whose time has come, in the gateway that notices it first."""

from lanes.engine.background.loop import WriteFunction
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader

#: Milliseconds between two looks. Each costs two lookups in indexes that are mostly empty.
LOOK_MS = 250


def settle_due(reader: Reader, write: WriteFunction, now: Now, *, by: str) -> None:
    """End messages that have waited longer than their ``max_wait``. Messages whose retry is due, and which let others
    pass meanwhile, return to their places. Raises StorageError."""
    while reader.read(reads.expired(now.wall)):
        write(lambda tx: doors.expire_waiting(tx, now))
    while reader.read(reads.recallable(now.wall)):
        write(lambda tx: doors.recall(tx, now, by=by))
