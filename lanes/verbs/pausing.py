"""Pausing every lane, or every lane whose key fits a glob, lanes to come included."""

from typing import Annotated

from lanes import filters
from lanes.base.procedure import Procedure, read, write
from lanes.context import Context
from lanes.records import GlobActed, Pause
from lanes.verbs import outcomes
from lanes.verbs.kinds import ONLY_PYTHON, Duration, KeptGlob, Moment, Reason
from lanes.verbs.verb import verb
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.doors import pauses
from lanes_storage.interface import Transaction
from lanes_storage.law import PAUSED_BY_HAND, PauseKind
from lanes_storage.records import How, LaneFilter

#: The glob that every key fits.
EVERY_KEY = "*"


@verb("POST /api/pause", result=GlobActed, said=outcomes.all_paused)
def pause_all(
    ctx: Context,
    *,
    match: KeptGlob = EVERY_KEY,
    for_: Annotated[Duration | None, "how long; without, until resumed"] = None,
    until: Annotated[Moment | None, ONLY_PYTHON] = None,
    reason: Reason | None = None,
) -> Procedure[GlobActed]:
    """Let every lane claim nothing, or every lane whose key fits a glob: lanes to come included, over restarts.

    What runs goes on, what waits is kept. A second pause of the same glob takes the place of the first.
    """
    now = ctx.now()
    end = until if for_ is None else now.wall + for_
    why = reason or PAUSED_BY_HAND

    def step(tx: Transaction) -> None:
        pauses.pause_matching(tx, match, PauseKind.HAND, now, actor=ctx.actor, reason=why, until=end)

    yield from write(step)
    return GlobActed(match, Pause(why, end, match), True, (yield from _paused(match, now)))


@verb("POST /api/resume", result=GlobActed, said=outcomes.all_resumed)
def resume_all(ctx: Context, *, match: KeptGlob = EVERY_KEY) -> Procedure[GlobActed]:
    """End the pause of all lanes, or that of a glob. Harmless where there is none.

    A lane that is also paused by itself, or by another glob, stays paused.
    """
    now = ctx.now()

    def step(tx: Transaction) -> bool:
        return pauses.resume_matching(tx, match, None, now, actor=ctx.actor)

    ended = yield from write(step)
    return GlobActed(match, None, ended, (yield from _paused(match, now)))


def _paused(match: str, now: Now) -> Procedure[int]:
    """How many of the lanes that fit are paused, by whatever pause."""
    paused = LaneFilter(at=now.wall).where("paused", How.IS, 1)
    return (yield from read(reads.lanes_total(filters.narrowed(paused, match=match))))
