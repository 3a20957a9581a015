"""How old things are, for whoever shows them. Judges use sightings of their own.

A run or an owner of the observer's own boot is measured by the boot clock, which nobody can set, without the time that
the machine slept; any other by the wall clock. All results are whole milliseconds, and an age is never negative.
"""

from lanes.identity import Identity, is_gone
from lanes_storage.moment import Now
from lanes_storage.records import Owner, Run


def held_ms(run: Run, now: Now) -> int:
    """How long the run has held its lane."""
    return _age(run.boot_id, run.claimed_boot, run.claimed_slept_ms, run.claimed_at, now)


def quiet_ms(run: Run, now: Now) -> int:
    """How long ago the run last showed progress, as far as its owner's heartbeats told."""
    return _age(run.boot_id, run.progress_boot, run.progress_slept_ms, run.progress_at, now)


def left_ms(run: Run, now: Now) -> int | None:
    """How long the run may go on; negative once it is overdue, None without a run_timeout."""
    limit = run.terms.run_timeout_ms
    return None if limit is None else limit - held_ms(run, now)


def busy_ms(run: Run) -> int:
    """For how long after its last progress the run said that it would be busy: of whatever boot, and never negative."""
    return max(0, (run.busy_until_boot or 0) - run.progress_boot)


def busy_left_ms(run: Run, now: Now) -> int | None:
    """How long the run has said that it is still busy; None if it did not, or that has passed."""
    if run.boot_id != now.boot_id:
        return None
    left = busy_ms(run) - quiet_ms(run, now)
    return left if left > 0 else None


def stall_left_ms(run: Run, now: Now) -> int | None:
    """How long the run may still be silent; negative once it is overdue, None without a stall_timeout."""
    limit = run.terms.stall_timeout_ms
    return None if limit is None else limit + busy_ms(run) - quiet_ms(run, now)


def asked_ms(run: Run, now: Now) -> int | None:
    """How long ago the run's abort was requested; None if it was not."""
    if run.abort_at is None:
        return None
    return _age(run.abort_boot_id, run.abort_boot or 0, run.abort_slept_ms, run.abort_at, now)


def beat_ms(owner: Owner, now: Now) -> int:
    """How long ago the owner's last heartbeat was."""
    return _age(owner.boot_id, owner.heartbeat_boot, owner.slept_ms, owner.heartbeat_at, now)


def lives(owner: Owner, now: Now, me: Identity) -> bool:
    """Whether the owner lives as far as this process can tell: not ended, not provably gone, not silent."""
    if owner.ended_at is not None or is_gone(owner, me):
        return False
    return beat_ms(owner, now) < owner.stale_after_ms


def _age(boot_id: str | None, boot: int, slept: int | None, wall: int, now: Now) -> int:
    return max(0, now.awake_since(boot, slept) if boot_id == now.boot_id else now.wall - wall)
