"""The free slots for one page of claims, and what happens to the first messages of queues that get no slot."""

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from lanes.engine.runs.live import ActiveRun
from lanes.runners.base import RunnerSpec
from lanes.runners.providers.places import ProviderView
from lanes_storage.interface import CommandStep
from lanes_storage.records import Claimed


class Rest(NamedTuple):
    """A runner whose providers are all cooling down, and how many of its heads are parked."""

    until: int
    postponed: int


@dataclass(slots=True)
class FreeSlots:
    """The remaining slots while one page is claimed, and the outcome for its heads."""

    slots: dict[str, int]
    view: ProviderView
    suspects: int
    left: int = sys.maxsize  # of all runners together
    claims: list[tuple[RunnerSpec, CommandStep[Claimed | None]]] = field(default_factory=list)  # not executed yet
    runs: list[ActiveRun] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # unchanged: there was no slot
    later: list[tuple[int, int]] = field(default_factory=list)  # wall time, lane
    given: Counter[str] = field(default_factory=Counter)  # places at providers, by these claims
    cooled: dict[str, tuple[int, int]] = field(default_factory=dict)  # until when, and how many were parked
