"""Verbs that act on lanes: abort, pause, resume, ack."""

from collections.abc import Callable
from typing import Annotated

from lanes import filters
from lanes.base.errors import Ambiguous, Changed, LanesError, NotAllowed, NotFound, Unfit
from lanes.base.procedure import Effect, Procedure, read, within, write
from lanes.context import Context
from lanes.engine.reconcile.abort import AbortParams, go_on_waiting, request
from lanes.records import AbortResult, GlobActed, Outcome, Pause
from lanes.verbs import outcomes
from lanes.verbs.kinds import (
    CAUSE,
    NOT_TYPED,
    ONLY_PYTHON,
    Duration,
    Epoch,
    Flag,
    Id,
    KeptGlob,
    Key,
    Moment,
    PauseTime,
    Reason,
    Source,
    words,
)
from lanes.verbs.results import ACTED, ActedRow
from lanes.verbs.verb import DashboardAction, WaitOverHttp, verb
from lanes.watch.freeing import FreeRequest, after_here, elsewhere, free, go_on, resolve, unnamed
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.doors import control, pauses
from lanes_storage.doors.pauses import Control
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import HELD, PAUSED_BY_HAND, Cause, LaneState, PauseKind, Scope
from lanes_storage.records import How, LaneFilter, SightingRow

#: The glob that every key fits.
EVERY_KEY = "*"


@verb("POST /api/pause", result=GlobActed, said=outcomes.all_paused)
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


@verb("POST /api/resume", result=GlobActed, said=outcomes.all_resumed)
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
    """When it ends; None: when it is resumed. Raises Unfit."""
    if for_ is None and until is not None and until <= now.wall:
        raise Unfit("a pause ends in the future; resume ends one", "until")
    return until if for_ is None else now.wall + for_


def _paused(match: str, now: Now) -> Procedure[int]:
    """How many of the lanes that fit are paused, by whatever pause."""
    paused = LaneFilter(at=now.wall).where("paused", How.IS, 1)
    return (yield from read(reads.lanes_total(filters.narrowed(paused, match=match))))


@verb(
    "POST /api/lanes/{key}/abort",
    result=AbortResult,
    errors=(NotFound, Ambiguous),
    examples=(
        "lanes abort agent:main:telegram:42 --reason stuck",
        "lanes abort openclaw:agent:main:telegram:42   in another program's gateway",
        "lanes abort --held-for 10m --dry-run         what would be aborted",
        "lanes abort --filter 'silent:>1m provider:codex' --yes",
        "lanes abort --match 'agent:*:feishu:*' --scope both --yes",
    ),
    said=outcomes.aborted,
    deeds=(
        DashboardAction("Abort {}", "Abort", grave=True),
        DashboardAction("Abort {} by force", "Force", grave=True, name="force", params={"force": True}),
    ),
    waiting=WaitOverHttp(
        patience="timeout",
        waits=lambda given: bool(given.get("wait", True)),
        first={"wait": False},
        again=lambda _, asked: {"key": asked.key, "run_id": asked.run_id, "freeing": asked.freeing},
        ended=lambda result: result.outcome is not Outcome.PENDING or (result.run_id or result.freeing) is None,
        told=lambda first, last, waited_s: last.replace(dropped=first.dropped, waited_s=round(waited_s, 3)),
    ),
)
def abort(
    ctx: Context,
    key: Key,
    *,
    scope: Annotated[Scope, words(Scope), "The run, the messages that wait, or both."] = Scope.RUN,
    reason: Reason | None = None,
    grace: Annotated[Duration | None, "Release by force after this time. [default: abort_grace]"] = None,
    force: Annotated[Flag, "Release by force at once."] = False,
    epoch: Epoch | None = None,
    wait: Annotated[Flag, NOT_TYPED] = True,
    timeout: Annotated[Duration | None, "Wait for at most this long. [default: until it is proven]"] = None,
    source: Source | None = None,
    reset: Annotated[Flag, "Of another program: if nothing else ends the run, reset the session there."] = False,
    run_id: Annotated[Id | None, NOT_TYPED, "continue to wait for the requested abort of this run"] = None,
    freeing: Annotated[Id | None, NOT_TYPED, "continue to wait for this request to free a watched lane"] = None,
    cause: Annotated[Cause, CAUSE, ONLY_PYTHON] = Cause.ABORTED,
) -> Effect[AbortResult]:
    """Stop the runs of lanes, and free the lanes.

    The owner is asked to stop the run. If it does not within the grace period, or is dead, the lane is released by
    force. Waiting messages are kept, unless --scope says otherwise.

    A lane of another program's gateway (SOURCE:KEY) is freed there by the process that watches it: the weakest way
    first, each proven before the next.

    Exit codes: 0 freed, 3 no such lane, 4 nothing to abort, 5 not confirmed in time, 69 database not reachable.
    """
    if run_id is not None:
        return go_on_waiting(ctx, key, run_id, timeout_ms=timeout)
    if freeing is not None:
        pending = AbortResult(key, Outcome.PENDING, 0, 0, freeing=freeing, survivors=None)
        return go_on(ctx, pending, ctx.now(), timeout)
    how = AbortParams(key, reason, cause, scope, epoch, 0 if force else grace)
    return _ended(ctx, how, FreeRequest(epoch, reset, reason, wait, timeout), source)


def _ended(ctx: Context, how: AbortParams, there: FreeRequest, source: str | None) -> Procedure[AbortResult]:
    """End what holds a lane: here, in another program's gateway, or here first and then there."""
    named = yield from resolve(how.key, source)
    if not named.here and named.there is not None:
        return (yield from _freed_there(ctx, how, named.there, there))
    try:
        result = yield from request(ctx, how, wait=there.wait, timeout_ms=there.timeout_ms)
    except NotFound:
        if source is not None:
            raise
        return (yield from free(ctx, (yield from elsewhere(how.key)), there))
    return result if named.there is None else (yield from after_here(ctx, result, named.there, there))


def _freed_there(ctx: Context, how: AbortParams, row: SightingRow, there: FreeRequest) -> Procedure[AbortResult]:
    """Free a session of another program; its request is ended here first, if it is known by the watch alone."""
    key = (yield from unnamed(ctx, row)) if there.epoch in (None, row.epoch) else None
    if key is None:
        return (yield from free(ctx, row, there))
    own = how._replace(key=key, epoch=None)
    try:
        result = yield from request(ctx, own, wait=there.wait, timeout_ms=there.timeout_ms)
    except NotFound:  # it has ended, and was pruned
        return (yield from free(ctx, row, there))
    if result.outcome is Outcome.PENDING:
        return result
    return (yield from after_here(ctx, result.replace(key=row.address), row, there))


@verb(
    "POST /api/lanes/{key}/pause",
    result=ACTED,
    errors=(NotFound, Changed),
    examples=(
        'lanes pause agent:main:telegram:42 --for 10m --reason "provider in repair"',
        "lanes pause --match 'agent:*:feishu:*'",
        'lanes pause --all --for 1h --reason "provider in repair"',
    ),
    said=outcomes.paused,
    whole=pause_all,
    command=True,
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
) -> Effect[ActedRow]:
    """Stop lanes from claiming messages. Runs continue, and waiting messages are kept."""
    now = ctx.now()
    end = _end_of_pause(now, for_, until)
    why = reason or PAUSED_BY_HAND
    return acted(key, lambda tx: pauses.pause(tx, key, now, actor=ctx.actor, reason=why, until=end, meant=epoch))


@verb(
    "POST /api/lanes/{key}/resume",
    result=ACTED,
    errors=(NotFound, Changed),
    examples=(
        "lanes resume agent:main:telegram:42",
        "lanes resume --all                    the pause of all, and no other",
        "lanes resume --filter paused:yes      each lane by itself",
    ),
    said=outcomes.resumed,
    whole=resume_all,
    command=True,
    deeds=(DashboardAction("Resume {}", "Resume"),),
)
def resume(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[ActedRow]:
    """End the pause of lanes. Does nothing to a lane that is not paused."""
    now = ctx.now()
    return acted(key, lambda tx: pauses.resume(tx, key, now, actor=ctx.actor, meant=epoch))


@verb(
    "POST /api/lanes/{key}/ack",
    result=ACTED,
    errors=(NotFound, Changed, NotAllowed),
    examples=("lanes ack agent:main:telegram:42",),
    said=outcomes.seen,
    command=True,
    deeds=(DashboardAction("Take note of {}", "Ack", fits=frozenset({LaneState.ERRORED, LaneState.ABORTED})),),
)
def ack(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[ActedRow]:
    """Acknowledge errored or aborted lanes.

    They go back to idle, and nothing else changes. Use `lanes abort` for a running lane.
    """
    now = ctx.now()

    def act(tx: Transaction) -> Control:
        return control.ack(tx, key, now, actor=ctx.actor, meant=epoch)

    return acted(key, act, refused=lambda met: met.state in HELD)


def acted(
    key: str, act: Callable[[Transaction], Control], *, refused: Callable[[Control], bool] = lambda _: False
) -> Step[ActedRow | LanesError]:
    """Act on a lane and read it in the same transaction, so that the result shows the lane as the action left it."""

    def step(tx: Transaction) -> ActedRow | LanesError:
        met = act(tx)
        if met.moved_on:
            return Changed(key, met.epoch)
        lane = within(tx, reads.lane(key))
        if lane is None:
            return NotFound("lane", key)
        if refused(met):
            return NotAllowed(f"lane {key!r} is running: use abort")
        return ActedRow(lane, met.applied)

    return step
