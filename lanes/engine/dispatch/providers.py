"""The dispatcher's view of its runners' providers: which may be asked, and which runners rest while all of theirs
cool."""

import sys
from collections.abc import Callable, Mapping

from lanes.engine.dispatch.slots import FreeSlots, Rest
from lanes.runners.base import RunnerSpec
from lanes.runners.providers.places import (
    ProviderChoice,
    ProviderLine,
    ProviderView,
    choose,
    lines_of,
    needs_places,
    room_at,
)
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import AsyncStore, Transaction, within

#: How many heads of a runner are parked while all its providers are cooling down; the others wait behind them.
POSTPONED = 256


class ProviderWatch:
    """For the event loop, except ``view_in`` and ``choose``, which are for the transaction of a claim."""

    def __init__(self, store: AsyncStore, specs: Mapping[str, RunnerSpec], owner: Callable[[], int]) -> None:
        self._store = store
        self._owner = owner
        self._chains = {name: lines_of(spec) for name, spec in specs.items()}
        self._lines = [line for chain in self._chains.values() for line in chain]
        self._view: ProviderView | None = None  # at the last look
        self._resting: dict[str, Rest] = {}  # runners whose providers are all cooling down

    async def look(self, now: Now) -> None:
        """Read again what is known of providers, unless all are well and may be asked without limit."""
        first = self._view is None
        if not self._lines:
            return
        if self._view is None or needs_places(self._lines, self._view.rows, now):
            rows = await self._store.read(reads.providers())
            view = ProviderView(rows, await self._store.read(reads.places_taken(now)), now)
        else:
            view = self._view._replace(now=now)
        self._view = view
        for line in self._lines if first else ():
            if view.of_another_key(line):
                await self._start_afresh(line, now)
        for name, rest in list(self._resting.items()):
            until = choose(self._chains[name], view, {}).until
            # the same cooldown may end a little earlier here: ``rest.until`` may be that of a message tried before
            if until is None or until > rest.until:
                del self._resting[name]

    async def _start_afresh(self, line: ProviderLine, now: Now) -> None:
        """Reset what is stored about a provider under another key or address."""
        by, key = f"owner:{self._owner()}", line.fingerprint
        await self._store.write(lambda tx: doors.reset_provider(tx, line.name, now, by=by, fingerprint=key))

    def room(self, spec: RunnerSpec) -> int:
        """How many runs of a runner its providers have places for."""
        return sys.maxsize if self._view is None else room_at(self._chains.get(spec.name, ()), self._view)

    @property
    def resting(self) -> set[str]:
        """The runners of which enough heads are parked. Of their other heads only those with a waiting client are
        looked at, since that client may be refused soon."""
        return {name for name, rest in self._resting.items() if rest.postponed >= POSTPONED}

    def view_in(self, tx: Transaction, now: Now) -> ProviderView:
        """What is known of providers, in the transaction of a claim."""
        rows = within(tx, reads.providers()) if self._lines else {}
        return ProviderView(
            rows, within(tx, reads.places_taken(now)) if needs_places(self._lines, rows, now) else {}, now
        )

    def choose(self, spec: RunnerSpec, room: FreeSlots, *, tried: bool) -> ProviderChoice:
        """The provider that a run of this runner asks first; ``tried``: whether its message was claimed before."""
        return choose(self._chains.get(spec.name, ()), room.view, room.places, tried=tried)

    def note(self, room: FreeSlots) -> None:
        """Take over the view of providers from a page of claims, and count the heads that it parked: a runner rests
        once there are enough of them."""
        self._view = room.view
        for name, (until, postponed) in room.cooled.items():
            rest = self._resting.get(name)
            before = rest.postponed if rest is not None and rest.until == until else 0
            self._resting[name] = Rest(until, before + postponed)
