"""Groups the same event of many lanes into one line of the journal screen."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lanes.explain.phrases import concerned
from lanes.records import Event

#: At least ``FEWEST`` equal events become one line; at most ``INTERLEAVED`` kinds may alternate.
FEWEST = 4
INTERLEAVED = 3


class Group(NamedTuple):
    """Events that share a line, being equal and close to each other; most groups have only one."""

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
        """How many lanes the events are about."""
        return len({event.key for event in self.events if event.key is not None})


def coalesced(events: Sequence[Event]) -> list[Group]:
    """The events in groups of equal ones that are close to each other, ordered by the first event of each."""
    found: list[Group] = []
    under_way: dict[object, list[Event]] = {}
    for event in events:
        sameness = _sameness(event)
        if sameness not in under_way and len(under_way) == INTERLEAVED:
            found += _ended(under_way)
            under_way = {}
        under_way.setdefault(sameness, []).append(event)
    return sorted(found + _ended(under_way), key=lambda group: group.first.id)


def _ended(under_way: dict[object, list[Event]]) -> list[Group]:
    groups: list[Group] = []
    for same in under_way.values():
        groups += [Group(tuple(same))] if len(same) >= FEWEST else single(same)
    return groups


def single(events: Iterable[Event]) -> list[Group]:
    """Each event as a group of its own."""
    return [Group((event,)) for event in events]


def _sameness(event: Event) -> tuple[object, ...]:
    # the claiming owner is not interesting here, and each lane may have another sender
    actor = event.actor if event.type not in ("claim", "accepted", "complete") else None
    reason = (event.detail or {}).get("reason")
    return event.type, event.to_state, event.cause, actor, reason, event.key is None, *concerned(event)
