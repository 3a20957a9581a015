"""What becomes of waiting messages at a certain time, in the gateway that notices it first."""

from lanes.engine.background.loop import WriteFunction
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader

#: Milliseconds between two looks. Each costs two lookups in indexes that are mostly empty.
LOOK_MS = 250


def settle_due(reader: Reader, write: WriteFunction, now: Now, *, by: str) -> None:
    """End messages that have waited too long, and put those back to their places that let others pass while their retry
    waited. Raises StorageError."""
    while reader.read(reads.expired(now.wall)):
        write(lambda tx: doors.expire_waiting(tx, now))
    while reader.read(reads.recallable(now.wall)):
        write(lambda tx: doors.recall(tx, now, by=by))
