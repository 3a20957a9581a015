"""One pass of the reconciler outside any gateway, and watching owners that are silent before it."""

import time
from collections.abc import Callable, Iterator

from lanes import records
from lanes.commands.common.exits import sentence
from lanes.context import Context
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.one_pass import carry_out, looks_silent
from lanes.engine.reconcile.reconciler import ACTING, ReconcileDecision, told
from lanes.explain.phrases import counted
from lanes.explain.why import span
from lanes_storage import doors, reads
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import Store

#: Between two looks at owners that are watched.
LOOK_EVERY_MS = 100


def reconcile_after_watching(
    store: Store, ctx: Context, talk: Callable[[str], None], *, dry_run: bool
) -> list[records.Finding]:
    """Every decision of the pass after silent owners were watched for long enough."""
    observer = Observer(store, store.write, ctx.clock, by=ctx.actor, interval_ms=LOOK_EVERY_MS)
    findings = _watch(store, ctx.clock, observer, observer.look(), talk)
    return carry_out(observer, findings, store, ctx.clock, dry_run=dry_run)


def reconcile_on(store: Store, ctx: Context, talk: Callable[[str], None]) -> Iterator[list[records.Finding]]:
    """What each pass did, one after the other, as in a gateway. It outlives a database that fails for a while."""
    clock, interval_ms = ctx.clock, ctx.reconcile_interval_ms()
    observer = Observer(store, store.write, clock, by=ctx.actor, interval_ms=interval_ms)
    talk(f"watching every {span(interval_ms)}, until Ctrl-C")
    while True:
        try:
            store.write(doors.touch)  # a pass that could not commit would be none
            done = observer.run_once()
            liveness = records.Liveness(clock())
            yield [told(finding, liveness, done=landed) for finding, landed in done]
        except StorageError as error:
            observer.forget()
            talk(f"lanes: {sentence(error)}")
        time.sleep(interval_ms / 1000)


def _watch(
    store: Store, clock: Clock, observer: Observer, findings: list[ReconcileDecision], talk: Callable[[str], None]
) -> list[ReconcileDecision]:
    """Look again and again, until each owner that looks silent has beaten, ended, or been silent for long enough."""
    before = {o.id: o for o in store.read(reads.owners()) if looks_silent(o, clock())}
    open_ = before.keys() - _judged(findings)
    if open_:
        longest = max(before[number].stale_after_ms for number in open_)
        talk(f"watching {counted(len(open_), 'silent owner')} for up to {span(longest)}")
    while open_:
        time.sleep(LOOK_EVERY_MS / 1000)
        findings = observer.look()
        beats = {owner.id: owner.heartbeats for owner in store.read(reads.owners())}
        open_ = {number for number in open_ - _judged(findings) if beats.get(number) == before[number].heartbeats}
    return findings


def _judged(findings: list[ReconcileDecision]) -> set[int]:
    """The owners that were found to have lost their lanes."""
    return {f.owner.id for f in findings if f.owner is not None and f.run is None and f.decision in ACTING}
