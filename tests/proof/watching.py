"""An observer under watch: whatever it decides has to be true, and only what still is true may land."""

from dataclasses import replace

from lanes.engine.reconcile.observer import Observer
from lanes.engine.reconcile.reconciler import ACTING, Decision, ReconcileDecision
from lanes.testing import SECOND, Hands
from lanes_storage.interface import Store
from lanes_storage.law import GHOST_AFTER, Edge
from lanes_storage.records import OwnerRow as OwnerRow
from lanes_storage.records import RunRow as RunRow
from tests.proof.lane_model import Model, Run

INTERVAL = 5 * SECOND
MARGIN = 15 * SECOND  # abort_grace and reconcile_interval of every run in the model


class Watch:
    """The real observer, and the model that knows what is true."""

    def __init__(self, store: Store, time: Hands, model: Model, name: str) -> None:
        self._observer = Observer(store, store.write, time, by=name, interval_ms=INTERVAL)
        self._time = time
        self._model = model
        self._findings: list[ReconcileDecision] = []

    def look(self) -> None:
        """Read and decide. A healthy run is never condemned."""
        self._findings = self._observer.look()
        now = self._time().mono
        for finding in self._findings:
            if finding.decision in ACTING:
                assert self._is_true(finding, now), f"{finding.decision}: {finding.evidence}"

    def act(self) -> None:
        """Carry out what was decided; only what is still so lands."""
        findings, self._findings = self._findings, []
        expected = [finding for finding in findings if finding.decision in ACTING]
        done = self._observer.act(findings)
        # of one that came too late, the evidence tells who holds the lane now
        assert [replace(finding, evidence="") for finding, _ in done] == [
            replace(each, evidence="") for each in expected
        ]
        for finding, applied in done:
            self._acted(finding, applied)

    def nothing_dead_is_held(self) -> None:
        """After a pass nothing is held by a process that is provably gone."""
        for run in self._model.open_runs():
            owner = self._model.owners[run.owner]
            assert (owner.alive and not owner.ended) or not owner.here, f"run {run.id} of a dead owner was left"

    def _is_true(self, finding: ReconcileDecision, now: int) -> bool:
        if finding.run is None:
            assert finding.owner is not None
            return self._owner_is(finding.decision, finding.owner, now)
        run, row = self._model.runs[finding.run.id], finding.run
        owner = self._model.owners[run.owner]
        terms = run.terms
        match finding.decision:
            case Decision.OWNER_GONE:
                return owner.ended or not owner.alive
            case Decision.OWNER_SILENT:
                assert finding.owner is not None
                return self._owner_is(finding.decision, finding.owner, now)
            case Decision.GHOST:
                return run.left_out >= GHOST_AFTER
            case Decision.ABORT_DUE:
                return run.abort_at is not None and now - run.abort_at >= run.abort_grace
            case Decision.RUN_OVERDUE:
                ran = now - run.claimed - run.waited(now)
                return terms.run_timeout_ms is not None and ran >= terms.run_timeout_ms + MARGIN
            case _:
                waits = any(self._model.unfinished(message) for message in run.waits)
                quiet = now - max(run.progress, run.busy_until)
                return not waits and quiet >= (terms.stall_timeout_ms or 0) + MARGIN and row.progress_boot > 0

    def _owner_is(self, decision: Decision, row: OwnerRow, now: int) -> bool:
        owner = self._model.owners[row.id]
        if decision is Decision.OWNER_GONE:
            return owner.here and not owner.alive
        return now - owner.beaten >= row.stale_after_ms

    def _acted(self, finding: ReconcileDecision, applied: bool) -> None:
        if finding.run is None:
            assert finding.owner is not None
            owner = self._model.owners[finding.owner.id]
            unseen = finding.decision is Decision.OWNER_SILENT and owner.heartbeats != finding.owner.heartbeats
            if not owner.ended and not unseen:
                self._model.end_owner(owner.id)
            return
        run = self._model.runs[finding.run.id]
        assert applied is (run.open and self._still(finding, finding.run, run)), f"{finding.decision} of run {run.id}"
        if applied:
            edge, counted = _edge(finding.decision)
            # an owner that drains was asked to end: that is not the message's fault
            counted = counted and not self._model.owners[run.owner].draining
            self._model.release(run, edge, self._time(), forced=True, counted=counted)

    def _still(self, finding: ReconcileDecision, row: RunRow, run: Run) -> bool:
        match finding.decision:
            case Decision.OWNER_SILENT:
                assert finding.owner is not None
                return self._model.owners[run.owner].heartbeats == finding.owner.heartbeats
            case Decision.GHOST:
                return run.left_out >= GHOST_AFTER
            case Decision.STALL_OVERDUE:
                return run.progress == self._progress_then(row)
            case _:
                return True

    def _progress_then(self, row: RunRow) -> int:
        """True time of the progress that the observer read: the boot clocks differ from it by a constant."""
        here = self._time().boot_id == row.boot_id
        now = self._time()
        return row.progress_boot - (now.boot - now.mono) - (0 if here else 10**9)


def _edge(decision: Decision) -> tuple[Edge, bool | None]:
    """The edge of a decision, and whether it counts as an interruption; None: it is none."""
    if decision in (Decision.OWNER_GONE, Decision.OWNER_SILENT):
        return Edge.RECLAIM, True
    if decision is Decision.GHOST:
        return Edge.RECLAIM, None
    return (Edge.ABORT if decision is Decision.ABORT_DUE else Edge.EXPIRE), None
