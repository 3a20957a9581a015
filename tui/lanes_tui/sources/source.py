"""The one interface between the screen and wherever lanes are: a database file, or a gateway elsewhere.

A source calls verbs (``lanes.verbs``), and returns records (``lanes.records``), as every surface does.

Every method may raise ``Lost``: the source cannot be read for now. It recovers by itself; the caller just calls again.
Actions may also raise what verbs raise (``LanesError``), such as ``Changed`` if the lane has moved on from the epoch
that was on the screen.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from lanes.base.errors import Ambiguous, NotAllowed, NotFound
from lanes.base.procedure import PAGE as TRANSACTION
from lanes.records import (
    HERE,
    Drain,
    Event,
    Hit,
    Lane,
    LaneDetail,
    LaneGroup,
    LetterPage,
    LetterTally,
    Message,
    OwnerHealth,
    Provider,
    SearchPage,
    Silence,
    Silences,
    Status,
    Tally,
)
from lanes.verbs import messages, queries, sending, system
from lanes.verbs.outcomes import Action
from lanes.verbs.paging import PAGE
from lanes.verbs.system import EVERY
from lanes.verbs.verb import Verb
from lanes_storage.clock import Clock, Now
from lanes_storage.law import RETRIABLE, LaneState
from lanes_storage.records import LaneFilter, LaneOrder, LaneSort
from lanes_tui.sources.pacing import Paced

T = TypeVar("T")
#: The most lanes that can be marked: more are probably a mistake, and an action on them would take too long.
MOST = 10_000
BY_ATTENTION = LaneOrder()
#: Looking for silent runs takes at most this fraction (one part in so many) of the time: it walks over all runs.
SILENCE_SHARE = 50


class Lost(Exception):
    """The source cannot be read. The sentence says why, and what to do about it."""


class AsOf(NamedTuple, Generic[T]):
    """A record, and when it was read: its ages are as of that time (``columns.ViewedAt`` brings them up to date)."""

    at: Now
    record: T


class Window(NamedTuple):
    """A part of the lanes that a filter chooses, in some order.

    ``offset`` is the place of the first row among all ``total``. ``at`` is when it was read.
    """

    at: Now
    offset: int
    rows: list[Lane]
    total: int

    def place_of(self, key: str, near: int = 0) -> int | None:
        """The place of a lane among all, if it is in this window.

        Lanes of different sources may have the same key: then the place nearest to ``near``.
        """
        places = (self.offset + i for i, lane in enumerate(self.rows) if lane.key == key)
        return min(places, key=lambda place: abs(place - near), default=None)

    def lane_at(self, place: int) -> Lane | None:
        """The lane at that place, if it is in this window."""
        inside = 0 <= place - self.offset < len(self.rows)
        return self.rows[place - self.offset] if inside else None


def by_run(silences: AsOf[Silences], at: Now) -> dict[int, Silence]:
    """The silent runs by id, with their ages as of ``at``."""
    passed = max(0, at.mono - silences.at.mono)
    return {each.run_id: each.replace(silent_ms=each.silent_ms + passed) for each in silences.record.runs}


class MarkedLane(NamedTuple):
    """A lane as it was on the screen when a person chose it for an action: if it has moved on since, it is left alone.
    ``epoch`` is None for a session that runs several requests: all of them are meant."""

    key: str
    epoch: int | None
    state: LaneState

    @classmethod
    def of(cls, lane: Lane) -> "MarkedLane":
        """The lane as it is on the screen."""
        return cls(lane.key, lane.bound_epoch, lane.state)


class Source(ABC):
    """What the dashboard reads and acts on. ``read_only``: every action is refused (``NotAllowed``)."""

    #: The option that makes a command act on this source.
    option = "--db"
    #: How many messages are retried together, with nothing in between.
    in_order = TRANSACTION

    def __init__(self, name: str, *, actor: str, read_only: bool, clock: Clock) -> None:
        self.name = name  # the path or URL, as people know it
        self.actor = actor  # who acts, as the journal shows it
        self.read_only = read_only
        #: A warning that every screen shows in red; empty: none.
        self.sign = ""
        self._clock = clock
        self._totals: Paced[int] = Paced()
        self._healths: Paced[list[OwnerHealth]] = Paced()
        self._statuses: Paced[AsOf[Status]] = Paced()
        self._silences: Paced[AsOf[Silences]] = Paced(SILENCE_SHARE)
        self._groups: Paced[list[LaneGroup]] = Paced()
        self._providers: Paced[AsOf[list[Provider]]] = Paced()
        self._silent: tuple[int, ...] | None = None  # the silent runs at the last look

    @property
    def replaced(self) -> bool:
        """Whether another source has taken the place of the first one: every action is refused."""
        return False

    def now(self) -> Now:
        """The time now, by the clock that ages are measured with."""
        return self._clock()

    @abstractmethod
    async def version(self) -> int:
        """A number that differs from the last one when anything may have changed. Costs about nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Release everything. Harmless twice."""

    @abstractmethod
    async def _call(self, verb: Verb[..., T], /, **params: Any) -> T:
        """Call a verb; returns its record."""

    @abstractmethod
    def _call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """Call a verb for each of ``params``; yields place and record of each as it ends, or an expected error."""

    async def call(self, verb: Verb[..., T], /, **params: Any) -> T:
        """Call a verb; returns its record. Raises NotAllowed if it changes something and the source is read-only."""
        self._check(verb)
        try:
            return await self._call(verb, **params)
        finally:
            if verb.changes:
                self._forget()

    async def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """Call a verb for each of ``params``, many in one transaction; yields the place of each in ``params`` with its
        record, or an expected error in place of that."""
        self._check(verb)
        try:
            async with aclosing(self._call_each(verb, params)) as calls:
                async for answer in calls:
                    yield answer
        finally:
            self._forget()

    def _check(self, verb: Verb[..., Any]) -> None:
        if verb.changes and self.read_only:
            raise NotAllowed("this dashboard is read-only")

    def _forget(self) -> None:
        """Let the next look read what an action has just changed."""
        for paced in (self._totals, self._statuses, self._providers, self._groups, self._healths):
            paced.forget()

    # ------------------------------------------------------------------------------------- looking

    async def window(self, chosen: LaneFilter, offset: int, limit: int, *, order: LaneOrder = BY_ATTENTION) -> Window:
        """At most ``limit`` of the chosen lanes in that order, from the one at ``offset`` on."""
        now = self.now()
        page = await self._search(chosen, order, limit=min(limit, PAGE), offset=offset, counted=False)
        total = page.total
        if total is None:
            total = await self._totals.answer(chosen._replace(at=0), lambda: self.total(chosen))
            total = max(total, offset + len(page.lanes)) if page.lanes else total
        return Window(now, offset, list(page.lanes), total)

    async def place(self, chosen: LaneFilter, key: str, *, order: LaneOrder = BY_ATTENTION) -> int | None:
        """The place of a lane among the chosen ones; None if it is not one of them."""
        return (await self._search(chosen, order, place_of=key, counted=False)).place

    async def total(self, chosen: LaneFilter) -> int:
        """How many lanes a filter chooses."""
        return (await self._search(chosen, BY_ATTENTION)).total or 0

    async def find(
        self, chosen: LaneFilter, part: str, key: str | None, *, step: int = 0, order: LaneOrder = BY_ATTENTION
    ) -> Hit | None:
        """The next of the chosen lanes whose key contains ``part``, from lane ``key`` on, and around the end.

        ``step``: 0: that lane included; 1: after it; -1: before it, backwards. None: no chosen lane has such a key.
        """
        return (
            await self.call(queries.find, part=part, from_=key, step=step, **self._search_params(chosen, order))
        ).hit

    async def marks(self, chosen: LaneFilter, limit: int) -> list[MarkedLane]:
        """At most ``limit`` of the chosen lanes, as marks."""
        found = await self.call(queries.marks, filter_=chosen, keys=chosen.keys, limit=limit)
        return [MarkedLane(each.key, each.epoch, each.state) for each in found]

    async def export(self, chosen: LaneFilter, order: LaneOrder, limit: int, first: int = 0) -> list[Lane]:
        """At most ``limit`` of the chosen lanes, from place ``first`` on, read page by page."""
        found: dict[tuple[str, str], Lane] = {}  # a lane that moves while pages are read may be on two of them
        end = first + limit
        for offset in range(first, end, PAGE):
            page = await self._search(chosen, order, offset=offset, limit=min(PAGE, end - offset), counted=False)
            found |= {(lane.source, lane.key): lane for lane in page.lanes}
            if page.total is not None:
                break
        return list(found.values())

    async def status(self) -> AsOf[Status]:
        """Counts, gateways, cooldowns."""
        return await self._statuses.answer(None, lambda: self._seen(system.status))

    async def groups(self, chosen: LaneFilter, parts: int) -> list[LaneGroup]:
        """The chosen lanes, in groups by the first parts of their keys: the worst group first."""
        params = {"parts": parts, "filter_": chosen, "keys": chosen.keys}
        question = (chosen._replace(at=0), parts)
        return await self._groups.answer(question, lambda: self.call(queries.groups, **params))

    async def silences(self) -> AsOf[Silences]:
        """The silent runs. From then on, their lanes come first in the order ``silent``."""
        found = await self._silences.answer(None, lambda: self._seen(queries.silent))
        self._silent = tuple(each.run_id for each in found.record.runs)
        return found

    async def owner_health(self) -> dict[int, OwnerHealth]:
        """The health of each living owner, by its id."""
        found = await self._healths.answer(None, lambda: self.call(system.owner_health))
        return {each.owner: each for each in found}

    async def providers(self) -> AsOf[list[Provider]]:
        """Which providers are well, who asks them, and how the requests of the last hour ended."""
        return await self._providers.answer(None, lambda: self._seen(system.providers))

    async def detail(self, key: str, source: str = HERE) -> AsOf[LaneDetail]:
        """One lane with its messages, last events and why-paragraph. Raises NotFound.

        ``source``: that of the lane, if lanes of several sources have this key.
        """
        try:
            return await self._seen(queries.show, key=key)
        except Ambiguous as several:
            resolved = source if source in several.sources else several.sources[0]
            return await self._seen(queries.show, key=key, source=resolved)

    async def _seen(self, verb: Verb[..., T], **params: Any) -> AsOf[T]:
        now = self.now()
        return AsOf(now, await self.call(verb, **params))

    async def events(
        self, *, key: str | None = None, limit: int, chosen: LaneFilter = EVERY, **more: Any
    ) -> list[Event]:
        """The newest ``limit`` events of the journal, or of one lane, oldest first. Raises NotFound.

        ``after``: the first ones after an event instead; ``before``: the newest before one; ``type``: only these.
        """
        return await self.call(system.events, key=key, limit=min(limit, PAGE), filter_=chosen, **more)

    async def letters(self, chosen: LaneFilter, offset: int, limit: int, place_of: int | None = None) -> LetterPage:
        """A page of the dead letters that a filter chooses and that were not retried yet, the newest first."""
        part = {"limit": min(limit, PAGE), "offset": offset, "place_of": place_of}
        return await self.call(messages.search_dead_letters, filter_=chosen, waiting=True, **part)

    async def letters_among(self, chosen: LaneFilter, offset: int, count: int) -> list[int]:
        """The ids of ``count`` of these dead letters, from place ``offset`` on."""
        found: list[int] = []
        while len(found) < count:
            page = await self.letters(chosen, offset + len(found), count - len(found))
            found += [letter.id for letter in page.messages]
            if not page.messages:
                break
        return found

    async def letter_tally(self, chosen: LaneFilter, up_to: int, until: int) -> LetterTally:
        """What a prune of the chosen dead letters up to that message, which had failed by ``until``, would delete."""
        return await self.call(messages.tally_dead_letters, filter_=chosen, up_to=up_to, until=until)

    async def letter_ids(self, chosen: LaneFilter) -> list[int]:
        """The ids of all chosen messages that can be retried, the oldest first."""
        return [int(each) for each in await self.call(messages.message_ids, for_=Action.RETRY, filter_=chosen)]

    async def last_left(self, key: str) -> Message | None:
        """The message of a lane that `retry_last` takes; None: there is none. Raises NotFound."""
        before: int | None = None
        part: dict[str, Any] = {"state": tuple(RETRIABLE), "limit": messages.AT_ONCE}
        while page := await self.call(messages.messages, key=key, before=before, **part):
            for each in page:
                if messages.is_left(each):
                    return each
            before = page[-1].id
        return None

    async def tally(self, chosen: LaneFilter) -> Tally:
        """Counts of the chosen lanes, by state, and of their runs and messages."""
        return await self.call(queries.tally, filter_=chosen, keys=chosen.keys)

    async def _search(self, chosen: LaneFilter, order: LaneOrder, **page: Any) -> SearchPage:
        return await self.call(queries.search, **self._search_params(chosen, order), **page)

    def _search_params(self, chosen: LaneFilter, order: LaneOrder) -> dict[str, Any]:
        params = {"filter_": chosen, "keys": chosen.keys, "sort": order.by, "reverse": order.reverse}
        return params | ({"silent": self._silent} if order.by is LaneSort.SILENT else {})

    # -------------------------------------------------------------------------------------- acting

    async def send(self, key: str, text: str) -> Message:
        """Accept a message for a lane. Raises InvalidKey, QueueFull, LaneBusy, NotAllowed."""
        return await self.call(sending.send, key=key, text=text)

    async def steer(self, key: str, text: str) -> Message:
        """Give a text to the run of a lane while it works. Raises NotFound, QueueFull, NotAllowed."""
        return await self.call(sending.steer, key=key, text=text)

    async def answer(self, key: str, text: str, question: str) -> Message:
        """Answer the question of a lane. Raises NotFound, NotAllowed."""
        return await self.call(sending.answer, key=key, text=text, question=question)

    async def drain(self, owner_id: int, for_ms: int | None = None) -> Drain:
        """Let a gateway claim nothing more, as long as it lives. ``for_ms``: how long its runs may go on; None: as
        configured. Raises NotFound, NotAllowed."""
        (gateway,) = await self.call(system.drain, gateway=owner_id, for_=for_ms)
        return gateway.draining or Drain(self.actor, None)

    async def prune(self, chosen: LaneFilter, up_to: int, until: int) -> int:
        """Delete the chosen dead letters up to that message, which had failed by wall time ``until``; returns how many
        were deleted."""
        bounds = {"older_than": 0, "up_to": up_to, "until": until}
        return (await self.call(messages.prune_dead_letters, filter_=chosen, **bounds)).pruned

    async def messages_of(self, ids: Sequence[int]) -> list[Message]:
        """These messages, without those that are gone."""
        found = []
        for each in ids:
            with suppress(NotFound):
                found.append(await self.call(sending.message, id=each))
        return found
