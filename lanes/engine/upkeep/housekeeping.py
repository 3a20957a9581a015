"""Housekeeping: a separate thread for work that is never urgent, so that it cannot delay a heartbeat.

It prunes finished rows that are old enough, in small steps, keeps the WAL short, returns memory to the system, and
removes the control groups that dead gateways have left behind.
"""

from collections.abc import Callable, Iterator
from functools import partial

from lanes.config import Config
from lanes.config.declared.model import Clocks
from lanes.engine.background.isolation import isolated
from lanes.engine.background.loop import Duty, Loop, every
from lanes.host.cgroups import remove_leftovers
from lanes.host.memory import Memory
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.interface import AsyncStore, Reader, Step
from lanes_storage.law import Prunable, RunnerKind
from lanes_storage.logs import Log
from lanes_storage.records import Old

log = Log("lanes.housekeeping")

#: Rows read, and at most deleted, per step; other writers get the lock between two steps.
PAGE = 200
#: The same for anonymous lanes: each has about ten rows, which are deleted together.
PAGE_OF_LANES = 20
#: The pauses between two steps of a pass, and between two checks whether one is due; the interval between passes, and
#: the delay of the first one after the start.
STEP_S = 0.02
IDLE_S = 1.0
PASS_EVERY_MS = 600_000
FIRST_PASS_MS = 30_000
#: Milliseconds between two checks of the size of the WAL, and of the memory of this process.
LOG_EVERY_MS = 5_000
MEMORY_EVERY_MS = 1_000
#: How long a lane that was made for one request is kept after the end of the request.
KEEP_ANONYMOUS_MS = 900_000
#: How long an idempotency key is kept; its message is not pruned before.
KEEP_IDEMPOTENCY_MS = 24 * 3_600_000

#: The kinds of rows that are pruned by age, in this order.
BY_AGE = tuple(kind for kind in Prunable if kind is not Prunable.DEAD_LETTERS)


class ConfiguredKeep:
    """How long finished rows are kept, in milliseconds: by the policy of a key (None: rows that belong to no lane).

    ``least_ms``: the shortest of all: younger rows need not be read.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        names = ("keep_messages", "keep_events", "keep_conversations")
        of_policies = [
            policy.values[name].value for policy in config.policies for name in names if name in policy.values
        ]
        self.least_ms: int = min(*(getattr(config.clocks, f"{name}_ms") for name in names), *of_policies)

    def messages_ms(self, key: str | None) -> int:
        """``keep_messages``, which also applies to runs and idle lanes."""
        return self._clocks(key).keep_messages_ms

    def events_ms(self, key: str | None) -> int:
        """``keep_events``, which also applies to ended owners."""
        return self._clocks(key).keep_events_ms

    def conversations_ms(self, key: str | None) -> int:
        return self._clocks(key).keep_conversations_ms

    def _clocks(self, key: str | None) -> Clocks:
        return self._config.clocks if key is None else self._config.clocks_for(key, RunnerKind.PROVIDER)


class Pruner:
    """Scans all rows that may be pruned, one small step at a time."""

    def __init__(self, reader: Reader, write: Callable[[Step[int]], int], keep: ConfiguredKeep, now: Now) -> None:
        self._reader = reader
        self._write = write
        self._keep = keep
        self._steps: Iterator[int] | None = None
        self._pruned = 0
        self._next_mono = now.mono + FIRST_PASS_MS

    @property
    def busy(self) -> bool:
        return self._steps is not None

    def step(self, now: Now) -> int:
        """Do the next step of a pass, if it is due; returns how many rows were deleted. Raises StorageError."""
        if self._steps is None:
            if now.mono < self._next_mono:
                return 0
            self._steps, self._pruned = self._pass(now), 0
        pruned: int | None = None
        try:
            pruned = next(self._steps, None)
        finally:
            if pruned is None:  # the pass has ended, or failed
                self._end(now)
        self._pruned += pruned or 0
        return pruned or 0

    def _end(self, now: Now) -> None:
        self._steps = None
        self._next_mono = now.mono + PASS_EVERY_MS
        if self._pruned:
            log.info("pruned %d old rows", self._pruned)

    def _pass(self, now: Now) -> Iterator[int]:
        for kind in BY_AGE:
            with isolated(log, f"pruning {kind}"):
                yield from self._walk(kind, now)
        yield from self._prune_idempotency(now)

    def _walk(self, kind: Prunable, now: Now) -> Iterator[int]:
        limit, after = PAGE_OF_LANES if kind is Prunable.ANONYMOUS else PAGE, 0
        while True:
            rows = self._reader.read(reads.old(kind, after, limit))
            due = [pair for row in rows if (pair := self._due(kind, row, now)) is not None]
            yield self._write(partial(doors.prune, kind=kind, chosen=due)) if due else 0
            if len(rows) < limit or self._too_young(kind, rows[-1], now):
                return
            after = rows[-1].id

    def _due(self, kind: Prunable, row: Old, now: Now) -> tuple[int, int] | None:
        """The id of the row, and the wall time before which it must have been finished; None if the row is kept."""
        due = None
        with isolated(log, f"row {row.id} of {kind}"):
            before = now.wall - self._kept_ms(kind, row.key)
            if row.finished_at is not None and row.finished_at <= before:
                due = (row.id, before)
        return due

    def _kept_ms(self, kind: Prunable, key: str | None) -> int:
        if kind is Prunable.ANONYMOUS:
            return min(KEEP_ANONYMOUS_MS, self._keep.messages_ms(key))
        if kind in (Prunable.EVENTS, Prunable.OWNERS):
            return self._keep.events_ms(key)
        if kind is Prunable.TURNS:
            return self._keep.conversations_ms(key)
        return self._keep.messages_ms(key)

    def _too_young(self, kind: Prunable, row: Old, now: Now) -> bool:
        """Whether all later rows are too young to be pruned. Not for lanes: an old one may still be in use."""
        if kind in (Prunable.LANES, Prunable.ANONYMOUS):
            return False
        return row.made_at > now.wall - self._keep.least_ms

    def _prune_idempotency(self, now: Now) -> Iterator[int]:
        before = now.wall - KEEP_IDEMPOTENCY_MS
        while pruned := self._write(lambda tx: doors.prune_idempotency(tx, before, PAGE)):
            yield pruned


class Housekeeper(Loop):
    def __init__(self, store: AsyncStore, clock: Clock, keep: ConfiguredKeep) -> None:
        super().__init__("housekeeping", store, clock)
        self._keep = keep
        self._pruner: Pruner | None = None
        self._tidied = False

    def _duties(self, reader: Reader) -> list[Duty]:
        self._pruner = pruner = Pruner(reader, self._write, self._keep, self._clock())
        memory = Memory()
        return [
            every(LOG_EVERY_MS, self._shorten_log),
            pruner.step,
            every(MEMORY_EVERY_MS, lambda _: memory.look()),
            self._tidy,
        ]

    def _pause_s(self) -> float:
        return STEP_S if self._pruner is not None and self._pruner.busy else IDLE_S

    def _tidy(self, now: Now) -> None:
        """Remove leftovers, once, in the first round."""
        if not self._tidied:
            self._tidied = True
            remove_leftovers(now.wall / 1000)

    def _shorten_log(self, now: Now) -> None:
        del now
        obstacle = self._store.shorten_log()
        if obstacle is not None:
            log.warning("%s", obstacle)
