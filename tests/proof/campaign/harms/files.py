"""Harms of the file: it is deleted, replaced, or restored from a backup, under processes that have it open.

What was acknowledged before stays in the file that the path named then; what is acknowledged after has to be in the
file that it names now. Who has another one open refuses, and goes on once the right one is back; else an operator
stops it, and starts another one.
"""

from dataclasses import dataclass, field

from lanes_storage import open_store
from tests.proof.campaign.campaign import Campaign
from tests.proof.campaign.processes import standing_still
from tests.proof.campaign.worlds import DATABASE, PARTS

#: The database could not be reached.
UNREACHABLE = 69


@dataclass(slots=True)
class Taken:
    """Parts of the database are deleted, and put back unless that is ``for_good``.

    Where a part is gone of a file that stays, nobody is killed: the last one to know what was in it may not go.
    Shared memory is never put back: who comes next makes another one from the log, which the old one knows nothing of.
    """

    parts: tuple[str, ...]
    for_good: bool = False
    exits: frozenset[int] = frozenset({UNREACHABLE})
    mortal: bool = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.mortal = DATABASE in self.parts

    def begin(self, campaign: Campaign) -> None:
        with standing_still(campaign.made.processes):
            self._number = campaign.worlds.take(*self.parts)

    def shows(self, campaign: Campaign) -> bool:
        return campaign.faithful() and campaign.named_by_the_doctor()

    def end(self, campaign: Campaign) -> None:
        if not self.for_good:
            with standing_still(campaign.made.processes):
                campaign.worlds.put_back(self._number)
        replace_strangers(campaign)


@dataclass(slots=True)
class Replaced:
    """Another database takes its place, and goes again, or stays ``for_good``."""

    for_good: bool = False
    exits: frozenset[int] = frozenset({UNREACHABLE})
    mortal: bool = True
    _number: int = 0

    def begin(self, campaign: Campaign) -> None:
        database = campaign.made.database
        other = database.with_name("other.db")
        open_store(str(other), create=True).close()
        with standing_still(campaign.made.processes):
            self._number = campaign.worlds.take(*PARTS)
            other.rename(database)

    def shows(self, campaign: Campaign) -> bool:
        return campaign.faithful() and campaign.named_by_the_doctor()

    def end(self, campaign: Campaign) -> None:
        if not self.for_good:
            with standing_still(campaign.made.processes):
                campaign.worlds.put_back(self._number)
        replace_strangers(campaign)


@dataclass(slots=True)
class Restored:
    """A backup that was made a while ago takes its place, by ``lanes db restore``, while programs send."""

    exits: frozenset[int] = frozenset()
    mortal: bool = True
    _made: int = 0
    _backup: str = field(default="", init=False)

    def begin(self, campaign: Campaign) -> None:
        self._made += 1
        self._backup = f"backup-{self._made}.db"
        campaign.made.lanes("db", "backup", self._backup)

    def shows(self, campaign: Campaign) -> bool:
        return True

    def end(self, campaign: Campaign) -> None:
        campaign.rest(0.5)
        campaign.end_gateways()
        campaign.made.lanes("db", "restore", self._backup)
        # What waits in the copy may have been answered since: nothing of it may run again. A lane that another process
        # reconciles between the look and the abort has moved on, and is left alone: it is asked again.
        for _ in range(2):
            campaign.made.lanes("abort", "--match", "*", "--scope", "both", "--yes", check=False)
        campaign.made.lanes("resume", "--match", "*", check=False)
        campaign.closed = False
        replace_strangers(campaign)


def replace_strangers(campaign: Campaign) -> None:
    """Who has open what the path does not name refuses for as long as it lives: an operator finds and replaces it."""
    campaign.until(campaign.named_by_the_doctor, "the doctor to name who has another file open")
    for process in campaign.living():
        if campaign.misheld(process):
            campaign.replace_gateway(process)
    campaign.replace_senders()  # as long as one has a deleted file open, no other is made
    campaign.until(campaign.made.database.exists, "a database")
