"""The verb that aborts."""

from typing import Annotated

from lanes.base.errors import Ambiguous, NotFound
from lanes.base.procedure import Effect, Procedure
from lanes.context import Context
from lanes.engine.reconcile.abort import AbortParams, go_on_waiting, request
from lanes.records import AbortResult, Outcome
from lanes.verbs import outcomes
from lanes.verbs.kinds import CAUSE, NOT_TYPED, ONLY_PYTHON, Duration, Epoch, Flag, Id, Key, Reason, Source, words
from lanes.verbs.verb import DashboardAction, WaitOverHttp, verb
from lanes.watch.freeing import FreeRequest, after_here, elsewhere, free, go_on, resolve, unnamed
from lanes_storage.law import Cause, Scope
from lanes_storage.records import SightingRow


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
    outcome_text=outcomes.aborted,
    deeds=(
        DashboardAction("Abort {}", "Abort", grave=True),
        DashboardAction("Abort {} by force", "Force", grave=True, name="force", params={"force": True}),
    ),
    waiting=WaitOverHttp(
        patience="timeout",
        waits=lambda params: bool(params.get("wait", True)),
        first={"wait": False},
        again=lambda params, first: {
            "key": first.key,
            "run_id": first.run_id,
            "freeing": first.freeing,
            "epoch": params.get("epoch"),
        },
        ended=lambda result: result.outcome is not Outcome.PENDING or (result.run_id or result.freeing) is None,
        combined=lambda first, last, waited_s: last.replace(dropped=first.dropped, waited_s=round(waited_s, 3)),
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
        return go_on_waiting(ctx, key, run_id, epoch=epoch, timeout_ms=timeout)
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
    """Free a session of another program. If a request that passes through here without a session's name holds it, the
    request is aborted first."""
    key = (yield from unnamed(ctx, row)) if there.epoch in (None, row.epoch) else None
    if key is None:
        return (yield from free(ctx, row, there))
    own = how._replace(key=key, epoch=None)
    try:
        result = yield from request(ctx, own, wait=there.wait, timeout_ms=there.timeout_ms)
    except NotFound:  # the request has ended, and its lane was pruned
        return (yield from free(ctx, row, there))
    if result.outcome is Outcome.PENDING:
        return result
    return (yield from after_here(ctx, result.replace(key=row.address), row, there))
