"""Merges the lanes of other programs' gateways into lists: held ones before the lanes of this database, others after.

A session that is watched and whose requests also pass through lanes is one line, even if these name no session.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lanes import filters
from lanes.records import Lane, Liveness, Mark, WatchedLane
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reads
from lanes_storage.law import LaneState, SourceState, WatchedState
from lanes_storage.records import How, LaneFilter, LaneOrder, LaneRow, SightingRow, SortPlace
from lanes_storage.tuples import NamedTuple

if TYPE_CHECKING:
    from lanes.filters import Facts

_NOTHING: Mapping[str, SightingRow] = {}
#: How old a request must be to be joined with a session (ms): by then, the watch has seen the run that it belongs to.
SETTLED_MS = 3_000


class WatchedLanes(NamedTuple):
    """The lanes of other programs that a filter chooses: ``first`` the held ones, ``last`` the others. ``joined``:
    those that are lanes here as well, by key. ``unnamed``: keys of anonymous lanes here whose request belongs to one of
    the watched sessions, so that they are not listed separately."""

    first: Sequence[SightingRow] = ()
    last: Sequence[SightingRow] = ()
    joined: Mapping[str, SightingRow] = _NOTHING
    unnamed: Sequence[str] = ()

    @classmethod
    def of(cls, read: Reads, chosen: LaneFilter, now: Now) -> "WatchedLanes":
        """Read them. A choice for an abort includes none of them unless it names their source."""
        every = read(reads.sightings())
        if not every:
            return cls()
        named = any(condition.field == "source" for condition in chosen.conditions)
        origins = {} if named else read(reads.origins([row.address for row in every]))
        joined = {row.address: row for row in every if joins(row, origins)}
        if chosen.abortable is not None and not named:
            return cls(joined=joined)
        fitting = [row for row in every if row.address not in joined and _fits(row, chosen, now)]
        first = sorted((row for row in fitting if row.seen.held), key=_by_harm)
        unnamed = [key for row in alone(every) if (key := unnamed_lane(row, read(reads.unnamed(row.source.name)), now))]
        return cls(first, [row for row in fitting if not row.seen.held], joined, unnamed)

    @property
    def waiting(self) -> int:
        """How many messages wait there, as far as that is known."""
        return sum(row.seen.waiting or 0 for row in self.first)

    def others(self, chosen: LaneFilter) -> LaneFilter:
        """The filter for the lanes here, without those of ``unnamed``."""
        for key in self.unnamed:
            chosen = chosen.where("key", How.IS, key, negated=True)
        return chosen


def _state(row: SightingRow) -> LaneState:
    return LaneState.RUNNING if row.seen.held else LaneState.IDLE


def joins(row: SightingRow, origins: Mapping[str, str | None]) -> bool:
    """Whether the lane here with the key of a session holds the requests of the same program."""
    return origins.get(row.address) == row.source.name


def alone(rows: Sequence[SightingRow]) -> list[SightingRow]:
    """The sessions that are the only held ones of their gateways."""
    held: dict[str, list[SightingRow]] = {}
    for row in rows:
        if row.seen.held:
            held.setdefault(row.source.name, []).append(row)
    return [found[0] for found in held.values() if len(found) == 1]


def unnamed_lane(row: SightingRow, requests: Sequence[tuple[str, int]], now: Now) -> str | None:
    """The key of the lane here that holds the request of the only held session of a gateway, where requests name no
    session (OpenClaw 2026.5). ``requests``: such lanes, and when they began. None: it may be of another session."""
    if row.source.state is not SourceState.CONNECTED or row.from_files or row.seen.since is None:
        return None
    match requests:
        case [(key, began)] if row.seen.since <= began <= now.wall - SETTLED_MS:
            return key
    return None


def _by_harm(row: SightingRow) -> tuple[bool, int, str]:
    """Sorts by harm: a ghost first, then the session that has been held for longest."""
    return row.seen.state is not WatchedState.GHOST, row.seen.since or row.changed_at, row.address


def _fits(row: SightingRow, chosen: LaneFilter, now: Now) -> bool:
    if chosen.abortable is not None and not row.seen.held:
        return False
    return filters.fits(facts_of(row), chosen._replace(at=chosen.at or now.wall))


def facts_of(row: SightingRow) -> "Facts":
    """The facts of a watched session, for filters."""
    seen = row.seen
    return {
        "state": _state(row),
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
        state=_state(row),
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


class MergedLanes:
    """The lanes that a filter chooses, of this database and of other programs, as one list."""

    def __init__(self, read: Reads, chosen: LaneFilter, now: Now) -> None:
        self._read, self._liveness = read, Liveness(now)
        self._watched = WatchedLanes.of(read, chosen, now)
        self._chosen = self._watched.others(chosen)

    def page(self, order: LaneOrder, limit: int | None, offset: int) -> list[Lane]:
        """One page of the list."""
        watched, read = self._watched, self._read
        end = None if limit is None else offset + limit
        shown = [lane_of(row, self._liveness) for row in watched.first[offset:end]]
        left = None if limit is None else limit - len(shown)
        skipped = max(0, offset - len(watched.first))
        rows = read(reads.lanes(self._chosen, order=order, limit=left, offset=skipped)) if left != 0 else []
        shown += map(self._here, rows)
        if not watched.last or (left is not None and len(rows) == left):
            return shown
        own = skipped + len(rows) if rows or not skipped else self._own()
        begin = max(0, skipped - own)
        more = watched.last[begin : None if left is None else begin + left - len(rows)]
        return shown + [lane_of(row, self._liveness) for row in more]

    def behind(self, place: SortPlace, order: LaneOrder) -> int | None:
        """How many lanes of the list stand at that place or before it; None if it is no place of this order."""
        before: int | None = self._read(reads.lanes_until(self._chosen, place, order=order))
        return None if before is None else len(self._watched.first) + before

    def sort_place(self, lane: Lane, order: LaneOrder) -> SortPlace | None:
        """The place of a lane in that order; None for a lane of another program alone, which has no place in it."""
        if any(lane.key == row.address for rows in self._watched[:2] for row in rows):
            return None
        row = self._read(reads.lane(lane.key))
        return None if row is None else self._read(reads.sort_place(row.id, order=order))

    def total(self) -> int:
        """The length of the list."""
        return self._own() + len(self._watched.first) + len(self._watched.last)

    def place(self, key: str, order: LaneOrder) -> int | None:
        """The index of a lane in the list; None if it is not in it."""
        first, last = ([row.address for row in rows] for rows in self._watched[:2])
        if key in first:
            return first.index(key)
        found: int | None = self._read(reads.lane_place(self._chosen, key, order=order))
        if found is not None:
            return len(first) + found
        return len(first) + self._own() + last.index(key) if key in last else None

    def marks(self, limit: int) -> list[Mark]:
        """Key, epoch and state of at most ``limit`` of them, those of this database first."""
        found = [Mark(*mark) for mark in self._read(reads.lane_epochs(self._chosen, limit))]
        rows = [*self._watched.first, *self._watched.last][: limit - len(found)]
        return found + [Mark(row.address, row.epoch, _state(row)) for row in rows]

    def _own(self) -> int:
        return self._read(reads.lanes_total(self._chosen))

    def _here(self, row: LaneRow) -> Lane:
        lane, watched = Lane.of(row, self._liveness), self._watched.joined.get(row.key)
        return lane if watched is None else joined(lane, watched)
