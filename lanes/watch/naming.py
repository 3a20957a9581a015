"""Resolves a key for reading: it names a lane here, a session of another program, or both."""

from lanes.base.errors import NotFound
from lanes.records import LaneDetail, Liveness
from lanes.watch import freeing, merging
from lanes.watch.explaining import why_watched
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reads
from lanes_storage.records import LaneRow, SightingRow


def named(read: Reads, key: str, source: str | None) -> tuple[LaneRow | None, SightingRow | None]:
    """The lane here of that key, and the session that is seen elsewhere: at least one of them is not None.

    Raises NotFound, Ambiguous.
    """
    names = freeing.looked(read, freeing.resolve(key, source))
    lane = read(reads.lane(key)) if names.here else None
    if lane is None and names.there is None:
        if source is not None:
            raise NotFound("lane", key)
        return None, freeing.looked(read, freeing.elsewhere(key))
    return lane, names.there


def missing(read: Reads, key: str) -> NotFound:
    """The error for a key that no lane here has, where a session of another program with that key does not count."""
    source, _, rest = key.partition(":")
    there = read(reads.sighting(source, rest)) or read(reads.sightings_named(key))
    return NotFound("lane of this database" if there else "lane", key)


def why_of(read: Reads, row: SightingRow | None, now: Now) -> str:
    """Why a lane that is seen elsewhere does not progress."""
    assert row is not None
    return why_watched(row, read(reads.owner(row.source.owner_id)), Liveness(now))


def detail_of(read: Reads, row: SightingRow | None, now: Now) -> LaneDetail:
    """One lane that is seen elsewhere."""
    assert row is not None
    return LaneDetail(merging.lane_of(row, Liveness(now)), why_of(read, row, now), None, (), ())
