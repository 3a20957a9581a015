"""What a long campaign tells whoever waits for it: its seed, and how far it is."""

import os
import time
from random import Random

import pytest

from tests.proof.campaign.campaign import Campaign

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
#: Of that time: kills alone, and kills among harms. The rest is for the other campaigns.
CRASHING, HARMING = 0.3, 0.5
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
            say(self._capsys, f"{now - self._began:5.0f} s: {self._campaign}")
        return now - self._began < self._seconds
