"""The heads that wait, as one dispatcher keeps account of them, so that a look costs what has changed.

Where few wait, they are all read at each look, and that is all. Where many do, they are walked over once, and from then
on the journal says which lanes have changed: every change of state has its event. A head is kept in the line of its
runner, where it costs nothing while that runner is full or cools; heads of other gateways' runners are not kept at all.

What is kept here is a guess that the claim checks: a head that is not as it was read is left out, and comes back by the
event of whatever changed it. So it is never wrong to keep a head too many. That none is missing follows from three
rules:

- each head behind ``_walked`` will be walked over, before a runner that has nothing in its line goes without;
- each change behind event ``_seen`` will be read, and its lane looked at again;
- a head that time alone keeps back is looked at again at that time (``_later``).
"""

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping

from lanes.engine.line import Line
from lanes_storage import reads
from lanes_storage.interface import FEW_ROWS, AsyncStore
from lanes_storage.law import MAX_INTERRUPTIONS
from lanes_storage.moment import Now
from lanes_storage.reads.backlog import NEVER
from lanes_storage.records import WaitingLane

#: So many heads are read at each look.
FEW = 256
#: Heads read at a time, and such pages in one look: after them, what is known is claimed first.
PAGE = 256
PAGES = 32
#: Events that are followed at a time.
EVENTS = 2_000
#: Heads that are kept for the time when a park or a pause is over; beyond, all are walked over again then.
MOST_LATER = 10_000
#: Heads of one line that are kept before the walk has come to them.
MOST_EARLY = 64
#: Whoever has not looked for so long reads everything again: what the journal said meanwhile may be gone from it.
LATE_MS = 10_000

#: The runner that heads are for, and whether they are suspects, of which only a few may run.
Kind = tuple[str, bool]


class Backlog:
    """Belongs to the event loop. ``runner_of`` names the runner of this gateway that a head is for; None: none."""

    def __init__(
        self, store: AsyncStore, owner: Callable[[], int], runner_of: Callable[[WaitingLane], str | None]
    ) -> None:
        self._store = store
        self._owner = owner
        self._runner_of = runner_of
        self._lines: dict[Kind, Line] = {}
        self._for_owner: int | None = None
        self._seen: int | None = None  # the last event that was read; None: everything is read at the next look
        self._walked: int | None = None  # all heads up to this one were walked over; None: every head was
        self._later: list[tuple[int, int]] = []  # wall time, negative, and lane: the latest first
        self._again_at = NEVER  # of those for whom there was no room
        self._looked: Now | None = None
        self.empty = False  # at the last look no head waited: only a commit makes one

    async def look(self, now: Now) -> None:
        """Learn what has changed. Raises StorageError."""
        self.empty = False
        if self._for_owner != self._owner() or now.wall >= self._again_at or self._out_of_step(now):
            self._forget()
        self._looked = now
        if self._seen is not None:
            await self._follow(now.wall)
        if self._seen is None:
            self._forget()
            await self._begin(now.wall)

    async def reach(self, now: Now, open_: Collection[str]) -> bool:
        """Walk on until there is a head for every runner in ``open_``, or there are no more.

        False: it was a long way, and is not over. Raises StorageError.
        """
        for _ in range(PAGES):
            if self._walked is None or all(self._found(name, self._walked) for name in open_):
                return True
            await self._walk(now.wall)
        return self._walked is None

    def _found(self, runner: str, walked: int) -> bool:
        """Whether there is a head for a runner before which no other is to come."""
        line = self._lines.get((runner, False))
        return line is not None and bool(line) and line.first <= walked

    @property
    def complete(self) -> bool:
        """Whether every head was walked over."""
        return self._walked is None

    @property
    def anything(self) -> bool:
        """Whether there is a head in a line, or may be one where nobody has walked yet."""
        return self._walked is not None or any(self._lines.values())

    @property
    def suspects(self) -> bool:
        """Whether suspects wait."""
        return any(line for (_, suspect), line in self._lines.items() if suspect)

    def choose(self, slots: Mapping[str, int], suspects: int, limit: int) -> dict[int, Kind]:
        """Take out heads, the longest wait first: as many as their runners have slots, and suspects may run."""
        left, chosen = dict(slots), dict[int, Kind]()
        while len(chosen) < limit:
            open_ = [
                (line.first, kind)
                for kind, line in self._lines.items()
                if line and left.get(kind[0], 0) > 0 and (suspects > 0 or not kind[1])
            ]
            if not open_:
                break
            _, kind = min(open_)
            chosen[self._lines[kind].pop()] = kind
            left[kind[0]] -= 1
            suspects -= kind[1]
        return chosen

    def put_back(self, heads: Iterable[tuple[int, Kind]]) -> None:
        """Heads that were chosen and can wait for the next look."""
        for head, kind in heads:
            self._line(kind).put(head)

    def look_later(self, at: int, lane: int) -> None:
        """Look at a lane again at that wall time. The latest of too many are left to the walk over all."""
        insort(self._later, (-at, lane))
        if len(self._later) > MOST_LATER:
            self._again_at = min(self._again_at, -self._later.pop(0)[0])

    def _out_of_step(self, now: Now) -> bool:
        """Whether it looked too long ago, or by a wall clock that was set back since: times to look again are its."""
        last = self._looked
        return last is None or now.mono - last.mono > LATE_MS or now.wall < last.wall

    def _forget(self) -> None:
        self._lines, self._later, self._again_at = {}, [], NEVER
        self._seen, self._walked, self._for_owner = None, None, self._owner()

    async def _begin(self, wall: int) -> None:
        """Read the first heads; where there are no more, that was all. Mostly there are hardly any."""
        found, last = await self._store.read(reads.heads(0, FEW_ROWS))
        if len(found) == FEW_ROWS:
            found, last = await self._store.read(reads.heads(0, FEW + 1))
        self.empty = not found
        for head in found:
            self._take(head, wall, walking=True)
        if len(found) > FEW:
            self._seen, self._walked = last, found[-1].message_id

    async def _walk(self, wall: int) -> None:
        assert self._walked is not None
        found, _ = await self._store.read(reads.heads(self._walked, PAGE))
        for head in found:
            self._take(head, wall, walking=True)
        self._walked = found[-1].message_id if len(found) == PAGE else None

    async def _follow(self, wall: int) -> None:
        """Look again at the lanes that have changed, and at those whose time has come."""
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

    def _take(self, head: WaitingLane, wall: int, *, walking: bool = False) -> None:
        """Put a head where it belongs."""
        runner = None if head.bound_owner not in (None, self._for_owner) else self._runner_of(head)
        if runner is None:
            return
        if head.free_at > wall:
            if head.free_at < NEVER:
                self.look_later(head.free_at, head.lane_id)
            return
        line = self._line((runner, head.interruptions >= MAX_INTERRUPTIONS - 1))
        ahead = self._walked is not None and head.message_id > self._walked
        if walking or self._walked is None:
            line.append(head.message_id)
        elif not ahead or line.beside < MOST_EARLY:
            line.put(head.message_id)

    def _line(self, kind: Kind) -> Line:
        return self._lines.setdefault(kind, Line())
