"""Lanes of other programs' gateways in lists: those that are held come before the lanes of this database, the others
after them. A lane that is seen through both doors is one line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lanes import filters
from lanes.filters import Facts
from lanes.records import Lane, Liveness, Mark, WatchedLane
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reads
from lanes_storage.law import LaneState, WatchedState
from lanes_storage.records import LaneFilter, LaneOrder, LaneRow, SightingRow

_NOTHING: Mapping[str, SightingRow] = {}


class WatchedLanes(NamedTuple):
    """The lanes of other programs that a filter chooses. ``joined``: those that are lanes here as well, by key."""

    first: Sequence[SightingRow] = ()
    last: Sequence[SightingRow] = ()
    joined: Mapping[str, SightingRow] = _NOTHING

    @classmethod
    def of(cls, read: Reads, chosen: LaneFilter, now: Now) -> "WatchedLanes":
        """What is stored of them. A choice for an abort has none of them unless it names their source."""
        every = read(reads.sightings())
        if not every:
            return cls()
        named = any(condition.field == "source" for condition in chosen.conditions)
        origins = {} if named else read(reads.origins([row.address for row in every]))
        joined = {row.address: row for row in every if joins(row, origins)}
        if chosen.abortable is not None and not named:
            return cls(joined=joined)
        fitting = [row for row in every if row.address not in joined and _fits(row, chosen, now)]
        first = sorted((row for row in fitting if row.seen.held), key=_harm)
        return cls(first, [row for row in fitting if not row.seen.held], joined)

    @property
    def number(self) -> int:
        """How many there are, besides those that are lanes here."""
        return len(self.first) + len(self.last)


def joins(row: SightingRow, origins: Mapping[str, str | None]) -> bool:
    """Whether the lane here of that name has the requests of that very program."""
    return origins.get(row.address) == row.source.name


def _harm(row: SightingRow) -> tuple[bool, int, str]:
    """A ghost first, then what has been held for longest."""
    return row.seen.state is not WatchedState.GHOST, row.seen.since or row.changed_at, row.address


def _fits(row: SightingRow, chosen: LaneFilter, now: Now) -> bool:
    if chosen.abortable is not None and not row.seen.held:
        return False
    return filters.fits(facts_of(row), chosen._replace(at=chosen.at or now.wall))


def facts_of(row: SightingRow) -> Facts:
    """The facts of such a lane, for filters."""
    seen = row.seen
    return {
        "state": LaneState.RUNNING if seen.held else LaneState.IDLE,
        "key": row.address,
        "held": seen.since if seen.held else None,
        "silent": seen.last_sign if seen.held else None,
        "queue": seen.waiting or 0,
        "error": seen.outcome,
        "paused": 0,
        "changed": row.changed_at,
        "source": row.source.name,
    }


def lane_of(row: SightingRow, liveness: Liveness) -> Lane:
    """The record of a session of another program's gateway."""
    seen = row.seen
    return Lane(
        key=row.address,
        state=LaneState.RUNNING if seen.held else LaneState.IDLE,
        epoch=row.epoch,
        paused=None,
        queued=seen.waiting or 0,
        head_wait_ms=None,
        interruptions=0,
        parked_until=None,
        held_ms=liveness.since(seen.since) if seen.held else None,
        deadline_ms=None,
        stall_limit_ms=None,
        heartbeat_age_ms=None,
        progress_age_ms=liveness.since(seen.last_sign) if seen.held else None,
        progress=seen.state if seen.held else None,
        owner=None,
        run_id=None,
        message_id=None,
        abort_requested=row.freeing,
        last_error=None,
        updated_at=row.changed_at,
        source=row.source.name,
        seen=WatchedLane.of(row),
    )


def joined(lane: Lane, row: SightingRow) -> Lane:
    """A lane here whose requests come from another program, with what is seen of it there."""
    return lane.replace(source=row.source.name, seen=WatchedLane.of(row))


def page(read: Reads, chosen: LaneFilter, order: LaneOrder, limit: int | None, offset: int, now: Now) -> list[Lane]:
    """A part of all the lanes that a filter chooses."""
    watched, liveness = WatchedLanes.of(read, chosen, now), Liveness(now)
    end = None if limit is None else offset + limit
    shown = [lane_of(row, liveness) for row in watched.first[offset:end]]
    left = None if limit is None else limit - len(shown)
    skipped = max(0, offset - len(watched.first))
    rows = read(reads.lanes(chosen, order=order, limit=left, offset=skipped)) if left != 0 else []
    shown += [_here(row, watched, liveness) for row in rows]
    if watched.last and left is not None and len(rows) == left:
        return shown
    if watched.last:
        own = skipped + len(rows) if rows or not skipped else read(reads.lanes_total(chosen))
        begin = max(0, skipped - own)
        more = watched.last[begin : None if left is None else begin + left - len(rows)]
        shown += [lane_of(row, liveness) for row in more]
    return shown


def _here(row: LaneRow, watched: WatchedLanes, liveness: Liveness) -> Lane:
    lane = Lane.of(row, liveness)
    return joined(lane, watched.joined[row.key]) if row.key in watched.joined else lane


def total(read: Reads, chosen: LaneFilter, now: Now) -> int:
    """How many lanes a filter chooses."""
    return int(read(reads.lanes_total(chosen))) + WatchedLanes.of(read, chosen, now).number


def place(read: Reads, chosen: LaneFilter, key: str, order: LaneOrder, now: Now) -> int | None:
    """Where a lane stands among those that a filter chooses."""
    watched = WatchedLanes.of(read, chosen, now)
    for at, row in enumerate(watched.first):
        if row.address == key:
            return at
    found = read(reads.lane_place(chosen, key, order=order))
    if found is not None:
        return len(watched.first) + int(found)
    for at, row in enumerate(watched.last):
        if row.address == key:
            return len(watched.first) + int(read(reads.lanes_total(chosen))) + at
    return None


def marks(read: Reads, chosen: LaneFilter, limit: int, now: Now) -> list[Mark]:
    """Key, epoch and state of the chosen ones of other programs."""
    watched = WatchedLanes.of(read, chosen, now)
    rows = [*watched.first, *watched.last][:limit]
    return [Mark(row.address, row.epoch, LaneState.RUNNING if row.seen.held else LaneState.IDLE) for row in rows]
