"""Verbs that pause, resume and acknowledge lanes."""

from collections.abc import Callable
from typing import Annotated

from lanes import filters
from lanes.base.errors import Changed, LanesError, NotAllowed, NotFound, Unfit
from lanes.base.procedure import Effect, Procedure, read, write
from lanes.context import Context
from lanes.records import Acted, GlobActed, Lane, Liveness, Pause
from lanes.verbs import outcomes
from lanes.verbs.kinds import NOT_TYPED, ONLY_PYTHON, Epoch, KeptGlob, Key, Moment, PauseTime, Reason
from lanes.verbs.verb import DashboardAction, verb
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.doors import control, pauses
from lanes_storage.doors.pauses import Control
from lanes_storage.interface import Transaction, within
from lanes_storage.law import HELD, PAUSED_BY_HAND, LaneState, PauseKind
from lanes_storage.records import How, LaneFilter, LaneRow

#: The glob that every key fits.
EVERY_KEY = "*"


@verb("POST /api/pause", result=GlobActed, outcome_text=outcomes.all_paused)
def pause_all(
    ctx: Context,
    *,
    match: KeptGlob = EVERY_KEY,
    for_: Annotated[PauseTime | None, "how long; without, until resumed"] = None,
    until: Annotated[Moment | None, ONLY_PYTHON] = None,
    reason: Reason | None = None,
) -> Procedure[GlobActed]:
    """Let every lane claim nothing, or every lane whose key fits a glob: lanes to come included, over restarts.

    What runs goes on, what waits is kept. A second pause of the same glob takes the place of the first.
    """
    now = ctx.now()
    end = _end_of_pause(now, for_, until)
    why = reason or PAUSED_BY_HAND

    def step(tx: Transaction) -> None:
        pauses.pause_matching(tx, match, PauseKind.HAND, now, actor=ctx.actor, reason=why, until=end)

    yield from write(step)
    return GlobActed(match, Pause(why, end, match), True, (yield from _paused(match, now)))


@verb("POST /api/resume", result=GlobActed, outcome_text=outcomes.all_resumed)
def resume_all(
    ctx: Context,
    *,
    match: KeptGlob = EVERY_KEY,
    set_at: Annotated[Moment | None, NOT_TYPED, "end only the pause that was set at that moment (`at` of it)"] = None,
) -> Procedure[GlobActed]:
    """End the pause of all lanes, or that of a glob. Harmless where there is none.

    A lane that is also paused by itself, or by another glob, stays paused.
    """
    now = ctx.now()

    def step(tx: Transaction) -> bool:
        return pauses.resume_matching(tx, match, None, now, actor=ctx.actor, set_at=set_at)

    ended = yield from write(step)
    return GlobActed(match, None, ended, (yield from _paused(match, now)))


def _end_of_pause(now: Now, for_: int | None, until: int | None) -> int | None:
    """The wall time at which a pause ends; None: not before it is resumed. Raises Unfit."""
    if for_ is None and until is not None and until <= now.wall:
        raise Unfit("a pause ends in the future; resume ends one", "until")
    return until if for_ is None else now.wall + for_


def _paused(match: str, now: Now) -> Procedure[int]:
    """How many of the lanes that fit are paused, by whatever pause."""
    paused = LaneFilter(at=now.wall).where("paused", How.IS, 1)
    return (yield from read(reads.lanes_total(filters.narrowed(paused, match=match))))


@verb(
    "POST /api/lanes/{key}/pause",
    result=Acted,
    errors=(NotFound, Changed),
    examples=(
        'lanes pause agent:main:telegram:42 --for 10m --reason "provider in repair"',
        "lanes pause --match 'agent:*:feishu:*'",
        'lanes pause --all --for 1h --reason "provider in repair"',
    ),
    outcome_text=outcomes.paused,
    whole=pause_all,
    deeds=(DashboardAction("Pause {}", "Pause"),),
)
def pause(
    ctx: Context,
    key: Key,
    *,
    for_: Annotated[PauseTime | None, "How long, such as 10m. [default: until resumed]"] = None,
    until: Annotated[Moment | None, ONLY_PYTHON] = None,
    reason: Reason | None = None,
    epoch: Epoch | None = None,
) -> Effect[Acted]:
    """Stop lanes from claiming messages. Runs continue, and waiting messages are kept."""
    now = ctx.now()
    end = _end_of_pause(now, for_, until)
    why = reason or PAUSED_BY_HAND
    return acted(
        ctx, key, lambda tx: pauses.pause(tx, key, now, actor=ctx.actor, reason=why, until=end, bound_epoch=epoch)
    )


@verb(
    "POST /api/lanes/{key}/resume",
    result=Acted,
    errors=(NotFound, Changed),
    examples=(
        "lanes resume agent:main:telegram:42",
        "lanes resume --all                    the pause of all, and no other",
        "lanes resume --filter paused:yes      each lane by itself",
    ),
    outcome_text=outcomes.resumed,
    whole=resume_all,
    deeds=(DashboardAction("Resume {}", "Resume"),),
)
def resume(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
    """End the pause of lanes. Does nothing to a lane that is not paused."""
    now = ctx.now()
    return acted(ctx, key, lambda tx: pauses.resume(tx, key, now, actor=ctx.actor, bound_epoch=epoch))


@verb(
    "POST /api/lanes/{key}/ack",
    result=Acted,
    errors=(NotFound, Changed, NotAllowed),
    examples=("lanes ack agent:main:telegram:42",),
    outcome_text=outcomes.seen,
    deeds=(DashboardAction("Take note of {}", "Ack", fits=frozenset({LaneState.ERRORED, LaneState.ABORTED})),),
)
def ack(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
    """Acknowledge errored or aborted lanes.

    They go back to idle, and nothing else changes. Use `lanes abort` for a running lane.
    """
    now = ctx.now()

    def act(tx: Transaction) -> Control:
        return control.ack(tx, key, now, actor=ctx.actor, bound_epoch=epoch)

    return acted(ctx, key, act, unless_held=True)


def acted(
    ctx: Context, key: str, act: Callable[[Transaction], Control], *, unless_held: bool = False
) -> Procedure[Acted]:
    """Act on a lane and read it in the same transaction, so that the result shows the lane as the action left it."""

    def step(tx: Transaction) -> tuple[LaneRow, bool] | LanesError:
        met = act(tx)
        if met.moved_on:
            return Changed(key, met.epoch)
        lane = within(tx, reads.lane(key))
        if lane is None:
            return NotFound("lane", key)
        if unless_held and met.state in HELD:
            return NotAllowed(f"lane {key!r} is running: use abort")
        return lane, met.applied

    lane, done = yield from write(step)
    return Acted(Lane.of(lane, Liveness(ctx.now())), done)
