"""F108: the time that a machine slept counts against no limit, whoever judges. Only the clocks are moved."""

from typing import Any

import pytest

from lanes.engine.reconcile.abort import force_due_in
from lanes.engine.reconcile.reconciler import Decision
from lanes.testing import HOUR, MINUTE, SECOND, START
from lanes.text import ages
from lanes_storage.records import OwnerRow, RunRow
from tests.engine.test_reconciler import INTERVAL, MARGIN, RUN_LIMIT, STALE, STALL_LIMIT, Beating, Observer
from tests.kit.judged import asked, owner, run
from tests.kit.world import TERMS

ENDLESS = TERMS._replace(run_timeout_ms=None)
UNSTALLED = TERMS._replace(stall_timeout_ms=None)
BEAT = owner().heartbeat_interval_ms
#: What another process of the same machine judges a run by, and how long after its claim it does so.
LIMITS: dict[str, tuple[RunRow, int, Decision]] = {
    "run_timeout": (run(terms=UNSTALLED), RUN_LIMIT + MARGIN, Decision.RUN_OVERDUE),
    "stall": (run(terms=ENDLESS), STALL_LIMIT + MARGIN + BEAT, Decision.STALL_OVERDUE),
    "busy": (
        run(terms=ENDLESS, busy_until_boot=START.boot + MINUTE),
        MINUTE + STALL_LIMIT + MARGIN + BEAT,
        Decision.STALL_OVERDUE,
    ),
    "abort": (asked(abort_slept_ms=START.slept), TERMS.abort_grace_ms, Decision.ABORT_DUE),
}
HERE: dict[str, Any] = {"claimed_slept_ms": START.slept, "progress_slept_ms": START.slept}
THERE: dict[str, Any] = {"boot_id": "another boot"}


@pytest.mark.parametrize("name", LIMITS)
def test_F108_another_process_of_the_machine_counts_no_sleep(name: str) -> None:
    what, limit, decision = LIMITS[name]
    what = what._replace(**HERE)
    observer, who = Beating(), owner(slept_ms=START.slept)
    observer.one(who, what)
    assert observer.watch(who, what, limit - INTERVAL) is Decision.HEALTHY
    observer.time.sleep(10 * HOUR)  # a lunch with the lid closed
    assert observer.watch(who, what, INTERVAL - 1) is Decision.HEALTHY
    assert observer.watch(who, what, 1) is decision


@pytest.mark.parametrize("name", LIMITS)
def test_F108_an_observer_elsewhere_counts_no_sleep_that_the_heartbeats_tell_of(name: str) -> None:
    """The observer was awake all the while; the owner's machine slept, for less than its stale_after."""
    what, limit, decision = LIMITS[name]
    changes = THERE | ({"abort_boot_id": "another boot"} if what.abort_at is not None else {})
    what, slept = what._replace(**changes), 8 * MINUTE
    observer, who = Beating(), owner(host="there", boot_id="another boot", slept_ms=0, stale_after_ms=10 * MINUTE)
    observer.one(who, what)
    assert observer.watch(who, what, limit - INTERVAL) is Decision.HEALTHY
    told = who._replace(slept_ms=slept)
    assert observer.watch(told, what, slept) in (Decision.HEALTHY, Decision.WATCHED)
    assert observer.watch(told, what, INTERVAL - 1) is Decision.HEALTHY
    assert observer.watch(told, what, 1) is decision


def test_F108_what_passed_since_the_last_heartbeat_from_elsewhere_is_silence_and_no_run_time() -> None:
    """It may be asleep, and can not tell of it before it wakes."""
    observer, what = Observer(), run(terms=UNSTALLED, **THERE)
    who = owner(host="there", boot_id="another boot", stale_after_ms=HOUR)
    observer.one(who, what)
    assert observer.watch(who, what, HOUR - 1) is Decision.WATCHED
    assert observer.watch(who, what, 1) is Decision.OWNER_SILENT


def test_F108_the_sleep_of_the_observers_own_machine_is_nobodys_silence() -> None:
    observer, who = Observer(), owner(host="there", boot_id="another boot")
    observer.one(who, run(**THERE))
    assert observer.watch(who, run(**THERE), STALE - 1) is Decision.WATCHED
    observer.time.sleep(HOUR)
    assert observer.one(who, run(**THERE)) is Decision.WATCHED
    assert observer.watch(who, run(**THERE), 1) is Decision.OWNER_SILENT


def test_F108_a_process_that_was_stopped_has_not_slept() -> None:
    """Both clocks of the machine went on: its run is overdue like any other."""
    observer, what = Observer(), run(terms=UNSTALLED, **HERE)
    observer.time.move(RUN_LIMIT + MARGIN)
    observer.one(owner(), what)
    assert observer.watch(owner(heartbeats=2), what, INTERVAL) is Decision.RUN_OVERDUE


def test_F108_what_is_shown_of_a_run_and_its_owner_counts_no_sleep_either() -> None:
    observer = Observer()
    what, who = asked(busy_until_boot=START.boot + HOUR, abort_slept_ms=START.slept, **HERE), _owner_here()
    observer.time.move(MINUTE)
    now = observer.time.sleep(10 * HOUR)
    assert (ages.held_ms(what, now), ages.quiet_ms(what, now), ages.abort_requested_ms(what, now)) == (
        MINUTE,
        MINUTE,
        MINUTE,
    )
    assert (ages.left_ms(what, now), ages.busy_left_ms(what, now)) == (RUN_LIMIT - MINUTE, HOUR - MINUTE)
    assert ages.stall_left_ms(what, now) == HOUR + STALL_LIMIT - MINUTE
    assert ages.beat_ms(who, now) == MINUTE
    assert force_due_in(what, who, now, now, None) == TERMS.abort_grace_ms - MINUTE


def test_F108_a_row_that_noted_no_sleep_is_counted_as_before() -> None:
    now = Observer().time.sleep(10 * SECOND)
    assert ages.abort_requested_ms(asked(abort_slept_ms=None), now) == 10 * SECOND


def _owner_here() -> OwnerRow:
    return owner(slept_ms=START.slept)
