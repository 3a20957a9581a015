"""Draining gateways: the request, its dry run, and waiting until nothing is held. For ``lanes.operations``."""

import json
from collections.abc import Sequence

from lanes import incoming
from lanes.errors import NotFound
from lanes.identity import is_gone, this_process
from lanes.procedure import Procedure, nap, read, tell, write
from lanes.records import Cut, OwnerDetail, Witness
from lanes_storage import doors, reads
from lanes_storage import statements as sql
from lanes_storage.doors.outcomes import Outcome, Standing, judge
from lanes_storage.interface import Query
from lanes_storage.law import Cause, Edge
from lanes_storage.moment import Now
from lanes_storage.records import Failure, Owner, Run

#: How long runs may continue by default (the default of ``drain_timeout``).
DEFAULT_DRAIN_MS = 25_000
#: The longest pause between two reads of draining gateways.
LOOK_AGAIN_S = 0.25


def drain(owner_id: int | None = None, *, by: str, until: int | None = None) -> Procedure[list[OwnerDetail]]:
    """Make one gateway, or all that are not provably gone, claim nothing more; returns their rows.

    At ``until`` (wall time, milliseconds; default: 25 s from now) a gateway interrupts its remaining runs. The drain
    lasts as long as the gateway's row: only a restart of its process makes it claim again.
    Raises NotFound if no such gateway lives.
    """
    by, now = incoming.text(by, "by", incoming.LONGEST_NAME), (yield from tell())
    end = now.wall + DEFAULT_DRAIN_MS if until is None else incoming.moment_ms(until, "until")
    chosen = [owner.id for owner in (yield from _living(owner_id))]
    yield from write(lambda tx: [doors.drain(tx, owner, now, by=by, until=end) for owner in chosen])
    return (yield from gateways(chosen))


def drain_rehearsal(owner_id: int | None = None) -> Procedure[list[Cut]]:
    """What a drain that ends now would interrupt, and what would happen to it. Changes nothing.

    Raises NotFound if no such gateway lives.
    """
    now = yield from tell()
    witness = Witness(now)
    chosen = {owner.id for owner in (yield from _living(owner_id))}
    cuts = []
    for run in (yield from read(reads.open_runs())):
        outcome = (yield from _outcome_of_cut(run, now)) if run.owner_id in chosen else None
        if outcome is not None:
            pauses = outcome.pause is not None
            cuts.append(Cut.of(run, witness, message_state=outcome.message_state, pauses=pauses))
    return cuts


def drain_wait(owner_ids: Sequence[int], *, timeout: float | None = None) -> Procedure[list[OwnerDetail]]:
    """Wait until none of these owners holds a lane, at most ``timeout`` seconds; returns their rows."""
    timeout, started = incoming.patience_s(timeout), (yield from tell())
    while True:
        owners = yield from gateways(owner_ids)
        waited = ((yield from tell()).mono - started.mono) / 1000
        left = LOOK_AGAIN_S if timeout is None else timeout - waited
        if left <= 0 or not any(owner.held for owner in owners):
            return owners
        yield from nap(min(left, LOOK_AGAIN_S))


def gateways(owner_ids: Sequence[int]) -> Procedure[list[OwnerDetail]]:
    """These owners, those of them that are stored."""
    found = []
    witness = Witness((yield from tell()))
    for owner_id in owner_ids:
        owner = yield from read(reads.owner(owner_id))
        if owner is not None:
            found.append(OwnerDetail.of(owner, witness))
    return found


def _living(owner_id: int | None) -> Procedure[list[Owner]]:
    me = this_process()
    owners = yield from read(reads.owners())
    living = [owner for owner in owners if owner.kind == "gateway" and not is_gone(owner, me)]
    if owner_id is None:
        return living
    chosen = [owner for owner in living if owner.id == owner_id]
    if not chosen:
        raise NotFound("living gateway", owner_id)
    return chosen


def _outcome_of_cut(run: Run, now: Now) -> Procedure[Outcome | None]:
    """What the release of a drained run would decide, by the same judge from the same rows. None: it has ended."""
    failure = Failure(Cause.DRAINED, "its gateway was drained")
    cuts = yield from read(
        Query(
            sql.COUNT_CUTS,
            {"messages": json.dumps([[run.lane_id, run.message_id]])},
            lambda rows: int(rows[0][1]) if rows else 0,
        )
    )
    return (
        yield from read(
            Query(
                sql.STANDING_RUNS,
                {"tickets": json.dumps([run.ticket])},
                lambda rows: (
                    judge(Standing(*rows[0][1:]), Edge.RECLAIM, now, failure=failure, cuts=cuts) if rows else None
                ),
            )
        )
    )
