"""The reconciler for people, outside any gateway: one pass, or pass after pass, with the evidence of every decision."""

import time
from collections.abc import Callable

from lanes.context import Context
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import ACTING, Decision, ReconcileDecision, to_finding
from lanes.engine.reconcile.survivors import SurvivorWatch
from lanes.explain.phrases import counted
from lanes.records import Finding, Liveness
from lanes.text import ages
from lanes.text.spans import span
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import StorageError
from lanes_storage.interface import Store
from lanes_storage.records import OwnerRow

#: How many milliseconds one pass waits for the end of processes that runs have left behind on this host.
SURVIVORS_MS = 15_000
#: Milliseconds between two looks at owners that are watched.
LOOK_EVERY_MS = 100

Report = Callable[[str], None]


def reconcile_once(store: Store, ctx: Context, report: Report, *, dry_run: bool, wait: bool) -> list[Finding]:
    """Every decision of one pass. ``wait``: silent owners are watched first, until each can be judged."""
    interval_ms = LOOK_EVERY_MS if wait else ctx.reconcile_interval_ms()
    observer = Observer(store, store.write, ctx.clock, by=ctx.actor, interval_ms=interval_ms)
    findings = observer.look()
    if wait:
        findings = _watch(store, ctx.clock, observer, findings, report)
    done = _carry_out(observer, findings, store, ctx.clock, dry_run=dry_run)
    if not dry_run:
        _end_survivors(store, ctx)
    return done


def reconcile_on(store: Store, ctx: Context, report: Report, each_pass: Callable[[list[Finding]], bool]) -> None:
    """Run pass after pass, as a gateway does, until ``each_pass`` returns False for a pass. It continues if the
    database fails for a while.
    """
    clock, interval_ms = ctx.clock, ctx.reconcile_interval_ms()
    observer = Observer(store, store.write, clock, by=ctx.actor, interval_ms=interval_ms)
    survivors = SurvivorWatch(store, store.write)
    report(f"watching every {span(interval_ms)}, until Ctrl-C")
    while True:
        try:
            store.write(doors.touch)  # raises if the pass could not commit
            done = observer.run_once()
            survivors.run_once(clock(), by=ctx.actor)
        except StorageError as error:
            observer.forget()
            report(f"lanes: {error}: {error.fix}")
        else:
            liveness = Liveness(clock())
            if not each_pass([to_finding(finding, liveness, done=applied) for finding, applied in done]):
                return
        time.sleep(interval_ms / 1000)


def _end_survivors(store: Store, ctx: Context) -> None:
    """End what runs left behind on this host. If something does not end, the lanes that stay paused show it."""
    watch, until = SurvivorWatch(store, store.write), ctx.now().mono + SURVIVORS_MS
    while watch.run_once(ctx.now(), by=ctx.actor) and ctx.now().mono < until:
        time.sleep(LOOK_EVERY_MS / 1000)


def _watch(
    store: Store, clock: Clock, observer: Observer, findings: list[ReconcileDecision], report: Report
) -> list[ReconcileDecision]:
    """Look repeatedly, until each owner that looks silent has sent a heartbeat, has ended, or can be judged."""
    before = {o.id: o for o in store.read(reads.owners()) if _looks_silent(o, clock())}
    open_ = before.keys() - _judged(findings)
    if open_:
        longest = max(before[number].stale_after_ms for number in open_)
        report(f"watching {counted(len(open_), 'silent owner')} for up to {span(longest)}")
    while open_:
        time.sleep(LOOK_EVERY_MS / 1000)
        findings = observer.look()
        beats = {owner.id: owner.heartbeats for owner in store.read(reads.owners())}
        open_ = {number for number in open_ - _judged(findings) if beats.get(number) == before[number].heartbeats}
    return findings


def _judged(findings: list[ReconcileDecision]) -> set[int]:
    """The owners that were found to have lost their lanes."""
    return {f.owner.id for f in findings if f.owner is not None and f.run is None and f.decision in ACTING}


def _carry_out(
    observer: Observer, findings: list[ReconcileDecision], store: Store, clock: Clock, *, dry_run: bool
) -> list[Finding]:
    """Apply the findings of an observer, except in a dry run; owners that seem silent are listed too."""
    findings = _with_the_silent(findings, store.read(reads.owners()), clock())
    if dry_run:
        done = [(each, False) for each in findings]
    else:
        acted = iter(observer.act(findings))
        found = [each for each in findings if each.decision is not Decision.HEALTHY]
        done = [next(acted) if each.decision in ACTING else (each, False) for each in found]
    liveness = Liveness(clock())
    return [to_finding(each, liveness, done=applied) for each, applied in done]


def _looks_silent(owner: OwnerRow, now: Now) -> bool:
    """Whether the stored heartbeat is old: a reason to watch the owner, but no proof."""
    return ages.beat_ms(owner, now) > 2 * owner.heartbeat_interval_ms


def _with_the_silent(findings: list[ReconcileDecision], owners: list[OwnerRow], now: Now) -> list[ReconcileDecision]:
    """One pass cannot observe silence: the age of the stored heartbeat is added for people, but decides nothing."""
    silent = {owner.id for owner in owners if _looks_silent(owner, now)}
    shown = [
        _watched(f.owner, now, f) if f.decision is Decision.HEALTHY and f.owner and f.owner.id in silent else f
        for f in findings
    ]
    named = {finding.owner.id for finding in findings if finding.owner is not None}
    return shown + [_watched(owner, now) for owner in owners if owner.id in silent - named]


def _watched(owner: OwnerRow, now: Now, finding: ReconcileDecision | None = None) -> ReconcileDecision:
    text = f"its last heartbeat was {span(ages.beat_ms(owner, now))} ago"
    text += f"; --wait watches it for {span(owner.stale_after_ms)}"
    return ReconcileDecision(Decision.WATCHED, text, owner, finding.run if finding else None)
