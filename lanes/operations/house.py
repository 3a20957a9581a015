"""What is asked about the whole house: its gateways, its counts, its journal."""

from lanes.finding import timed
from lanes.operations.lanes import row_of
from lanes.procedure import Procedure, read, tell
from lanes.records import Event, Status, Witness
from lanes_storage import reads
from lanes_storage.records import LaneFilter


def status(database: str) -> Procedure[Status]:
    """Owners, counts, cooldowns."""
    now = yield from tell()
    owners = yield from read(reads.owners())
    counts = yield from read(reads.counts(now.wall))
    cooling = yield from read(reads.cooldowns(now.wall))
    return Status.of(database, owners, counts, cooling, Witness(now))


def events(
    *,
    key: str | None = None,
    after: int = 0,
    since: int | None = None,
    type: str | None = None,  # noqa: A002 - the journal's own word
    limit: int | None = None,
    newest: bool = False,
    within: int | None = None,
    chosen: LaneFilter | None = None,
) -> Procedure[list[Event]]:
    """The journal behind event ``after``, oldest first; ``newest`` takes the last ``limit``. Raises NotFound.

    ``within``: as many as have so many characters together, and one more; ``chosen`` is a filter of events.
    """
    lane_id = None if key is None else (yield from row_of(key)).id
    chosen = None if chosen is None else (yield from timed(chosen))
    query = reads.events(
        lane=lane_id, after=after, since=since, type=type, limit=limit, newest=newest, within=within, chosen=chosen
    )
    return [Event.of(row) for row in (yield from read(query))]
