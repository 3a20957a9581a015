"""What is asked about the whole house: its gateways, its counts, its journal."""

from typing import NamedTuple

from lanes import ages
from lanes.finding import timed
from lanes.identity import evidence, this_process
from lanes.operations.lanes import lane
from lanes.procedure import Procedure, read, tell
from lanes_storage import reads
from lanes_storage.records import (
    Cooldown,
    Counts,
    Event,
    LaneFilter,
    Owner,
)


class OwnerView(NamedTuple):
    """An owner, and whether it lives as far as this process can tell."""

    owner: Owner
    alive: bool
    evidence: str


class Status(NamedTuple):
    """The database at a glance. ``desks``: the processes that hold lanes for blocks of their own code."""

    database: str
    gateways: list[OwnerView]
    desks: list[OwnerView]
    counts: Counts
    cooldowns: list[Cooldown]


def status(database: str) -> Procedure[Status]:
    """Owners, counts, cooldowns."""
    now = yield from tell()
    me = this_process()
    owners = yield from read(reads.owners())
    views = [OwnerView(owner, ages.lives(owner, now, me), evidence(owner, me)) for owner in owners]
    gateways = [view for view in views if view.owner.kind == "gateway"]
    desks = [view for view in views if view.owner.kind != "gateway"]
    total = yield from read(reads.counts(now.wall))
    cooling = yield from read(reads.cooldowns(now.wall))
    return Status(database, gateways, desks, total, cooling)


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
    lane_id = None if key is None else (yield from lane(key)).id
    chosen = None if chosen is None else (yield from timed(chosen))
    query = reads.events(
        lane=lane_id, after=after, since=since, type=type, limit=limit, newest=newest, within=within, chosen=chosen
    )
    return (yield from read(query))
