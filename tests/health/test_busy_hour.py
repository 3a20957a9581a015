"""A provider that refuses for load, and whose answers take long: how busy it is kept, and how often it refuses."""

from pathlib import Path

from lanes_storage.law import AttemptCause
from lanes_storage.records import PlacesTaken, ProviderRow
from tests.health.busy import Busy, Hour, evenly, hour


async def test_F631_one_refusal_does_not_make_long_answers_wait_for_each_other(tmp_path: Path) -> None:
    busy = Busy(takes_s=60, odd=(5,))
    assert await hour(busy, evenly(2, 30), tmp_path) == Hour(60, 60, busy.answered[-1])
    assert busy.answered[-1] <= 120, "a minute later than without the refusal at most"
    assert busy.refused == 1


async def test_F631_a_provider_that_answers_so_many_at_a_time_is_kept_busy_and_rarely_refuses(tmp_path: Path) -> None:
    busy = Busy(takes_s=10, at_once=4)
    came = await hour(busy, evenly(1, 60), tmp_path)
    assert (came.sent, came.done) == (60, 60)
    assert came.lasted_s <= 60 / 0.4 * 1.5, "an answer each two and a half seconds, and what the tries cost"
    assert busy.refused <= 60 / 5


async def test_F631_a_limit_for_each_minute_loses_nothing_and_is_used_up(tmp_path: Path) -> None:
    busy = Busy(takes_s=30, a_minute=20)
    came = await hour(busy, evenly(1, 60), tmp_path)
    assert (came.sent, came.done) == (60, 60)
    assert came.lasted_s <= 4 * 60, "two minutes and a half for the answers, and the way back after each limit"
    assert busy.refused <= 60 / 5


async def test_F652_a_refusal_in_a_quiet_hour_does_not_slow_down_a_busy_one(tmp_path: Path) -> None:
    busy = Busy(takes_s=2, odd=(3,))
    later = [(10 + at, f"later:{lane}") for at, lane in evenly(4, 40)]
    came = await hour(busy, [*evenly(1, 4), *later], tmp_path, step_ms=500)
    assert (came.sent, came.done, busy.refused) == (164, 164, 1)
    assert came.lasted_s <= 60, "all of them were sent within fifty seconds"


async def test_F653_what_a_full_provider_refused_at_first_is_not_tried_again_one_by_one(tmp_path: Path) -> None:
    """A hundred come at once where eight are answered at a time; those that were refused are no other than the rest."""
    busy = Busy(takes_s=10, at_once=8)
    came = await hour(busy, ((0, key) for _, key in evenly(100, 1)), tmp_path, step_ms=500)
    assert (came.sent, came.done) == (100, 100)
    assert busy.refused <= 92 + 100 / 5
    assert came.lasted_s <= 100 / 0.8 * 1.5


async def test_F655_gateways_that_ask_with_different_keys_learn_from_the_refusals_of_each_other(tmp_path: Path) -> None:
    busy = Busy(takes_s=10, at_once=8)
    came = await hour(busy, ((0, key) for _, key in evenly(50, 1)), tmp_path, step_ms=500, models=("one", "two"))
    assert (came.sent, came.done) == (50, 50)
    assert busy.refused <= 42 + 50 / 5


def test_F899_more_than_it_held_are_refused_for_load_though_still_more_are_tried() -> None:
    """It held five, and twelve are tried by now: the ninth was taken for one that is refused for itself, and so each
    that had been refused before was tried beside the eight."""
    row = ProviderRow(
        "first", AttemptCause.RATE_LIMITED, since=0, until=1_000, answered_at=1_500, held=5, hold_ms=5_000
    )
    now = 17_000
    assert row.most(now, None) == 12
    assert row.filled(now, PlacesTaken(runs=9, unanswered=3, waiting=3))
    assert not row.filled(now, PlacesTaken(runs=5, unanswered=1, waiting=1)), (
        "so many it held: it may be about this one"
    )
