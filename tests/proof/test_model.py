"""The store against the model: everything that can be done, in any order, judged after each step."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lanes.testing import MINUTE
from lanes_storage.law import Mode, Overflow, RunnerKind
from tests.proof.machine import BEAT_EVERY, LaneMachine, terms_of_the_end

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
ANYTHING = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_the_store_keeps_to_the_model() -> None:
    """The same steps each time, so that the suite is the same each time."""
    profile = settings(
        max_examples=60, stateful_step_count=50, derandomize=True, deadline=None, database=None,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=ANYTHING,
    )  # fmt: skip
    run_state_machine_as_test(LaneMachine, settings=profile)


def test_F18_busy_elsewhere_is_not_stalled() -> None:
    """A run of another host that said it is busy is left alone for that long, by clocks that cannot be compared."""
    machine = LaneMachine()
    machine.begin()
    here, elsewhere = machine.living()
    machine.somebody_sends("a", 4, False, Mode.QUEUE, Overflow.REJECT, None, 0)
    terms = terms_of_the_end._replace(stall_timeout_ms=MINUTE)
    assert machine.claim(elsewhere, 0, RunnerKind.PROVIDER, terms, collect=False)
    machine.beat(elsewhere, machine.model.open_runs(), moved=True, busy=3 * MINUTE)
    machine.an_observer_watches(0, 3 * MINUTE // BEAT_EVERY, beating=True, moving=False)
    assert machine.model.open_runs(), "within it"
    machine.an_observer_watches(0, 2 * MINUTE // BEAT_EVERY, beating=True, moving=False)
    assert not machine.model.open_runs(), "after it"
    assert not here.ended
    machine.teardown()


def test_what_an_observer_decided_and_another_did_first_has_no_effect() -> None:
    machine = LaneMachine()
    machine.begin()
    owner = machine.living()[0]
    machine.somebody_sends("a", 4, False, Mode.QUEUE, Overflow.REJECT, None, 0)
    assert machine.claim(owner, 0, RunnerKind.PROVIDER, terms_of_the_end, collect=False)
    machine.a_process_dies(0)
    machine.an_observer_looks(1)
    machine.an_observer_watches(0, 1, beating=False, moving=False)
    assert not machine.model.open_runs()
    machine.an_observer_acts(1)
    machine.teardown()


@pytest.mark.soak
def test_the_store_keeps_to_the_model_for_long() -> None:
    """Other steps each time; what fails is printed with the steps that lead to it."""
    profile = settings(
        max_examples=int(MINUTES * 30), stateful_step_count=80, deadline=None, database=None, print_blob=True,
        suppress_health_check=ANYTHING,
    )  # fmt: skip
    run_state_machine_as_test(LaneMachine, settings=profile)


def test_a_run_that_is_cut_while_its_owner_drains_is_not_counted_as_interrupted() -> None:
    machine = LaneMachine()
    machine.begin()
    machine.somebody_sends("a", 4, False, Mode.QUEUE, Overflow.REJECT, None, 0)
    assert machine.claim(machine.living()[0], 0, RunnerKind.PROVIDER, terms_of_the_end, collect=False)
    machine.an_owner_is_drained(0)
    machine.teardown()


def test_what_ran_together_may_run_together_again() -> None:
    machine = LaneMachine()
    machine.begin()
    for _ in range(2):
        machine.somebody_sends("a", 4, False, Mode.QUEUE, Overflow.REJECT, None, 0)
    assert machine.claim(machine.living()[0], 0, RunnerKind.PROVIDER, terms_of_the_end, collect=True)
    machine.teardown()
