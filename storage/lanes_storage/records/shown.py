"""What lists and summaries show.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers given by the database and rise with time.
"""

from enum import StrEnum
from typing import NamedTuple

from lanes_storage.law import LaneState
from lanes_storage.records.stored import LastError, Owner, Pause, Run


class Lane(NamedTuple):
    """A lane as lists show it: its row, its open run and owner, and what waits."""

    id: int
    key: str
    state: LaneState
    epoch: int
    anonymous: bool
    pause: Pause | None
    queued: int
    head_id: int | None
    head_accepted_at: int | None
    parked_until: int | None
    last_error: LastError | None
    updated_at: int
    run: Run | None
    owner: Owner | None
    interruptions: int = 0  # of the message that runs, else of the head


class Counts(NamedTuple):
    """How much there is of everything that status shows."""

    lanes: dict[str, int]
    paused: int
    queued: int
    dead_letters: int
    oldest_head_at: int | None
    ghosts: int
    unlimited: int = 0  # held lanes whose run_timeout or stall_timeout is off
    silent: int = 0  # held lanes whose owner has not beaten for its stale_after


class LaneSort(StrEnum):
    """What lanes are sorted by. Lanes that have no such value come last, the newest first."""

    ATTENTION = "attention"  # unfinished first, the head that has waited longest at the top
    STATE = "state"  # errored, aborted, running, idle
    LANE = "lane"  # by key
    HELD = "held"  # the longest first
    BEAT = "beat"  # the oldest heartbeat first
    QUEUE = "queue"  # the most first
    WAIT = "wait"  # the longest first
    OWNER = "owner"  # by host and pid
    TRY = "try"  # the most interruptions first
    EPOCH = "epoch"  # the newest first
    ERROR = "error"  # by cause, the last first
    CHANGED = "changed"  # what changed last first


class LaneOrder(NamedTuple):
    """How lanes are sorted. ``reverse`` turns the order round; what has no value stays last."""

    by: LaneSort = LaneSort.ATTENTION
    reverse: bool = False
