"""The reconciler: notices lanes that are held by nobody, or past every limit, and takes them back.

``decide`` is pure: from what was read, from what this observer saw before, and from the time, it names an
outcome for each held lane. ``act`` carries one out, guarded by all that it was decided from, so that doing it
twice, or from three processes at once, is harmless.
"""

from dataclasses import dataclass
from enum import StrEnum

from lanes.abort import force_due_in
from lanes.engine.sightings import Sightings
from lanes.identity import Identity, look, told
from lanes.why import span
from lanes_storage import doors
from lanes_storage.doors import Evidence
from lanes_storage.interface import Transaction
from lanes_storage.law import GHOST_AFTER, Cause
from lanes_storage.moment import Now
from lanes_storage.records import Failure, Owner, Release, Run


class Decision(StrEnum):
    """What is to become of a held lane, or of an owner."""

    HEALTHY = "healthy"
    WATCHED = "watched"  # its owner is silent, not yet for long enough
    OWNER_GONE = "owner_gone"
    OWNER_SILENT = "owner_silent"
    GHOST = "ghost"
    ABORT_DUE = "abort_due"
    RUN_OVERDUE = "run_overdue"
    STALL_OVERDUE = "stall_overdue"


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
class Finding:
    """One decision, with its evidence as a person reads it. ``run`` None: it is about the owner alone."""

    decision: Decision
    evidence: str
    owner: Owner | None
    run: Run | None = None
    budget_ms: int | None = None  # of a limit that was passed
    elapsed_ms: int | None = None


def decide(owners: list[Owner], runs: list[Run], seen: Sightings, now: Now, me: Identity) -> list[Finding]:
    """Judge every held lane and every owner. Nothing is held merely because it is marked running."""
    by_id = {owner.id: owner for owner in owners}
    verdicts = {owner.id: _judge_owner(owner, seen, now, me) for owner in owners}
    findings = [_judge_run(run, by_id.get(run.owner_id), verdicts, seen, now) for run in runs]
    findings += [finding for finding in verdicts.values() if finding.decision in ACTING]
    return findings


def _judge_owner(owner: Owner, seen: Sightings, now: Now, me: Identity) -> Finding:
    sight = look(owner, me)
    if sight.gone:
        return Finding(Decision.OWNER_GONE, told(owner, sight), owner)
    silent = seen.silence_of(owner, now)
    if silent >= owner.stale_after_ms:
        said = f"no heartbeat of owner {owner.id} seen for {span(silent)}; stale after {span(owner.stale_after_ms)}"
        return Finding(Decision.OWNER_SILENT, said, owner)
    if silent > 2 * owner.heartbeat_interval_ms:
        said = f"silent for {span(silent)}, reclaimed after {span(owner.stale_after_ms)}"
        return Finding(Decision.WATCHED, said, owner)
    return Finding(Decision.HEALTHY, told(owner, sight), owner)


def _judge_run(run: Run, owner: Owner | None, verdicts: dict[int, Finding], seen: Sightings, now: Now) -> Finding:
    if owner is None:
        return Finding(Decision.OWNER_GONE, f"owner {run.owner_id} has ended", None, run)
    about_owner = verdicts[owner.id]
    if about_owner.decision in ACTING:
        return Finding(about_owner.decision, about_owner.evidence, owner, run)
    if run.left_out >= GHOST_AFTER:
        said = f"owner {owner.id} is alive and left this run out of {run.left_out} heartbeats"
        return Finding(Decision.GHOST, said, owner, run)
    first = seen.first_of(run, now)
    if run.abort_at is not None and force_due_in(run, owner, now, seen.abort_of(run, now)) <= 0:
        return Finding(Decision.ABORT_DUE, "an abort was requested and its grace has passed", owner, run)
    overdue = _overdue(run, owner, first, seen, now)
    return overdue or Finding(about_owner.decision, about_owner.evidence, owner, run)


def _overdue(run: Run, owner: Owner, first: Now, seen: Sightings, now: Now) -> Finding | None:
    """Past a limit for so long that its owner can no longer be the one to end it."""
    terms = run.terms
    if now.mono - first.mono < terms.reconcile_interval_ms:
        return None  # an observer that has only begun to look, or was suspended itself, lets the owner go first
    margin = terms.abort_grace_ms + terms.reconcile_interval_ms
    same_boot = run.boot_id == now.boot_id
    age = now.boot - run.claimed_boot if same_boot else now.mono - first.mono
    if terms.run_timeout_ms is not None and age >= terms.run_timeout_ms + margin:
        said = f"held for {span(age)}, its run_timeout is {span(terms.run_timeout_ms)}, and its owner did not end it"
        return Finding(Decision.RUN_OVERDUE, said, owner, run, terms.run_timeout_ms, age)
    if terms.stall_timeout_ms is None or run.waiting:
        return None
    # a clock of another boot still tells for how long the run said it would be busy
    busy = max(0, (run.busy_until_boot or 0) - run.progress_boot)
    quiet = now.mono - seen.progress_of(run, now).mono - busy
    if same_boot:  # both are safe, and the shorter one is the safer
        quiet = min(quiet, now.boot - max(run.progress_boot, run.busy_until_boot or 0))
    # progress is stored with heartbeats, so it may be one heartbeat older than it looks
    if quiet >= terms.stall_timeout_ms + owner.heartbeat_interval_ms + margin:
        said = f"no progress for {span(quiet)}, its stall_timeout is {span(terms.stall_timeout_ms)}"
        return Finding(Decision.STALL_OVERDUE, said, owner, run, terms.stall_timeout_ms, quiet)
    return None


def act(tx: Transaction, finding: Finding, now: Now, *, by: str) -> Release | None:
    """Carry out one finding. None: it was about an owner alone."""
    run, owner, decision = finding.run, finding.owner, finding.decision
    if run is None:
        assert owner is not None
        guard = owner.heartbeats if decision is Decision.OWNER_SILENT else None
        doors.end_owner(tx, owner.id, now, cause=CAUSES[decision], by=by, heartbeats=guard)
        return None
    if decision is Decision.ABORT_DUE:
        return doors.abort(tx, run.ticket, now, by=by, forced=True)
    failure = Failure(CAUSES[decision], finding.evidence, budget_ms=finding.budget_ms, elapsed_ms=finding.elapsed_ms)
    if decision in (Decision.RUN_OVERDUE, Decision.STALL_OVERDUE):
        still = Evidence(progress_boot=run.progress_boot) if decision is Decision.STALL_OVERDUE else None
        return doors.expire(tx, run.ticket, failure, now, by=by, forced=True, evidence=still)
    silent = owner is not None and decision is Decision.OWNER_SILENT
    still = Evidence(
        heartbeats=owner.heartbeats if silent and owner is not None else None, ghost=decision is Decision.GHOST
    )
    return doors.reclaim(tx, run.ticket, failure, now, by=by, evidence=still)
