"""``reconciler.decide``: what one observer makes of what it reads, on clocks that are moved by hand."""

from collections.abc import Iterable

import pytest

from lanes.engine.reconcile.reconciler import Decision, ReconcileDecision, decide
from lanes.engine.reconcile.sightings import Sightings
from lanes.testing import HOUR, MINUTE, SECOND, START, Hands
from lanes_storage.records import OwnerRow, RunRow
from tests.kit.judged import ME, NOBODY, asked, owner, run
from tests.kit.world import OWNER, TERMS

INTERVAL = 5 * SECOND
STALE = OWNER.stale_after_ms
ENDLESS = TERMS._replace(run_timeout_ms=None, stall_timeout_ms=None)
#: Owners of whom nobody here can say that they are gone.
ELSEWHERE = [{"host": "there"}, {"boot_id": "another boot"}, {"pid_ns": "ns-2"}]


class Observer:
    """Looks every reconcile interval, as the upkeep does."""

    def __init__(self, time: Hands | None = None) -> None:
        self.time = time or Hands()
        self.seen = Sightings(INTERVAL)

    def look(self, owners: Iterable[OwnerRow], runs: Iterable[RunRow] = ()) -> list[ReconcileDecision]:
        owners, runs = list(owners), list(runs)
        self.seen.look(owners, runs, self.time())
        return decide(owners, runs, self.seen, self.time(), ME)

    def decisions(self, owners: Iterable[OwnerRow], runs: Iterable[RunRow] = ()) -> dict[int, Decision]:
        """The decision about each run, by its id."""
        return {finding.run.id: finding.decision for finding in self.look(owners, runs) if finding.run is not None}

    def one(self, who: OwnerRow | None, what: RunRow) -> Decision:
        """The decision about one run."""
        return self.decisions([] if who is None else [who], [what])[what.id]

    def watch(self, who: OwnerRow, what: RunRow, ms: int) -> Decision:
        """Look at the same rows again and again while time passes; the last decision."""
        while ms > 0:
            self.time.move(min(INTERVAL, ms))
            ms -= INTERVAL
            decision = self.one(who, what)
        return decision


# ------------------------------------------------------------------------------------ gone and silent


def test_a_healthy_run_is_left_alone() -> None:
    assert Observer().one(owner(), run()) is Decision.HEALTHY


def test_an_owner_that_is_provably_gone_has_lost_its_lanes_at_once() -> None:
    dead = owner(pid=NOBODY)
    findings = Observer().look([dead], [run(), run(id=8)])
    assert [(finding.decision, finding.run is None) for finding in findings] == [
        (Decision.OWNER_GONE, False),
        (Decision.OWNER_GONE, False),
        (Decision.OWNER_GONE, True),
    ]
    assert str(NOBODY) in findings[0].evidence


def test_a_number_that_was_given_to_another_process_is_gone() -> None:
    assert Observer().one(owner(start_time=ME.start_time - 1000), run()) is Decision.OWNER_GONE


def test_a_run_whose_owner_has_ended_is_held_by_nobody() -> None:
    assert Observer().one(None, run()) is Decision.OWNER_GONE


@pytest.mark.parametrize("names", ELSEWHERE, ids=str)
def test_a_process_elsewhere_is_never_gone(names: dict[str, str]) -> None:
    assert Observer().one(owner(pid=NOBODY, **names), run()) is Decision.HEALTHY


@pytest.mark.parametrize("names", [{}, *ELSEWHERE], ids=str)
def test_a_silent_owner_loses_its_lanes_after_its_own_stale_after(names: dict[str, str]) -> None:
    observer, who, what = Observer(), owner(**names), run()
    assert observer.one(who, what) is Decision.HEALTHY
    assert observer.watch(who, what, 2 * INTERVAL) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.WATCHED
    assert observer.watch(who, what, STALE - 2 * INTERVAL - 2) is Decision.WATCHED
    observer.time.move(1)
    findings = observer.look([who], [what])
    assert [finding.decision for finding in findings] == [Decision.OWNER_SILENT] * 2


def test_the_owner_is_judged_by_its_own_intervals() -> None:
    observer, who = Observer(), owner(heartbeat_interval_ms=60 * SECOND, stale_after_ms=10 * MINUTE)
    observer.one(who, run())
    assert observer.watch(who, run(), 2 * MINUTE) is Decision.HEALTHY


def test_a_heartbeat_ends_the_silence() -> None:
    observer, who = Observer(), owner(host="there")
    observer.one(who, run())
    assert observer.watch(who, run(), STALE - 1) is Decision.WATCHED
    assert observer.one(who._replace(heartbeats=2), run()) is Decision.HEALTHY
    assert observer.watch(who._replace(heartbeats=2), run(), STALE - 1) is Decision.WATCHED


def test_times_that_others_wrote_prove_no_silence() -> None:
    """At first sight an owner is alive, however old its heartbeat says that it is."""
    ancient = owner(host="there", heartbeat_at=START.wall - 100 * HOUR, heartbeat_boot=0)
    assert Observer().one(ancient, run(claimed_at=0, boot_id="another boot")) is Decision.HEALTHY


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wall_clock_that_jumps_neither_frees_a_healthy_lane_nor_keeps_a_dead_one(jump: int) -> None:
    observer, who = Observer(), owner()
    observer.one(who, run())
    observer.time.jump_wall(jump)
    assert observer.one(who, run()) is Decision.HEALTHY
    assert observer.watch(who, run(), STALE - 1) is Decision.WATCHED
    assert observer.watch(who, run(), 1) is Decision.OWNER_SILENT
    assert Observer(observer.time).one(owner(pid=NOBODY), run()) is Decision.OWNER_GONE


def test_an_observer_that_was_late_grants_a_full_interval() -> None:
    observer, who, what = Observer(), owner(host="there"), run(terms=ENDLESS)
    observer.one(who, what)
    observer.time.move(HOUR)
    assert observer.one(who, what) is Decision.HEALTHY, "it did not watch, so it proves nothing"
    assert observer.watch(who, what, STALE - 1) is Decision.WATCHED
    assert observer.watch(who, what, 1) is Decision.OWNER_SILENT


def test_an_observer_that_could_not_read_grants_a_full_interval() -> None:
    observer, who, what = Observer(), owner(host="there"), run()
    observer.one(who, what)
    observer.watch(who, what, STALE - 1)
    observer.seen.forget()
    observer.time.move(1)
    assert observer.one(who, what) is Decision.HEALTHY
    assert observer.watch(who, what, STALE - 1) is Decision.WATCHED


def test_an_owner_that_is_silent_and_holds_nothing_is_judged_as_well() -> None:
    observer = Observer()
    assert observer.look([owner(pid=NOBODY)])[0].decision is Decision.OWNER_GONE
    assert observer.look([owner()]) == []


# --------------------------------------------------------------------------------------------- ghosts


@pytest.mark.parametrize(("left_out", "decision"), [(1, Decision.HEALTHY), (2, Decision.GHOST)])
def test_a_run_that_is_left_out_twice_is_a_ghost(left_out: int, decision: Decision) -> None:
    assert Observer().one(owner(), run(left_out=left_out)) is decision


def test_of_a_dead_owner_there_are_no_ghosts() -> None:
    assert Observer().one(owner(pid=NOBODY), run(left_out=2)) is Decision.OWNER_GONE


# -------------------------------------------------------------------------------------------- overdue

MARGIN = TERMS.abort_grace_ms + TERMS.reconcile_interval_ms
RUN_LIMIT = TERMS.run_timeout_ms or 0
STALL_LIMIT = TERMS.stall_timeout_ms or 0


class Beating(Observer):
    """An observer of an owner that beats all the while, so that only limits are judged."""

    def watch(self, who: OwnerRow, what: RunRow, ms: int) -> Decision:
        while ms > 0:
            self.time.move(min(INTERVAL, ms))
            ms -= INTERVAL
            who = who._replace(heartbeats=self.time().mono)
            decision = self.one(who, what)
        return decision


def moving(what: RunRow, boot: int) -> RunRow:
    return what._replace(progress_boot=boot)


@pytest.mark.parametrize(("age", "decision"), [(-1, Decision.HEALTHY), (0, Decision.RUN_OVERDUE)])
def test_a_run_in_this_boot_is_overdue_after_limit_and_margin_by_the_boot_clock(age: int, decision: Decision) -> None:
    observer = Observer()
    observer.time.move(RUN_LIMIT + MARGIN + age - INTERVAL)
    observer.one(owner(), moving(run(), observer.time().boot))
    observer.time.move(INTERVAL)
    assert observer.one(owner(), moving(run(), observer.time().boot)) is decision


def test_an_observer_that_has_only_begun_to_look_lets_the_owner_go_first() -> None:
    observer = Observer()
    observer.time.move(HOUR)
    assert observer.one(owner(), run()) is Decision.HEALTHY, "the whole machine may have been suspended"
    assert observer.watch(owner(), run(), INTERVAL - 1) is Decision.HEALTHY
    assert observer.watch(owner(), run(), 1) is Decision.RUN_OVERDUE


def test_a_run_of_another_boot_is_overdue_from_first_sight() -> None:
    observer, who = Beating(), owner(host="there")
    what = run(boot_id="another boot", terms=TERMS._replace(stall_timeout_ms=None))._replace(claimed_boot=-HOUR)
    assert observer.one(who, what) is Decision.HEALTHY
    assert observer.watch(who, what, RUN_LIMIT + MARGIN - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.RUN_OVERDUE


def test_a_run_is_judged_by_the_terms_that_it_stored() -> None:
    observer = Observer()
    observer.time.move(HOUR)
    observer.one(owner(), run(terms=ENDLESS))
    observer.time.move(INTERVAL)
    assert observer.one(owner(), run(terms=ENDLESS)) is Decision.HEALTHY


def test_a_stall_is_overdue_after_limit_margin_and_one_heartbeat() -> None:
    observer, who, what = Beating(), owner(), run(terms=TERMS._replace(run_timeout_ms=None))
    observer.one(who, what)
    limit = STALL_LIMIT + MARGIN + who.heartbeat_interval_ms
    assert observer.watch(who, what, limit - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.STALL_OVERDUE


def test_progress_ends_the_stall() -> None:
    observer, who, what = Beating(), owner(), run(terms=TERMS._replace(run_timeout_ms=None))
    observer.one(who, what)
    limit = STALL_LIMIT + MARGIN + who.heartbeat_interval_ms
    observer.watch(who, what, limit - 1)
    what = moving(what, observer.time().boot)
    observer.one(who, what)
    assert observer.watch(who, what, limit - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.STALL_OVERDUE


def test_a_late_observer_sees_no_stall() -> None:
    """The boot clock says that it is quiet for long; the observer's own clock has only begun."""
    observer, what = Observer(), run(terms=TERMS._replace(run_timeout_ms=None))
    observer.time.move(HOUR)
    assert observer.one(owner(), what) is Decision.HEALTHY


def test_a_run_that_declared_itself_busy_is_not_stalled_within_it() -> None:
    observer, who = Beating(), owner()
    busy_for = 30 * MINUTE
    what = run(busy_until_boot=START.boot + busy_for, terms=TERMS._replace(run_timeout_ms=None))
    limit = STALL_LIMIT + MARGIN + who.heartbeat_interval_ms
    observer.one(who, what)
    assert observer.watch(who, what, busy_for + limit - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.STALL_OVERDUE


def test_a_run_that_waits_for_another_lane_is_not_stalled() -> None:
    observer, what = Beating(), run(waiting=True, terms=TERMS._replace(run_timeout_ms=None))
    observer.one(owner(), what)
    assert observer.watch(owner(), what, HOUR) is Decision.HEALTHY


# ------------------------------------------------------------------------------------------ abort due


@pytest.mark.parametrize(
    ("after", "decision"), [(TERMS.abort_grace_ms - 1, Decision.HEALTHY), (TERMS.abort_grace_ms, Decision.ABORT_DUE)]
)
def test_a_requested_abort_is_due_after_its_grace(after: int, decision: Decision) -> None:
    observer = Observer()
    observer.time.move(after)
    assert observer.one(owner(), asked()) is decision


def test_a_grace_that_was_asked_for_counts() -> None:
    assert Observer().one(owner(), asked(abort_grace_asked_ms=0)) is Decision.ABORT_DUE


def test_a_request_of_another_boot_is_due_from_first_sight() -> None:
    observer, who, what = Beating(), owner(), asked(abort_boot_id="another boot", abort_boot=-HOUR)
    assert observer.one(who, what) is Decision.HEALTHY
    assert observer.watch(who, what, TERMS.abort_grace_ms - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is Decision.ABORT_DUE


def test_an_abort_of_a_run_whose_owner_is_gone_needs_no_grace() -> None:
    assert Observer().one(owner(pid=NOBODY), asked()) is Decision.OWNER_GONE
