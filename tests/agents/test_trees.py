"""Whole trees, ended in every way: none survives unreported, and no lane runs two at once."""

import os
from pathlib import Path

import pytest

from tests.agents.campaign import TreeCampaign
from tests.kit.processes import house
from tests.proof.campaign.telling import say, seed_of

#: How many runs the long form ends.
RUNS = int(os.environ.get("SOAK_TREES", "200"))


def test_a_few_trees_whose_gateway_is_blocked_and_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path) as made:
        campaign = TreeCampaign(made, seed_of(capsys), lanes=4)
        for fate in ("blocked", "killed"):
            campaign.round(fate)
        assert campaign.left == []


@pytest.mark.soak
def test_two_hundred_trees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path) as made:
        campaign = TreeCampaign(made, seed_of(capsys), lanes=8)
        campaign.run(RUNS)
        ways = ", ".join(f"{way}: {count}" for way, count in sorted(campaign.ways.items()))
        say(capsys, f"{campaign.runs} trees ended ({ways}), {len(campaign.left)} left over")
        assert campaign.left == []
