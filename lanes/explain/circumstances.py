"""What `lanes why` reads of a lane before it says anything."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lanes.explain.turns import ProviderInFlight
from lanes.host.identity import Identity
from lanes.records import Liveness
from lanes_storage.clock import Now
from lanes_storage.records import (
    BudgetTerms,
    CooldownRow,
    EventRow,
    MessageRow,
    OwnerRow,
    Repeated,
    RunRow,
    Spent,
    Wait,
)
from lanes_storage.tuples import NamedTuple

if TYPE_CHECKING:
    from lanes.host.tree import HaltedProcess


class Circumstances(NamedTuple):
    """What surrounds a lane, read at ``now``: every owner that has not ended, its head, what cools."""

    now: Now
    me: Identity
    owners: list[OwnerRow]
    head: MessageRow | None
    cooldowns: list[CooldownRow]
    last: EventRow | None
    waits: Sequence[Wait] = ()  # of its run, for other lanes
    start: Callable[[], str] = lambda: "`lanes up`"  # the command that starts a gateway
    slots: Sequence[RunRow] = ()  # what may have the slot that its head waits for
    before: RunRow | None = None  # the run of the lane that its head waits in: this one, or another one of its session
    repeated: Repeated | None = None  # what a program asks again that was just ended
    budgets: Sequence[tuple[BudgetTerms, Spent]] = ()  # and what was used of each
    providers: Sequence[ProviderInFlight] = ()  # those at which requests are limited
    suspects: int = 0  # how many run, if its head is one
    parks: bool = True  # its run waits where no provider takes it
    halted: Sequence["HaltedProcess"] = ()  # processes of its run that are stopped
    rests: bool = False  # every provider that its next message may ask cools

    def acting(self, kind: str | None = None) -> list[OwnerRow]:
        """The owners, of a kind, that do something."""
        liveness = Liveness(self.now, self.me)
        return [owner for owner in self.owners if kind in (None, owner.kind) and liveness.acts(owner)]
