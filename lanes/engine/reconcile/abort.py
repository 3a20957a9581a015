"""Abort: request it, let the owner confirm, and release by force if it does not. For ``lanes.verbs.control``.

It works whether the owner is alive, dead or hung, because both the request and the release are rows: the owner only
makes it faster. The outcome is determined by reading the run's row again, never assumed.
"""

from collections.abc import Sequence

from lanes.base.errors import NotFound
from lanes.base.procedure import Procedure, read, wait_for_change, write
from lanes.context import Context
from lanes.host.identity import is_gone, this_process
from lanes.records import AbortResult, Outcome
from lanes_storage import doors, reads
from lanes_storage.clock import Now, slept_between
from lanes_storage.law import GHOST_AFTER, Cause, Scope
from lanes_storage.records import OwnerRow, RunRow, Ticket
from lanes_storage.tuples import NamedTuple

#: The longest pause between two reads of a run that is being aborted.
LOOK_AGAIN_MS = 250
#: Of several lanes that are aborted together, the first of these outcomes stands for all.
GRAVEST_FIRST = (
    Outcome.PENDING,
    Outcome.FORCED,
    Outcome.REPAIRED,
    Outcome.RELEASED,
    Outcome.CLEARED,
    Outcome.CHANGED,
    Outcome.NOT_HELD,
)


class AbortParams(NamedTuple):
    """An abort request. ``epoch``: abort only if the lane still has it. ``grace_ms``: replaces the grace of the run."""

    key: str
    reason: str | None
    cause: Cause
    scope: Scope
    epoch: int | None
    grace_ms: int | None


def request(ctx: Context, params: AbortParams, *, wait: bool, timeout_ms: int | None) -> Procedure[AbortResult]:
    """Request an abort, and unless ``wait`` is False wait for its outcome.

    If ``wait`` is False, or on a timeout, the outcome is ``pending`` and the request stays. For a session with child
    lanes, all of its lanes are aborted, or with an epoch the one that has it. Raises NotFound.
    """
    members = yield from read(reads.members(params.key))
    chosen = [member.key for member in members if params.epoch in (None, member.epoch)]
    results: list[AbortResult] = []
    started = ctx.now()
    for key in chosen or [params.key]:  # all are requested before one is waited for
        result = yield from _request_one(ctx, params._replace(key=key))
        results.append(result)
    return (yield from _all_ended(ctx, params.key, results, started, wait=wait, timeout_ms=timeout_ms))


def _all_ended(
    ctx: Context, key: str, results: list[AbortResult], started: Now, *, wait: bool, timeout_ms: int | None
) -> Procedure[AbortResult]:
    """Wait for the outcomes that are pending, and return the outcome for the whole session."""
    for place, result in enumerate(results):
        if wait and result.outcome is Outcome.PENDING:
            results[place] = yield from _outcome(ctx, result, started, timeout_ms)
    return _together(key, results)


def _together(key: str, results: Sequence[AbortResult]) -> AbortResult:
    """The outcome for all lanes of a session: of those that were not free, the gravest one."""
    gravest = min(results, key=lambda result: GRAVEST_FIRST.index(result.outcome))
    survivors = [result.survivors for result in results]
    return gravest.replace(
        key=key,
        dropped=sum(result.dropped for result in results),
        waited_s=max(result.waited_s for result in results),
        survivors=None if None in survivors else tuple(name for each in survivors for name in each or ()),
    )


def _request_one(ctx: Context, params: AbortParams) -> Procedure[AbortResult]:
    key, now = params.key, ctx.now()
    requested = yield from write(lambda tx: doors.request_abort(tx, now=now, actor=ctx.actor, **params._asdict()))
    if requested is None:
        raise NotFound("lane", key)
    if requested.ticket is None:
        cleared = Outcome.CLEARED if requested.cut else Outcome.NOT_HELD
        outcome = Outcome.CHANGED if requested.moved_on else cleared
        return AbortResult(key, outcome, requested.epoch, requested.epoch, dropped=requested.cut)
    run_id, epoch = requested.ticket.run_id, requested.epoch
    return AbortResult(key, Outcome.PENDING, epoch, epoch, run_id, dropped=requested.cut, survivors=None)


def go_on_waiting(
    ctx: Context, key: str, run_id: int, *, epoch: int | None, timeout_ms: int | None
) -> Procedure[AbortResult]:
    """Wait for the outcome of an abort that was requested earlier for a run of this lane. Unless its ``epoch`` named
    only that run, also wait for the aborts of the other lanes of the session.

    Raises NotFound if no abort of that run was requested.
    """
    run = yield from read(reads.run(run_id))
    if run is None or run.key != key or run.abort_at is None:
        raise NotFound("aborted run", run_id)
    members = [] if epoch is not None else (yield from read(reads.members(key)))
    others = [member.stopping for member in members if member.stopping not in (None, run.id)]
    pending = [
        AbortResult(key, Outcome.PENDING, each, each, each, survivors=None) for each in (run.id, *others) if each
    ]
    return (yield from _all_ended(ctx, key, pending, ctx.now(), wait=True, timeout_ms=timeout_ms))


def _outcome(ctx: Context, pending: AbortResult, started: Now, timeout_ms: int | None) -> Procedure[AbortResult]:
    """Wait until the owner confirms a requested abort, and force it when its grace has passed.

    The timeout counts from the request, like the grace, so that it includes the commit of the request.
    """
    assert pending.run_id is not None
    ticket = Ticket(pending.run_id, pending.epoch_before)
    slept: int | None = None
    while True:
        now = ctx.now()
        run = yield from read(reads.run(ticket.run_id))
        assert run is not None, "runs are kept as long as their lane"
        owner = yield from read(reads.owner(run.owner_id))
        slept = owner.slept_ms if slept is None and owner is not None else slept
        waited_ms = now.mono - started.mono
        if run.ended_at is not None:
            # the epoch of that release: the lane may have moved on to its next message
            after = yield from read(reads.epoch_of_release(run.lane_id, run.id))
            survivors: tuple[str, ...] | None = ()
            if run.forced and run.process_group is not None:
                from lanes.engine.reconcile.survivors import settle

                grace = _grace_ms(run)
                patience = grace if timeout_ms is None else min(grace, max(0, timeout_ms - waited_ms))
                survivors = yield from settle(ctx, run.id, patience_ms=patience, force=grace == 0)
            outcome = Outcome.RELEASED
            if run.forced:
                outcome = Outcome.REPAIRED if _nobody_holds(run, owner) else Outcome.FORCED
            epoch, waited_s = after or pending.epoch_before, (ctx.now().mono - started.mono) / 1000
            return pending.replace(outcome=outcome, epoch_after=epoch, waited_s=waited_s, survivors=survivors)
        due = force_due_in(run, owner, now, started, slept)
        if due <= 0:
            yield from write(doors.abort(ticket, now, by=ctx.actor, forced=True))
            continue  # the row is read again
        left = LOOK_AGAIN_MS if timeout_ms is None else timeout_ms - waited_ms
        if left <= 0:
            return pending.replace(waited_s=waited_ms / 1000)
        yield from wait_for_change(min(due, left, LOOK_AGAIN_MS) / 1000)


def force_due_in(run: RunRow, owner: OwnerRow | None, now: Now, first_seen: Now, slept: int | None) -> int:
    """In how many milliseconds an abort-requested run may be released by force; 0 or less means now.

    At once if its owner is provably gone, has ended, or disowns the run; otherwise when the grace has passed since
    the request: by the boot clock if the request was made in this boot, else since ``first_seen``. Time in which the
    machine slept does not count; ``slept``: how long the owner's machine had slept at ``first_seen``, for the latter
    case.
    """
    if _nobody_holds(run, owner):
        return 0
    grace = _grace_ms(run)
    if run.abort_boot is not None and run.abort_boot_id == now.boot_id:
        return grace - now.awake_since(run.abort_boot, run.abort_slept_ms)
    elsewhere = 0 if owner is None or owner.boot_id == now.boot_id else slept_between(slept, owner.slept_ms)
    return grace + elsewhere - (now.mono - first_seen.mono)


def _nobody_holds(run: RunRow, owner: OwnerRow | None) -> bool:
    if owner is None or owner.ended_at is not None or run.left_out >= GHOST_AFTER:
        return True
    return is_gone(owner, this_process())


def _grace_ms(run: RunRow) -> int:
    return run.terms.abort_grace_ms if run.abort_grace_asked_ms is None else run.abort_grace_asked_ms
