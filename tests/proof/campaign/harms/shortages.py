"""Shortages of the machine: no room on the disk, few descriptors, a log that nobody reads.

Nothing acknowledged is lost, and no message ends otherwise than it would without them.
"""

import resource
from dataclasses import dataclass, field

from tests.kit.processes import Process
from tests.proof.campaign.campaign import Campaign, ready
from tests.proof.campaign.processes import descriptors, limit

#: Descriptors beyond those that are open.
FEW = 1


@dataclass(slots=True)
class FullDisk:
    """No file of the gateways that live can grow: what they are asked to accept is refused."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _limited: list[Process] = field(default_factory=list, init=False)

    def begin(self, campaign: Campaign) -> None:
        self._limited = [process for process in campaign.living() if process.url]
        for process in self._limited:
            limit(process, resource.RLIMIT_FSIZE, 1)

    def shows(self, campaign: Campaign) -> bool:
        return not any(process.popen.poll() is None and ready(process.url) for process in self._limited)

    def end(self, campaign: Campaign) -> None:
        for process in self._limited:
            limit(process, resource.RLIMIT_FSIZE, None)


@dataclass(slots=True)
class FewDescriptors:
    """The gateways that live can open next to nothing: what they can not do now they do later."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _limited: list[Process] = field(default_factory=list, init=False)
    _until: int = field(default=0, init=False)

    def begin(self, campaign: Campaign) -> None:
        self._limited = [process for process in campaign.living() if process.url]
        for process in self._limited:
            limit(process, resource.RLIMIT_NOFILE, descriptors(process) + FEW)
        self._until = campaign.acknowledged() + 10

    def shows(self, campaign: Campaign) -> bool:
        return campaign.acknowledged() >= self._until

    def end(self, campaign: Campaign) -> None:
        for process in self._limited:
            limit(process, resource.RLIMIT_NOFILE, None)


@dataclass(slots=True)
class UnreadLog:
    """Whoever reads what the gateways say stands still, while they have much to say: they go on all the same."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _asked: int = 0

    def begin(self, campaign: Campaign) -> None:
        for slot in campaign.slots:
            if slot.process is not None and slot.process.url and slot.pager is not None:
                slot.pager.stop()
        for _ in campaign.slots:
            self._asked += 1
            campaign.send(f"loud:{self._asked}", "say something")

    def shows(self, campaign: Campaign) -> bool:
        ended = "SELECT count(*) FROM messages AS m JOIN lanes AS l ON l.id = m.lane_id"
        ended += " WHERE l.key GLOB 'odd:loud:*' AND m.ended_at IS NULL"
        return campaign.made.count(ended) == 0 and campaign.faithful()

    def end(self, campaign: Campaign) -> None:
        for slot in campaign.slots:
            if slot.pager is not None:
                slot.pager.go_on()
