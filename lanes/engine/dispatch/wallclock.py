"""Notices that the wall clock was set, and shifts the stored times of waits with it, before any decision uses them."""

from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.doors.upkeep import is_noted, is_set
from lanes_storage.interface import AsyncStore
from lanes_storage.logs import Log

log = Log("lanes.dispatcher")


class WallClock:
    """For the event loop."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._ahead: int | None = None  # of the boot clock, at the last look that found a change

    async def look(self, now: Now) -> None:
        """Note the wall clock in the database if it is new there or was set. Raises StorageError."""
        ahead = now.wall - now.boot
        if self._ahead is not None and not is_set(ahead, self._ahead):
            return
        noted = is_noted(await self._store.read(reads.clock_noted()), now)
        by = 0 if noted else await self._store.write(lambda tx: doors.note_clock(tx, now))
        self._ahead = ahead
        if by:
            way = "back" if by < 0 else "forward"
            log.info("the wall clock was set %s by %d s: cooldowns and waits keep their length", way, abs(by) // 1000)
