"""The free slots for one page of claims, with the outcome for its heads, and the heads to skip.

A head whose claim raised (for example, in a policy) is skipped for a while, so that it does not block the others.
"""

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from lanes.engine.runs.live import ActiveRun
from lanes.runners.base import RunnerSpec
from lanes.runners.providers.places import ProviderView
from lanes_storage.interface import CommandStep
from lanes_storage.logs import Log
from lanes_storage.records import Claimed, Head

log = Log("lanes.dispatcher")

#: How long a head is skipped after its claim raised: the first time, and at most.
SKIP_FIRST_MS = 1_000
SKIP_LONGEST_MS = 60_000


class Rest(NamedTuple):
    """A runner whose providers are all cooling down, and how many of its heads are parked."""

    until: int
    postponed: int


@dataclass(slots=True)
class FreeSlots:
    """The remaining slots while one page is claimed, and the outcome for its heads."""

    view: ProviderView
    suspects: int
    left: int = sys.maxsize  # of all runners together
    slots: dict[str, int] = field(default_factory=dict)  # of the runners that heads of this page wait for
    claims: list[tuple[RunnerSpec, CommandStep[Claimed | None]]] = field(default_factory=list)  # not executed yet
    runs: list[ActiveRun] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # unchanged: there was no slot
    later: list[tuple[int, int]] = field(default_factory=list)  # wall time, lane
    places: Counter[str] = field(default_factory=Counter)  # places at providers, by these claims
    cooled: dict[str, tuple[int, int]] = field(default_factory=dict)  # until when, and how many were parked


class SkippedHeads:
    """The heads whose claim raised, each skipped for a while."""

    def __init__(self) -> None:
        self._until: dict[int, tuple[int, int]] = {}  # by message: until when (monotonic), and for how long it was
        self.current: Head | None = None  # is being claimed just now

    def may_claim(self, head: Head, now_mono: int) -> bool:
        """Whether the head may be claimed now. If so, an exception that follows is attributed to it."""
        self.current = head
        return head.message_id not in self._until or now_mono >= self._until[head.message_id][0]

    def skip(self, now_mono: int) -> bool:
        """Called in an exception handler: skip the current head, for longer each time. Returns False if there is
        none."""
        head, self.current = self.current, None
        if head is None:
            return False
        pause_ms = min(2 * self._until.get(head.message_id, (0, SKIP_FIRST_MS // 2))[1], SKIP_LONGEST_MS)
        line = "message %d of lane %s can not be claimed; it is tried again in %d ms"
        log.exception(line, head.message_id, ascii(head.key), pause_ms)
        self._until = {m: kept for m, kept in self._until.items() if now_mono - kept[0] < SKIP_LONGEST_MS}
        self._until[head.message_id] = (now_mono + pause_ms, pause_ms)
        return True
