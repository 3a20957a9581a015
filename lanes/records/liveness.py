"""What records add to rows: the present time, and which owners are alive."""

from lanes.host.identity import Identity, ProcessSighting, look, sighting_text, this_process
from lanes.text import ages
from lanes_storage.clock import Now
from lanes_storage.records import OwnerRow


class Liveness:
    """Which owners are alive at one moment. Each process is checked once."""

    def __init__(self, now: Now, me: Identity | None = None) -> None:
        """``me`` None: this process."""
        self.now = now
        self._me = me
        self._sights: dict[int, ProcessSighting] = {}
        self._living: dict[int, bool] = {}

    def lives(self, owner: OwnerRow) -> bool:
        """Whether the owner is alive as far as this process can know: not ended, not provably gone, not silent."""
        alive = self._living.get(owner.id)
        if alive is None:
            here = owner.ended_at is None and not self._sight(owner).gone
            alive = self._living[owner.id] = here and ages.beat_ms(owner, self.now) < owner.stale_after_ms
        return alive

    def acts(self, owner: OwnerRow) -> bool:
        """Whether the owner is alive and can also claim and enforce limits, which a stopped process can not."""
        return self.lives(owner) and self._sight(owner) is not ProcessSighting.STOPPED

    def evidence(self, owner: OwnerRow) -> str:
        """What is known of its process, for people."""
        return sighting_text(owner, self._sight(owner))

    def since(self, wall: int | None) -> int | None:
        """How long ago a wall time was, in milliseconds."""
        return None if wall is None else max(0, self.now.wall - wall)

    def _sight(self, owner: OwnerRow) -> ProcessSighting:
        if owner.id not in self._sights:
            self._me = self._me or this_process()
            self._sights[owner.id] = look(owner, self._me)
        return self._sights[owner.id]
