"""The simulated provider of a test."""

from dataclasses import dataclass

from lanes.simulate.app import Simulator


@dataclass(frozen=True, slots=True)
class Simulated:
    """The simulated provider, and where it listens."""

    simulator: Simulator
    url: str
