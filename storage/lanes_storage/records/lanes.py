"""Lanes as lists show them: one by one, in an order, and counted."""

from enum import StrEnum

from lanes_storage.law import Cause, LaneState, PauseKind
from lanes_storage.records.runs import OwnerRow, RunRow, RunUsage
from lanes_storage.tuples import NamedTuple


class PauseRow(NamedTuple):
    """Why no run may claim a lane. ``until`` is None if only a person ends the pause.

    ``pattern``: the glob over keys that is paused; None if the pause is of the lane itself.
    """

    reason: str
    actor: str
    at: int
    until: int | None
    kind: PauseKind = PauseKind.HAND
    pattern: str | None = None


class LastErrorRow(NamedTuple):
    """How the last run of a lane ended, if it failed."""

    cause: Cause
    message: str
    at: int


class Repeated(NamedTuple):
    """A request that is refused until ``until``, since lanes has just ended the same one. ``times``: how often it was
    sent. Nothing else is stored of a refused request."""

    cause: str
    times: int
    until: int


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

    @property
    def is_session(self) -> bool:
        """Whether the row stands for a session with several lanes."""
        return self.open is not None


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


class LaneTally(NamedTuple):
    """Counts over some lanes: how many in each state, and how much an action on them would affect."""

    states: dict[LaneState, int]
    runs: int  # lanes that are held
    reruns: int  # waiting messages of free lanes that ran before; an abort of the run ends them too
    waiting: int  # waiting messages, including those
    paused: int


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
    ERROR = "error"  # by cause, then the latest first
    CHANGED = "changed"  # the latest change first


class LaneOrder(NamedTuple):
    """How lanes are sorted. ``reverse`` reverses the order; lanes without a value stay last.

    ``silent``: for the order ``silent``, the ids of the silent runs, as ``reads.silent_runs`` lists them.
    """

    by: LaneSort = LaneSort.ATTENTION
    reverse: bool = False
    silent: tuple[int, ...] = ()


class SortPlace(NamedTuple):
    """Where a lane stands in an order: the number of its walk (``reads.choices``), and the values by which the walk
    sorts it."""

    walk: int
    word: str
    first: int
    second: int
