"""The interface of adapters, one for each kind of gateway: list, events, abort, prove, offline."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from lanes_storage.law import SourceState
from lanes_storage.records import Sighting


class Rung(NamedTuple):
    """One way to end a run; on a ladder, each rung is stronger than the one before. ``resets``: it throws the
    conversation away, and is tried only on request."""

    name: str
    method: str
    params: Mapping[str, Any]
    resets: bool = False


class RungAnswer(NamedTuple):
    """What the gateway answered: whether it says that it ended the run, and in which words."""

    claimed: bool
    text: str


class SourceDown(Exception):
    """A gateway that cannot be used: its state, the reason, and what to do about it."""

    def __init__(self, state: SourceState, why: str, fix: str = "") -> None:
        self.state, self.why, self.fix = state, why, fix
        super().__init__(f"{why}: {fix}" if fix else why)


class Adapter(Protocol):
    """One gateway of another program. Belongs to an event loop. Every coroutine may raise SourceDown.

    An adapter inherits the methods that do not concern its program.
    """

    async def connect(self) -> str:
        """Connect, and return the version of the program."""
        ...

    def recall(self, rows: Sequence[Sighting], /) -> None:
        """Restore what was known of its sessions before this connection, for a program that does not tell it again."""
        del rows

    async def list(self) -> Sequence[Sighting]:
        """Its sessions."""
        ...

    async def events(self, seconds: float) -> None:
        """Wait for an event that may have changed a session, at most this long."""
        ...

    def rungs(self, seen: Sighting) -> Sequence[Rung]:
        """The ways to free a session, the weakest that works first."""
        ...

    async def abort(self, rung: Rung) -> RungAnswer:
        """Try one of these ways."""
        ...

    async def prove(self, seen: Sighting, rung: Rung, claim: RungAnswer, seconds: float, /) -> str | None:
        """The proof that the runs of ``seen`` are over, awaited for at most this long; None if there is none."""
        ...

    def offline(self) -> Sequence[Sighting]:
        """Its sessions as read from its files, while it hangs. Blocks. Raises SourceDown if these do not tell."""
        raise SourceDown(SourceState.HUNG, "its files do not show what runs")

    async def close(self) -> None:
        """Close every connection. May be called twice."""
        ...
