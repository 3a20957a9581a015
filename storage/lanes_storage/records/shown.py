"""What lists and summaries show.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers given by the database and rise with time.
"""

from dataclasses import dataclass, field

from lanes_storage.law import LaneState
from lanes_storage.records.stored import LastError, Owner, Pause, Run


@dataclass(frozen=True, slots=True)
class Lane:
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


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of everything that status shows."""

    lanes: dict[str, int]
    paused: int
    queued: int
    dead_letters: int
    oldest_head_at: int | None
    ghosts: int
    unlimited: int = 0  # held lanes whose run_timeout or stall_timeout is off


@dataclass(frozen=True, slots=True)
class LaneFilter:
    """Which lanes to list. Every condition that is given must hold.

    ``match`` is a glob over keys (``*``, ``?``, ``[…]``), ``contains`` a plain part of the key (the case is
    ignored), ``held_since`` the latest wall time of the claim, ``keys`` an exact choice.
    """

    states: tuple[LaneState, ...] = ()
    match: str | None = None
    contains: str | None = None
    held_since: int | None = None
    keys: tuple[str, ...] = field(default=())
