"""The one interface between the screen and wherever lanes are: a database file, or a gateway elsewhere.

It speaks in records (``lanes.records``), as every surface does.

Every method may raise ``Lost``: the source cannot be read for now. It heals itself; the caller only asks again.
Actions may also raise what ``lanes.operations`` raises (``LanesError``): ``Changed`` where the lane has moved on
from the epoch that was on the screen.
"""

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from lanes.records import Drain, Event, Hit, Lane, LaneDetail, Message, Status
from lanes.verbs.verb import Verb
from lanes_storage.moment import Now
from lanes_storage.records import LaneFilter, LaneOrder
from lanes_tui.marks import Mark

T = TypeVar("T")
BY_ATTENTION = LaneOrder()


class Lost(Exception):
    """The source cannot be read. The sentence says why, and what to do about it."""


class AsOf(NamedTuple, Generic[T]):
    """A record and when it was read: its ages are as they were then, and go on from there (``columns.Sight``)."""

    at: Now
    record: T


class Window(NamedTuple):
    """A part of the lanes that a filter chooses, in the order that was asked for.

    ``offset`` is the place of the first row among all ``total``. ``at`` is when it was read.
    """

    at: Now
    offset: int
    rows: list[Lane]
    total: int

    def place_of(self, key: str) -> int | None:
        """Where a lane stands among all, if it is in this window."""
        return next((self.offset + i for i, lane in enumerate(self.rows) if lane.key == key), None)

    def lane_at(self, place: int) -> Lane | None:
        """The lane at that place, if it is in this window."""
        inside = 0 <= place - self.offset < len(self.rows)
        return self.rows[place - self.offset] if inside else None


class Source(Protocol):
    """What the dashboard reads and acts on."""

    @property
    def name(self) -> str:
        """What is looked at, as people name it."""
        ...

    @property
    def actor(self) -> str:
        """Who acts, as the journal shows it."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether every action is refused (``NotAllowed``)."""
        ...

    def now(self) -> Now:
        """The time that ages are measured by."""
        ...

    async def version(self) -> int:
        """A number that differs from the last one when anything may have changed. Costs about nothing."""
        ...

    async def window(self, chosen: LaneFilter, offset: int, limit: int, *, order: LaneOrder = BY_ATTENTION) -> Window:
        """At most ``limit`` of the chosen lanes in that order, from the one at ``offset`` on."""
        ...

    async def place(self, chosen: LaneFilter, key: str, *, order: LaneOrder = BY_ATTENTION) -> int | None:
        """Where a lane stands among the chosen ones; None if it is not one of them."""
        ...

    async def total(self, chosen: LaneFilter) -> int:
        """How many lanes a filter chooses."""
        ...

    async def find(
        self, chosen: LaneFilter, part: str, key: str | None, *, step: int = 0, order: LaneOrder = BY_ATTENTION
    ) -> Hit | None:
        """The next of the chosen lanes with that part in its key, seen from lane ``key``, round the end if need be.

        ``step``: 0 from that lane itself, 1 behind it, -1 before it. None: no chosen lane has it.
        """
        ...

    async def marks(self, chosen: LaneFilter, limit: int) -> list[Mark]:
        """At most ``limit`` of the chosen lanes, as marks."""
        ...

    async def status(self) -> AsOf[Status]:
        """Counts, gateways, cooldowns."""
        ...

    async def detail(self, key: str) -> AsOf[LaneDetail]:
        """One lane with its messages, last events and why-paragraph. Raises NotFound."""
        ...

    async def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """The record of what came of a verb. Raises NotAllowed where it changes something and may not."""
        ...

    async def retry(self, key: str, *, epoch: int) -> Message:
        """Accept the newest dead letter of a lane once more; the new message. Raises NotFound, NotAllowed."""
        ...

    async def events(self, *, key: str | None = None, limit: int) -> list[Event]:
        """The newest ``limit`` events of the journal, or of one lane, oldest first. Raises NotFound."""
        ...

    async def dead_letters(self, limit: int) -> list[Message]:
        """The failed messages of every lane that nobody retried yet, newest first."""
        ...

    async def export(self, chosen: LaneFilter, order: LaneOrder, limit: int) -> list[Lane]:
        """At most ``limit`` of the chosen lanes."""
        ...

    async def send(self, key: str, text: str) -> Message:
        """Accept a message for a lane. Raises InvalidKey, QueueFull, NotAllowed."""
        ...

    async def drop(self, message_id: int) -> Message:
        """End a waiting message. Raises NotFound, NotAllowed."""
        ...

    async def retry_message(self, message_id: int) -> Message:
        """Accept a dead letter once more; the new message. Raises NotFound, NotAllowed, QueueFull."""
        ...

    async def prune_dead_letters(self, until: int) -> int:
        """Delete the dead letters that failed at wall time ``until`` or earlier; how many went. Raises NotAllowed."""
        ...

    async def drain(self, owner_id: int) -> Drain:
        """Let a gateway claim nothing more, for as long as it lives. Raises NotFound, NotAllowed."""
        ...

    async def close(self) -> None:
        """Let go of everything. May be called twice."""
        ...
