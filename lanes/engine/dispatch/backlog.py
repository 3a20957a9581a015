"""The waiting heads, as one dispatcher knows them, so that a read costs only what has changed.

While few heads wait, each read reads all of them. While many wait, they are read once, and then the journal names the
lanes that have changed: every change of state has its event. A head is kept in the queue of its runner, where it costs
nothing while that runner is full or cooling down. Heads for runners of other gateways are not kept.

The content is only an estimate, which the claim checks: a head that has changed is dropped, and comes back by the event
of that change. So it is never wrong to keep too many heads. Three rules make sure that none is missing:

- each head after ``_scanned`` will be read before a runner with an empty queue is left idle;
- each change after event ``_seen`` will be read, and its lane read again;
- a head that only time blocks is read again at that time (``_later``).
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import FEW_ROWS, AsyncStore
from lanes_storage.law import MAX_INTERRUPTIONS
from lanes_storage.reads.backlog import NEVER
from lanes_storage.records import WaitingLane

#: Up to this many waiting heads, each read reads all of them.
FEW = 256
#: Heads per page, and pages per read: after that, the known heads are claimed first.
PAGE = 256
PAGES = 32
#: Events of the journal per read.
EVENTS = 2_000
#: How many heads are kept for the end of a park or a pause; if there are more, all heads are read again then.
MOST_LATER = 10_000
#: How many heads of one queue are kept before the scan has reached them.
MOST_EARLY = 64
#: After this long without a read, everything is read again: events may have been pruned meanwhile.
LATE_MS = 10_000


class QueueKind(NamedTuple):
    """The key of a queue."""

    runner: str
    suspect: bool  # only a few of them may run
    priority: int
    for_client: bool  # clients of these wait on their connections


class HeadQueue:
    """The waiting heads of one kind: ids of messages, the lowest first, each at most once. A million take 8 MB."""

    def __init__(self) -> None:
        self._ids = array("q")  # in order
        self._at = 0  # the ids before this index were taken

    def __bool__(self) -> bool:
        return self._at < len(self._ids)

    @property
    def first(self) -> int:
        """The lowest id. The queue must not be empty."""
        return self._ids[self._at]

    def beyond(self, number: int) -> int:
        """How many ids are larger."""
        return len(self._ids) - bisect_right(self._ids, number, self._at)

    def put(self, number: int) -> None:
        ids, at = self._ids, self._at
        place = bisect_left(ids, number, at)
        if place < len(ids) and ids[place] == number:
            return
        if at > 0 and place - at < len(ids) - place:  # a million ids may wait: move the smaller part
            ids[at - 1 : place - 1] = ids[at:place]
            ids[place - 1] = number
            self._at -= 1
        else:
            ids.insert(place, number)

    def pop(self) -> int:
        number = self.first
        self._at += 1
        if self._at > 4_096 and 2 * self._at > len(self._ids):
            del self._ids[: self._at]
            self._at = 0
        return number


class Backlog:
    """For the event loop. ``runner_of`` returns the runner of this gateway for a head, or None if the gateway does not
    have it; ``priority_of`` returns the priority of a lane (None: all are equal)."""

    def __init__(
        self,
        store: AsyncStore,
        owner: Callable[[], int],
        runner_of: Callable[[WaitingLane], str | None],
        priority_of: Callable[[str], int] | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._runner_of = runner_of
        self._priority_of = priority_of
        self._queues: dict[QueueKind, HeadQueue] = {}
        self._for_owner: int | None = None
        self._seen: int | None = None  # the last event that was read; None: the next read reads everything
        self._scanned: int | None = None  # all heads up to this one were read; None: every head was
        self._later: list[tuple[int, int]] = []  # negative wall time, and lane: a heap with the latest first
        self._again_at = NEVER  # the earliest time of those that did not fit
        self._looked: Now | None = None
        self._version: int | None = None  # of the database at the last look; None: unknown
        self.empty = False  # at the last read no head waited: only a commit can add one

    async def look(self, now: Now, *, woken: bool = False) -> None:
        """Read what has changed. ``woken``: something was committed, so the version need not be read.

        Raises StorageError.
        """
        version = None if woken else await self._store.version()
        unchanged = version is not None and version == self._version
        outdated = self._for_owner != self._owner() or now.wall >= self._again_at or self._out_of_step(now)
        due = bool(self._later) and -self._later[-1][0] <= now.wall
        if unchanged and not outdated and not due:
            self._looked = now
            return
        self._version, self.empty = None, False
        if outdated:
            self._forget()
        self._looked = now
        if self._seen is not None:
            await self._follow(now.wall)
        if self._seen is None:
            self._forget()
            await self._begin(now.wall)
        self._version = version  # only after everything was read

    async def reach(self, now: Now, open_: Collection[str]) -> bool:
        """Continue the scan until there is a head for every runner in ``open_``, or no head is left.

        Returns False if the scan took too long and is not finished. Raises StorageError.
        """
        for _ in range(PAGES):
            if self._scanned is None or all(self._found(name, self._scanned) for name in open_):
                return True
            await self._scan(now.wall)
        return self._scanned is None

    def _found(self, runner: str, scanned: int) -> bool:
        """Whether the first head of a runner is certainly known. With priorities, any head that was not read yet may be
        the first."""
        if self._priority_of is not None:
            return False
        queues = [self._queues.get(QueueKind(runner, False, 0, for_client)) for for_client in (False, True)]
        return any(queue and queue.first <= scanned for queue in queues)

    @property
    def anything(self) -> bool:
        """Whether a queue has a head, or the scan is not finished."""
        return self._scanned is not None or any(self._queues.values())

    @property
    def suspects(self) -> bool:
        return any(queue for kind, queue in self._queues.items() if kind.suspect)

    def choose(
        self, slots: Mapping[str, int], suspects: int, limit: int, resting: Collection[str]
    ) -> dict[int, QueueKind]:
        """Remove and return up to ``limit`` heads, the highest priority and then the longest wait first, within the
        slots of each runner and the number of suspects that may run; for resting runners only heads of clients."""
        left, chosen = dict(slots), dict[int, QueueKind]()
        while len(chosen) < limit:
            open_ = [
                (-kind.priority, queue.first, kind)
                for kind, queue in self._queues.items()
                if queue
                and left.get(kind.runner, 0) > 0
                and (suspects > 0 or not kind.suspect)
                and (kind.for_client or kind.runner not in resting)
            ]
            if not open_:
                break
            *_, kind = min(open_)
            chosen[self._queues[kind].pop()] = kind
            left[kind.runner] -= 1
            suspects -= kind.suspect
        return chosen

    def put_back(self, heads: Iterable[tuple[int, QueueKind]]) -> None:
        """Put back heads that were chosen and can wait for the next read."""
        for head, kind in heads:
            self._queue(kind).put(head)

    def look_later(self, at: int, lane: int) -> None:
        """Read a lane again at that wall time. If there are too many, the latest are dropped, and at the time of the
        first of those all heads are read again."""
        insort(self._later, (-at, lane))
        if len(self._later) > MOST_LATER:
            self._again_at = min(self._again_at, -self._later.pop(0)[0])

    def _out_of_step(self, now: Now) -> bool:
        """Whether the last read is too old, or the wall clock was set back since: the times in ``_later`` depend on
        it."""
        last = self._looked
        return last is None or now.mono - last.mono > LATE_MS or now.wall < last.wall

    def _forget(self) -> None:
        self._queues, self._later, self._again_at = {}, [], NEVER
        self._seen, self._scanned, self._for_owner = None, None, self._owner()

    async def _begin(self, wall: int) -> None:
        """Read the first heads; often that is all of them."""
        found, last = await self._store.read(reads.heads(0, FEW_ROWS))
        if len(found) == FEW_ROWS:
            found, last = await self._store.read(reads.heads(0, FEW + 1))
        self.empty = not found
        for head in found:
            self._take(head, wall, scanning=True)
        if len(found) > FEW:
            self._seen, self._scanned = last, found[-1].message_id

    async def _scan(self, wall: int) -> None:
        assert self._scanned is not None
        found, _ = await self._store.read(reads.heads(self._scanned, PAGE))
        for head in found:
            self._take(head, wall, scanning=True)
        self._scanned = found[-1].message_id if len(found) == PAGE else None

    async def _follow(self, wall: int) -> None:
        """Read the lanes again that have changed, and those that are due."""
        assert self._seen is not None
        news = await self._store.read(reads.news(self._seen, FEW))
        if news.of_many or news.few:
            self._seen = None
            return
        while self._seen < news.last:
            until = min(news.last, self._seen + EVENTS)
            for head in await self._store.read(reads.touched(self._seen, until)):
                self._take(head, wall)
            self._seen = until
        due = set[int]()
        while self._later and -self._later[-1][0] <= wall:
            due.add(self._later.pop()[1])
        if due:
            for head in await self._store.read(reads.heads_of([*due])):
                self._take(head, wall)

    def _take(self, head: WaitingLane, wall: int, *, scanning: bool = False) -> None:
        runner = None if head.bound_owner not in (None, self._for_owner) else self._runner_of(head)
        if runner is None:
            return
        if head.free_at > wall:
            if head.free_at < NEVER:
                self.look_later(head.free_at, head.lane_id)
            return
        priority = 0 if self._priority_of is None else self._priority_of(head.key)
        suspect, for_client = head.interruptions >= MAX_INTERRUPTIONS - 1, head.bound_owner is not None
        queue = self._queue(QueueKind(runner, suspect, priority, for_client))
        known = scanning or self._scanned is None or head.message_id <= self._scanned
        if known or queue.beyond(self._scanned or 0) < MOST_EARLY:
            queue.put(head.message_id)

    def _queue(self, kind: QueueKind) -> HeadQueue:
        return self._queues.setdefault(kind, HeadQueue())
