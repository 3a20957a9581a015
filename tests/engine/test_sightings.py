"""What one observer remembers, and what it forgets when it did not look."""

import pytest

from lanes.engine.reconcile.sightings import Sightings
from lanes.testing import HOUR, SECOND, Hands
from tests.kit.judged import asked, owner, run

INTERVAL = 5 * SECOND
#: The longest gap between two looks that is still a watch.
LONGEST_GAP = 2 * INTERVAL + SECOND


@pytest.fixture
def time() -> Hands:
    return Hands()


def test_nothing_is_silent_at_first_sight(time: Hands) -> None:
    seen = Sightings(INTERVAL)
    assert seen.silence_of(owner(), time()) == 0
    seen.look([owner()], [], time())
    assert seen.silence_of(owner(), time()) == 0


@pytest.mark.parametrize(("gap", "remembered"), [(LONGEST_GAP, True), (LONGEST_GAP + 1, False)])
def test_a_gap_in_looking_is_no_silence(time: Hands, gap: int, remembered: bool) -> None:
    seen, first = Sightings(INTERVAL), time()
    seen.look([owner()], [asked()], first)
    now = time.move(gap)
    seen.look([owner()], [asked()], now)
    since = first if remembered else now
    assert seen.silence_of(owner(), now) == now.mono - since.mono
    assert seen.first_of(run(), now).at == since
    assert seen.progress_of(run(), now).at == since
    assert seen.abort_of(run(), now).at == since


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_only_the_own_monotonic_clock_counts(time: Hands, jump: int) -> None:
    seen = Sightings(INTERVAL)
    seen.look([owner()], [run()], time())
    time.jump_wall(jump)
    time.move(INTERVAL)
    seen.look([owner()], [run()], time())
    assert seen.silence_of(owner(), time()) == INTERVAL


def test_every_owner_and_every_run_is_seen_for_itself(time: Hands) -> None:
    seen = Sightings(INTERVAL)
    seen.look([owner()], [run()], time())
    now = time.move(INTERVAL)
    seen.look([owner(), owner(id=2)], [run(), run(id=8)], now)
    assert seen.silence_of(owner(), now) == INTERVAL
    assert seen.silence_of(owner(id=2), now) == 0
    assert seen.first_of(run(id=8), now).at == now


def test_progress_is_seen_anew_when_it_moved(time: Hands) -> None:
    seen = Sightings(INTERVAL)
    seen.look([], [run()], time())
    now = time.move(INTERVAL)
    seen.look([], [run()._replace(progress_boot=run().progress_boot + 1)], now)
    assert seen.progress_of(run(), now).at == now


def test_a_run_that_waits_for_another_lane_is_silent_only_from_the_end_of_that(time: Hands) -> None:
    seen = Sightings(INTERVAL)
    seen.look([], [run(waiting=True)], time())
    now = time.move(INTERVAL)
    seen.look([], [run()], now)
    assert seen.progress_of(run(), now).at == now


def test_what_is_gone_is_forgotten(time: Hands) -> None:
    seen = Sightings(INTERVAL)
    seen.look([owner()], [run()], time())
    seen.look([], [], time.move(INTERVAL))
    now = time.move(INTERVAL)
    seen.look([owner()], [run()], now)
    assert seen.silence_of(owner(), now) == 0
    assert seen.first_of(run(), now).at == now
