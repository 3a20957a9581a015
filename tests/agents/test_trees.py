"""Whole trees, ended in every way: none survives unreported, and no lane runs two at once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.campaign import TreeCampaign
from tests.kit.filesystems import SmallDisk, small_disk
from tests.kit.processes import house
from tests.proof.campaign.telling import say, seed_of

#: How many runs the long form ends.
RUNS = int(os.environ.get("SOAK_TREES", "200"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk | None]:
    with small_disk(tmp_path / "disk", 64) as mounted:
        yield mounted


def test_a_few_trees_whose_gateway_is_blocked_and_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path) as made:
        campaign = TreeCampaign(made, seed_of(capsys), lanes=4)
        for fate in ("blocked", "killed"):
            campaign.round(fate)
        assert campaign.left == []


def test_F318_a_few_trees_while_the_disk_is_full(disk: SmallDisk | None, capsys: pytest.CaptureFixture[str]) -> None:
    if disk is None:
        pytest.skip("no small file system can be mounted here")
    with house(disk.folder) as made:
        campaign = TreeCampaign(made, seed_of(capsys), lanes=3, disk=disk)
        campaign.round("full")
        assert campaign.left == []


@pytest.mark.soak
def test_two_hundred_trees(tmp_path: Path, disk: SmallDisk | None, capsys: pytest.CaptureFixture[str]) -> None:
    if disk is None:
        say(capsys, "no small file system can be mounted here, so no disk is full")
    with house(tmp_path if disk is None else disk.folder) as made:
        campaign = TreeCampaign(made, seed_of(capsys), lanes=8, disk=disk)
        campaign.run(RUNS)
        ways = ", ".join(f"{way}: {count}" for way, count in sorted(campaign.ways.items()))
        say(capsys, f"{campaign.runs} trees ended ({ways}), {len(campaign.left)} left over")
        assert campaign.left == []
