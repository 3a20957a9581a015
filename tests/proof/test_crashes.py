"""``kill -9`` at every commit of a short script and at random moments: nothing lost, nobody twice, order kept."""

from pathlib import Path

import pytest

from lanes.testing import History
from tests.kit.processes import Finished, house
from tests.proof.campaign.campaign import POISON, Campaign
from tests.proof.campaign.telling import CRASHING, MINUTES, Progress, say, seed_of

pytestmark = pytest.mark.disk

#: A gateway registers, looks, claims, beats and completes: these are its first commits.
FIRST_COMMITS = [f"{where}:{number}" for number in range(1, 3) for where in ("before", "mid", "after")]


def test_killed_at_each_of_its_first_commits(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        campaign = Campaign(made, seed=1, pause_ms=150, dooms=list(FIRST_COMMITS))
        history = campaign.run(lambda: campaign.kills < len(FIRST_COMMITS))
        assert history.problems == [], str(history)
        assert campaign.points >= set(FIRST_COMMITS), "each of them was reached"
        assert history.messages > made.count(POISON) > -1


def test_three_gateways_on_one_file_killed_at_random(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path) as made:
        campaign = Campaign(made, seed_of(capsys), gateways=3, habits=("steady", "client"), pause_ms=200)
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
            campaign = Campaign(made, seed_of(capsys), gateways=gateways, habits=("steady", "client"))
            history = campaign.run(Progress(campaign, MINUTES * 60 * CRASHING / 2, capsys).goes_on)
            total.messages += history.messages
            total.take(history)
            kills += campaign.kills
            doctors.append(made.lanes("doctor", check=False))
    say(capsys, f"kills {kills}, {total}")
    assert total.problems == []
    assert [doctor.code for doctor in doctors] == [0, 0], doctors
    say(capsys, "lanes doctor: clean")
