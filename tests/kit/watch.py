"""What one door did: the rows that it changed and the lines that it wrote to the journal."""

from typing import NamedTuple

from lanes_storage.records import EventRow
from tests.kit.world import World, differing


class Line(NamedTuple):
    """One event, without what every event has: its id and its time."""

    type: str
    from_state: str | None = None
    to_state: str | None = None
    run: int | None = None
    message: int | None = None
    epoch: int | None = None
    actor: str | None = None
    cause: str | None = None


class Watch:
    """Looks at a database from now on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = world.rows()

    def changed(self) -> dict[str, int]:
        """How many rows were added or changed, by table; the journal is told by ``lines``."""
        found = differing(self._before, self._world.rows())
        return {table: len(rows) for table, rows in found.items() if table != "events"}

    def events(self) -> list[EventRow]:
        """What was written to the journal about states; every event bears the time that it is."""
        new = self._world.new_events(self._before)
        assert {event.at for event in new} <= {self._world.time().wall}
        return [event for event in new if event.type != "notice"]

    def lines(self) -> list[Line]:
        """The same, as lines to compare."""
        return [
            Line(e.type, e.from_state, e.to_state, e.run_id, e.message_id, e.epoch, e.actor, e.cause)
            for e in self.events()
        ]

    def detail(self) -> dict[str, object]:
        """The detail of the only event."""
        (event,) = self.events()
        return event.detail or {}

    def nothing(self) -> bool:
        """Whether no row at all was added or changed."""
        return not differing(self._before, self._world.rows())
