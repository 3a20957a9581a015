"""Groups the same event of many lanes into one line of the journal screen."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from lanes.records import Event

#: So many of the same, one after the other, become one line.
FEWEST = 4


class Group(NamedTuple):
    """Events that say the same, one after the other; mostly it is one."""

    events: tuple[Event, ...]

    @property
    def first(self) -> Event:
        """The oldest."""
        return self.events[0]

    @property
    def last(self) -> Event:
        """The newest."""
        return self.events[-1]

    @property
    def lanes(self) -> int:
        """How many lanes they are about."""
        return len({event.key for event in self.events})


def coalesced(events: Sequence[Event]) -> list[Group]:
    """The same events, in their order, those that say the same as their neighbours in groups."""
    groups: list[Group] = []
    for _, run in groupby(events, _sameness):
        same = tuple(run)
        groups += [Group(same)] if len(same) >= FEWEST else single(same)
    return groups


def single(events: Iterable[Event]) -> list[Group]:
    """Every event by itself."""
    return [Group((event,)) for event in events]


def _sameness(event: Event) -> tuple[str, str | None, str | None, str | None]:
    # the claiming owner is not interesting here, and each lane may have another sender
    actor = event.actor if event.type not in ("claim", "accepted", "complete") else None
    return event.type, event.to_state, event.cause, actor
