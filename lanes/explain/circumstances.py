"""The facts about a lane from which ``lanes why`` makes its paragraph."""

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
    """The facts around a lane, read at ``now``: the owners that have not ended, its head, its providers' cooldowns."""

    now: Now
    me: Identity
    owners: list[OwnerRow]
    head: MessageRow | None
    cooldowns: list[CooldownRow]
    last: EventRow | None
    waits: Sequence[Wait] = ()  # the waits of its run for other lanes
    start: Callable[[], str] = lambda: "`lanes up`"  # the command that starts a gateway
    slots: Sequence[RunRow] = ()  # the runs that may have the slot that its head waits for
    before: RunRow | None = None  # the run of the lane that its head waits in: this one, or another one of its session
    repeated: Repeated | None = None  # a request that was ended, and that its program keeps sending
    budgets: Sequence[tuple[BudgetTerms, Spent]] = ()  # its budgets, with what was used of each
    providers: Sequence[ProviderInFlight] = ()  # its providers whose requests are limited
    suspects: int = 0  # how many suspects run, if its head is one
    parks: bool = True  # whether its run is parked if no provider accepts it
    halted: Sequence["HaltedProcess"] = ()  # processes of its run that are stopped
    rests: bool = False  # whether every provider that its next message may ask cools

    def acting(self, kind: str | None = None) -> list[OwnerRow]:
        """The owners (of a kind) that can claim and enforce limits: alive and not stopped."""
        liveness = Liveness(self.now, self.me)
        return [owner for owner in self.owners if kind in (None, owner.kind) and liveness.acts(owner)]
