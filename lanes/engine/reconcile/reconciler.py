"""The reconciler: notices held lanes whose owner is gone, or that are past every limit, and releases them.

``decide`` is pure: from the rows, from what this observer saw before, and from the time, it names an outcome for each
held lane. ``act`` returns the step that applies one, guarded by every value that it was decided from, so that applying
it twice, or from three processes at once, does no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from lanes import records
from lanes.engine.reconcile.abort import force_due_in
from lanes.engine.reconcile.sightings import Sightings
from lanes.host.identity import Identity, evidence, is_gone, look, sighting_text
from lanes.text import ages
from lanes.text.spans import span
from lanes_storage import doors
from lanes_storage.clock import Now
from lanes_storage.doors import Evidence
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import GHOST_AFTER, Cause
from lanes_storage.records import OwnerRow, Release, RunFailure, RunRow, Wait, Waiter


class Decision(StrEnum):
    """The outcome for a held lane, or for an owner."""

    HEALTHY = "healthy"
    WATCHED = "watched"  # its owner is silent, but not for long enough yet
    OWNER_GONE = "owner_gone"
    OWNER_SILENT = "owner_silent"
    GHOST = "ghost"
    ABORT_DUE = "abort_due"
    RUN_OVERDUE = "run_overdue"
    STALL_OVERDUE = "stall_overdue"
    WAITER_GONE = "waiter_gone"  # a wait for another lane, whose process has ended: only the wait ends


#: The decisions that change something.
ACTING = frozenset(Decision) - {Decision.HEALTHY, Decision.WATCHED}
CAUSES = {
    Decision.OWNER_GONE: Cause.OWNER_GONE,
    Decision.OWNER_SILENT: Cause.OWNER_SILENT,
    Decision.GHOST: Cause.GHOST,
    Decision.RUN_OVERDUE: Cause.RUN_TIMEOUT,
    Decision.STALL_OVERDUE: Cause.STALL_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class ReconcileDecision:
    """One decision, with its evidence as text. ``run`` None: it is about the owner only.

    ``wait``: it is about that wait of the run only.
    """

    decision: Decision
    evidence: str
    owner: OwnerRow | None
    run: RunRow | None = None
    budget_ms: int | None = None  # of an exceeded limit
    elapsed_ms: int | None = None
    wait: Wait | None = None


def to_finding(finding: ReconcileDecision, liveness: records.Liveness, *, done: bool) -> records.Finding:
    """A finding as a record for output."""
    return records.Finding.of(finding.run, finding.owner, finding.decision, finding.evidence, liveness, done=done)


def without_dead_waits(
    runs: Sequence[RunRow], waits: Sequence[Wait], me: Identity
) -> tuple[list[RunRow], list[ReconcileDecision]]:
    """The runs, without the waits of processes that are provably gone, and those waits as findings."""
    dead = [wait for wait in waits if is_gone(wait.process, me)]
    waiting = {wait.run_id for wait in waits if wait not in dead}
    by_id = {run.id: run._replace(waiting=run.id in waiting) for run in runs}
    return list(by_id.values()), [_waiter_gone(by_id[wait.run_id], wait, me) for wait in dead if wait.run_id in by_id]


def _waiter_gone(run: RunRow, wait: Wait, me: Identity) -> ReconcileDecision:
    text = f"it waited for message {wait.message_id} of another lane in a process that is gone"
    return ReconcileDecision(Decision.WAITER_GONE, f"{text}: {evidence(wait.process, me)}", None, run, wait=wait)


def decide(
    owners: list[OwnerRow], runs: list[RunRow], seen: Sightings, now: Now, me: Identity
) -> list[ReconcileDecision]:
    """Judge every held lane and every owner. The state ``running`` alone is no proof that a lane is held."""
    by_id = {owner.id: owner for owner in owners}
    verdicts = {owner.id: _judge_owner(owner, seen, now, me) for owner in owners}
    findings = [_judge_run(run, by_id.get(run.owner_id), verdicts, seen, now) for run in runs]
    findings += [finding for finding in verdicts.values() if finding.decision in ACTING]
    return findings


def _judge_owner(owner: OwnerRow, seen: Sightings, now: Now, me: Identity) -> ReconcileDecision:
    sight = look(owner, me)
    if sight.gone:
        return ReconcileDecision(Decision.OWNER_GONE, sighting_text(owner, sight), owner)
    silent = seen.silence_of(owner, now)
    if silent >= owner.stale_after_ms:
        text = f"no heartbeat of owner {owner.id} seen for {span(silent)}; stale after {span(owner.stale_after_ms)}"
        return ReconcileDecision(Decision.OWNER_SILENT, text, owner)
    if silent > 2 * owner.heartbeat_interval_ms:
        text = f"silent for {span(silent)}, reclaimed after {span(owner.stale_after_ms)}"
        return ReconcileDecision(Decision.WATCHED, text, owner)
    return ReconcileDecision(Decision.HEALTHY, sighting_text(owner, sight), owner)


def _judge_run(
    run: RunRow, owner: OwnerRow | None, verdicts: dict[int, ReconcileDecision], seen: Sightings, now: Now
) -> ReconcileDecision:
    if owner is None:
        return ReconcileDecision(Decision.OWNER_GONE, f"owner {run.owner_id} has ended", None, run)
    about_owner = verdicts[owner.id]
    if about_owner.decision in ACTING:
        return ReconcileDecision(about_owner.decision, about_owner.evidence, owner, run)
    if run.left_out >= GHOST_AFTER:
        text = f"owner {owner.id} is alive and left this run out of {run.left_out} heartbeats"
        return ReconcileDecision(Decision.GHOST, text, owner, run)
    requested = seen.abort_of(run, now)
    if run.abort_at is not None and force_due_in(run, owner, now, requested.at, requested.slept) <= 0:
        return ReconcileDecision(Decision.ABORT_DUE, "an abort was requested and its grace has passed", owner, run)
    overdue = None if run.body_ended_at is not None else _overdue(run, owner, seen, now)
    return overdue or ReconcileDecision(about_owner.decision, about_owner.evidence, owner, run)


def _overdue(run: RunRow, owner: OwnerRow, seen: Sightings, now: Now) -> ReconcileDecision | None:
    """Whether a limit passed so long ago that the owner should have ended the run already.

    Time in which its machine slept does not count. A run whose body has ended is skipped: it only waits until the
    database accepts its end.
    """
    terms, first = run.terms, seen.first_of(run, now)
    if now.mono - first.at.mono < terms.reconcile_interval_ms:
        return None  # an observer that has just started, or was suspended, lets the owner act first
    margin = terms.abort_grace_ms + terms.reconcile_interval_ms
    same_boot = run.boot_id == now.boot_id
    age = (ages.held_ms(run, now) if same_boot else seen.awake_ms(first, owner, now)) - ages.input_ms(run, now)
    if terms.run_timeout_ms is not None and age >= terms.run_timeout_ms + margin:
        text = f"ran for {span(age)}, its run_timeout is {span(terms.run_timeout_ms)}, and its owner did not end it"
        return ReconcileDecision(Decision.RUN_OVERDUE, text, owner, run, terms.run_timeout_ms, age)
    if terms.stall_timeout_ms is None or run.waiting:
        return None
    # a clock of another boot still shows for how long the run announced to be busy
    quiet = seen.awake_ms(seen.progress_of(run, now), owner, now)
    if same_boot:  # both are valid, and the shorter one is safer
        quiet = min(quiet, ages.quiet_ms(run, now))
    quiet -= ages.busy_ms(run)
    # progress is stored with heartbeats, so the stored value may be one heartbeat old
    if quiet >= terms.stall_timeout_ms + owner.heartbeat_interval_ms + margin:
        text = f"no progress for {span(quiet)}, its stall_timeout is {span(terms.stall_timeout_ms)}"
        return ReconcileDecision(Decision.STALL_OVERDUE, text, owner, run, terms.stall_timeout_ms, quiet)
    return None


def act(finding: ReconcileDecision, now: Now, *, by: str) -> Step[Release | None]:
    """The step that applies one finding. Its result is None if the finding is about an owner or a wait only."""
    run, owner, decision, wait = finding.run, finding.owner, finding.decision, finding.wait
    if wait is not None:
        waiter = Waiter(wait.run_id, wait.process)
        return lambda tx: doors.end_wait(tx, waiter, wait.message_id)
    if run is None:
        assert owner is not None
        return partial(_end_owner, owner, decision, now, by)
    if decision is Decision.ABORT_DUE:
        return doors.abort(run.ticket, now, by=by, forced=True)
    failure = RunFailure(CAUSES[decision], finding.evidence, budget_ms=finding.budget_ms, elapsed_ms=finding.elapsed_ms)
    if decision in (Decision.RUN_OVERDUE, Decision.STALL_OVERDUE):
        still = Evidence(works=True, progress_boot=run.progress_boot if decision is Decision.STALL_OVERDUE else None)
        return doors.expire(run.ticket, failure, now, by=by, forced=True, evidence=still)
    silent = owner is not None and decision is Decision.OWNER_SILENT
    still = Evidence(
        heartbeats=owner.heartbeats if silent and owner is not None else None, ghost=decision is Decision.GHOST
    )
    return doors.reclaim(run.ticket, failure, now, by=by, evidence=still)


def _end_owner(owner: OwnerRow, decision: Decision, now: Now, by: str, tx: Transaction) -> None:
    guard = owner.heartbeats if decision is Decision.OWNER_SILENT else None
    doors.end_owner(tx, owner.id, now, cause=CAUSES[decision], by=by, heartbeats=guard)
