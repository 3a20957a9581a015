"""``kill -9`` at every commit of a short script and at random moments: nothing lost, nobody twice, order kept."""

import os
import time
from pathlib import Path
from random import Random

import pytest

from lanes.testing import History
from tests.kit.processes import Finished, house
from tests.proof.campaign import POISON, Campaign

pytestmark = pytest.mark.disk

#: A gateway registers, looks, claims, beats and completes: these are its first commits.
FIRST_COMMITS = [f"{where}:{number}" for number in range(1, 3) for where in ("before", "mid", "after")]
MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
CRASHING = 0.7  # of that time; the rest is for the other campaigns
REPORT_EVERY_S = 30.0


def seed_of(capsys: pytest.CaptureFixture[str]) -> int:
    """A new seed each time, printed, or the one in LANES_SEED."""
    seed = int(os.environ.get("LANES_SEED") or Random().randrange(10**6))
    say(capsys, f"LANES_SEED={seed}")
    return seed


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Tell whoever waits, past the capture of output."""
    with capsys.disabled():
        print(f"\n{line}", end="", flush=True)  # noqa: T201 - what cannot be seen cannot be repeated


def test_killed_at_each_of_its_first_commits(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        campaign = Campaign(made, seed=1, pause_ms=150)
        history = campaign.run(lambda: campaign.kills < len(FIRST_COMMITS), FIRST_COMMITS)
        assert history.problems == [], str(history)
        assert campaign.points >= set(FIRST_COMMITS), "each of them was reached"
        assert history.messages > made.count(POISON) > -1


def test_three_gateways_on_one_file_killed_at_random(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path) as made:
        campaign = Campaign(made, seed_of(capsys), gateways=3, senders=2, pause_ms=200)
        history = campaign.run(lambda: campaign.kills < 5)
        assert history.problems == [], str(history)


@pytest.mark.soak
def test_killed_for_many_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One gateway for half of the time, then three on one file. ``SOAK_MINUTES`` changes how long."""
    total, kills, doctors = History(), 0, list[Finished]()
    for gateways in (1, 3):
        folder = tmp_path / f"{gateways}-gateways"
        folder.mkdir()
        with house(folder) as made:
            campaign = Campaign(made, seed_of(capsys), gateways=gateways, senders=2, pause_ms=100)
            history = campaign.run(Progress(campaign, MINUTES * 60 * CRASHING / 2, capsys).goes_on)
            total.messages += history.messages
            total.take(history)
            kills += campaign.kills
            doctors.append(made.lanes("doctor", check=False))
    say(capsys, f"kills {kills}, {total}")
    assert total.problems == []
    assert [doctor.code for doctor in doctors] == [0, 0], doctors
    say(capsys, "lanes doctor: clean")


class Progress:
    """Until when, and a line now and then."""

    def __init__(self, campaign: Campaign, seconds: float, capsys: pytest.CaptureFixture[str]) -> None:
        self._campaign = campaign
        self._began = self._said = time.monotonic()
        self._seconds = seconds
        self._capsys = capsys

    def goes_on(self) -> bool:
        """Whether there is time left."""
        now = time.monotonic()
        if now - self._said > REPORT_EVERY_S:
            self._said = now
            told = len(self._campaign.acknowledged())
            line = f"{now - self._began:5.0f} s: gateways {self._campaign.gateways}, kills {self._campaign.kills}"
            say(self._capsys, f"{line}, acknowledged {told}")
        return now - self._began < self._seconds
