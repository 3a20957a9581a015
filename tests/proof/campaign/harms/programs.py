"""Programs that embed lanes and do what they should not. It costs only themselves."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit.processes import Process
from tests.proof.campaign import embedder
from tests.proof.campaign.campaign import Campaign


@dataclass(slots=True)
class Nosy:
    """A runner reads the files of the folder, those of the database among them: the locks of its process fall."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _asked: int = 0
    _until: int = field(default=0, init=False)

    def begin(self, campaign: Campaign) -> None:
        self._asked += 1
        for number in range(2 * campaign.gateways):
            campaign.send(f"nosy:{self._asked}-{number}", self._enough)
        self._until = campaign.acknowledged() + 20

    def shows(self, campaign: Campaign) -> bool:
        return campaign.acknowledged() >= self._until and campaign.faithful()

    def end(self, campaign: Campaign) -> None:
        (campaign.made.folder / self._enough).touch()

    @property
    def _enough(self) -> str:
        return f"enough-{self._asked}"


@dataclass(slots=True)
class Misbehaving:
    """A program that does everything a program should not do, and dies without closing anything."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _process: Process | None = field(default=None, init=False)

    def begin(self, campaign: Campaign) -> None:
        made = campaign.made
        arguments = [str(made.database), str(campaign.luck.randrange(10**6) if campaign.mortal else 0)]
        command = [sys.executable, str(Path(embedder.__file__)), *arguments]
        self._process = Process(command, made.folder, "embedder")
        made.processes.append(self._process)

    def shows(self, campaign: Campaign) -> bool:
        assert self._process is not None
        return self._process.popen.poll() is not None

    def end(self, campaign: Campaign) -> None:
        assert self._process is not None
        assert self._process.popen.returncode == embedder.DIED, self._process.said()
        self._process.end()
        campaign.made.processes.remove(self._process)
