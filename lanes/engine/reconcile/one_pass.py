"""One pass of the reconciler for people: every decision with its evidence, and whether it was applied."""

from lanes import records
from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import Decision, ReconcileDecision, told
from lanes.text import ages
from lanes.text.spans import span
from lanes_storage import reads
from lanes_storage.clock import Clock, Now
from lanes_storage.interface import Reader
from lanes_storage.records import OwnerRow


def carry_out(
    observer: Observer, findings: list[ReconcileDecision], reader: Reader, clock: Clock, *, dry_run: bool
) -> list[records.Finding]:
    """Apply the findings of an observer, except in a dry run; owners that seem silent are listed too."""
    findings = _with_the_silent(findings, reader.read(reads.owners()), clock())
    done: dict[int, bool] = {}
    if not dry_run:
        done = {id(finding): applied for finding, applied in observer.act(findings)}
        findings = [finding for finding in findings if finding.decision is not Decision.HEALTHY]
    liveness = records.Liveness(clock())
    return [told(each, liveness, done=done.get(id(each), False)) for each in findings]


def looks_silent(owner: OwnerRow, now: Now) -> bool:
    """Whether the stored heartbeat is old: a reason to watch the owner, but no proof."""
    return ages.beat_ms(owner, now) > 2 * owner.heartbeat_interval_ms


def _with_the_silent(findings: list[ReconcileDecision], owners: list[OwnerRow], now: Now) -> list[ReconcileDecision]:
    """One pass cannot observe silence: the age of the stored heartbeat is added for people, but decides nothing."""
    silent = {owner.id for owner in owners if looks_silent(owner, now)}
    shown = [
        _watched(f.owner, now, f) if f.decision is Decision.HEALTHY and f.owner and f.owner.id in silent else f
        for f in findings
    ]
    named = {finding.owner.id for finding in findings if finding.owner is not None}
    return shown + [_watched(owner, now) for owner in owners if owner.id in silent - named]


def _watched(owner: OwnerRow, now: Now, finding: ReconcileDecision | None = None) -> ReconcileDecision:
    said = f"its last heartbeat was {span(ages.beat_ms(owner, now))} ago"
    said += f"; --wait watches it for {span(owner.stale_after_ms)}"
    return ReconcileDecision(Decision.WATCHED, said, owner, finding.run if finding else None)
