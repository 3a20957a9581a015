"""What becomes of waiting messages at a certain time, in the gateway that notices it first."""

from lanes.engine.background.loop import WriteFunction
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader

#: Milliseconds between two looks. Each costs two lookups in indexes that are mostly empty.
LOOK_MS = 250


class DueMessages:
    """Ends messages that have waited too long, and puts those back to their places that let others pass while their
    retry waited."""

    def __init__(self, reader: Reader, write: WriteFunction) -> None:
        self._reader = reader
        self._write = write
        self._looked_mono: int | None = None

    def run_once(self, now: Now, *, by: str) -> None:
        """Do what is due. Raises StorageError."""
        if self._looked_mono is not None and now.mono - self._looked_mono < LOOK_MS:
            return
        self._looked_mono = now.mono
        while self._reader.read(reads.expired(now.wall)):
            self._write(lambda tx: doors.expire_waiting(tx, now))
        while self._reader.read(reads.recallable(now.wall)):
            self._write(lambda tx: doors.recall(tx, now, by=by))
