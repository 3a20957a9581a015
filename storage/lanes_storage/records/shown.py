"""The records of lists and summaries."""

from enum import StrEnum
from typing import NamedTuple

from lanes_storage.law import LaneState
from lanes_storage.records.given import RunUsage
from lanes_storage.records.stored import LastErrorRow, OwnerRow, PauseRow, RunRow


class LaneRow(NamedTuple):
    """A lane as lists show it: its row, its open run and owner, and its waiting messages."""

    id: int
    key: str
    state: LaneState
    epoch: int
    anonymous: bool
    pause: PauseRow | None
    queued: int
    head_id: int | None
    head_accepted_at: int | None
    parked_until: int | None
    last_error: LastErrorRow | None
    updated_at: int
    run: RunRow | None
    owner: OwnerRow | None
    interruptions: int = 0  # of the running message, otherwise of the head
    open: int | None = None  # shown for a session: how many of its requests run or wait
    used: RunUsage | None = None  # by all its runs


class LaneCounts(NamedTuple):
    """The counts that ``status`` shows."""

    lanes: dict[str, int]
    paused: int
    queued: int
    dead_letters: int
    oldest_head_at: int | None
    ghosts: int
    unlimited: int = 0  # held lanes whose run_timeout or stall_timeout is off
    silent: int = 0  # held lanes whose owner has not beaten for its stale_after


class OwnerLoad(NamedTuple):
    """What an owner did recently, and how many of its runs are silent."""

    owner: int
    runs: int  # that have ended
    answers: int
    failures: int
    silent: int
    last_error: str | None  # the cause of the last failure


class LaneTally(NamedTuple):
    """Counts over some lanes: how many in each state, and how much an action on them would affect."""

    states: dict[LaneState, int]
    runs: int  # lanes that are held
    reruns: int  # waiting messages of free lanes that ran before; an abort of the run ends them too
    waiting: int  # waiting messages, including those
    paused: int


class LetterTallyRow(NamedTuple):
    """Counts over the dead letters that a filter chooses. ``oldest`` and ``newest`` are the ids of two of them."""

    letters: int = 0
    retried: int = 0
    kept: int = 0  # whose sender may still repeat the request with an idempotency key
    oldest: int | None = None
    newest: int | None = None


class LaneSort(StrEnum):
    """The sort keys for lanes. Lanes without a value for the key come last, the newest first."""

    ATTENTION = "attention"  # unfinished first, the longest wait at the top
    SILENT = "silent"  # silent runs first, the one nearest to its limit at the top; then by attention
    STATE = "state"  # errored, aborted, running, idle
    LANE = "lane"  # by key
    HELD = "held"  # the longest first
    BEAT = "beat"  # the oldest heartbeat first
    QUEUE = "queue"  # the most first
    WAIT = "wait"  # the longest first
    OWNER = "owner"  # by host and pid
    TRY = "try"  # the most interruptions first
    COST = "cost"  # what its runs cost, the most first; without a price: nothing
    EPOCH = "epoch"  # the newest first
    ERROR = "error"  # by cause, the last first
    CHANGED = "changed"  # the latest change first


class LaneOrder(NamedTuple):
    """How lanes are sorted. ``reverse`` reverses the order; lanes without a value stay last.

    ``silent``: for the order ``silent``, the ids of the silent runs, as ``reads.silent_runs`` lists them.
    """

    by: LaneSort = LaneSort.ATTENTION
    reverse: bool = False
    silent: tuple[int, ...] = ()


class SilentRun(NamedTuple):
    """A run that has been silent for at least half of the limit that acts first. ``limit`` is None if no limit ends
    it."""

    id: int
    key: str
    silent_ms: int
    limit_ms: int | None
    limit: str | None
    provider: str | None  # the provider whose limit it is; None if the limit ends the whole run


class LaneGroupRow(NamedTuple):
    """The lanes whose keys begin with the same parts. ``whole``: the prefix is itself the whole key of a lane."""

    prefix: str
    lanes: int
    running: int
    errored: int
    aborted: int
    waiting: int  # lanes with something that waits
    silent: int
    silent_ms: int | None  # the longest of these silences
    whole: bool
