"""What one page of claims has room for, and what becomes of the heads that have none."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lanes.engine.live import ActiveRun
from lanes.runners.base import RunnerSpec
from lanes_storage.interface import Call
from lanes_storage.records import Claimed


class Rest(NamedTuple):
    """A runner whose providers all cool, and how many of its heads were told when to come back."""

    until: int
    postponed: int


@dataclass(slots=True)
class Room:
    """What is left to claim with, while one page is claimed, and what becomes of its heads."""

    slots: dict[str, int]
    cooling: Mapping[str, int]
    suspects: int
    left: int = sys.maxsize  # of all runners together
    claims: list[tuple[RunnerSpec, Call[Claimed | None]]] = field(default_factory=list)  # not carried out yet
    runs: list[ActiveRun] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # as they are: there was no room
    later: list[tuple[int, int]] = field(default_factory=list)  # wall time, lane
    cooled: dict[str, tuple[int, int]] = field(default_factory=dict)  # until when, and how many were postponed
