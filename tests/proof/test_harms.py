"""What is done to a database and its processes besides kills: of what was acknowledged nothing is lost or doubled."""

from pathlib import Path

import pytest

from tests.kit.processes import house
from tests.proof.campaign.campaign import Campaign
from tests.proof.campaign.harms import HARMS
from tests.proof.campaign.telling import HARMING, MINUTES, Progress, say, seed_of

#: Harms that one house suffers one after another, without kills.
TOGETHER = [
    ("database deleted", "log deleted", "all deleted", "replaced"),
    ("deleted for good", "replaced for good", "shared memory deleted", "restored"),
    ("full disk", "few descriptors", "unread log"),
    ("nosy reader", "misbehaving embedder"),
]


@pytest.mark.parametrize("names", TOGETHER, ids=", ".join)
def test_harmed(tmp_path: Path, names: tuple[str, ...]) -> None:
    with house(tmp_path) as made:
        campaign = Campaign(made, seed=1, habits=("steady", "brief", "client"), mortal=False)
        campaign.begin()
        for name in names:
            campaign.suffer(name, HARMS[name])
        history = campaign.settle()
        assert history.problems == [], str(history)


def test_every_harm_has_its_quick_form() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(HARMS)


@pytest.mark.soak
@pytest.mark.disk
def test_harmed_and_killed_for_many_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Harms in any order among kills. ``SOAK_MINUTES`` changes how long."""
    with house(tmp_path) as made:
        campaign = Campaign(
            made, seed_of(capsys), gateways=3, habits=("steady", "steady", "brief", "client"), longest_s=9
        )
        history = campaign.run(Progress(campaign, MINUTES * 60 * HARMING, capsys).goes_on, HARMS)
        say(capsys, f"kills {campaign.kills}, harms {len(campaign.harms)}, {history}")
        assert history.problems == []
