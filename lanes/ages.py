"""How old things are, for whoever shows them. Judges use sightings of their own.

A run or an owner of the observer's own boot is measured by the boot clock, which nobody can set; any other by
the wall clock. All results are whole milliseconds, and an age is never negative.
"""

from lanes.identity import Identity, is_gone
from lanes_storage.moment import Now
from lanes_storage.records import Owner, Run


def held_ms(run: Run, now: Now) -> int:
    """How long the run has held its lane."""
    return _age(run.boot_id, run.claimed_boot, run.claimed_at, now)


def quiet_ms(run: Run, now: Now) -> int:
    """How long ago the run last showed progress, as far as its owner's heartbeats told."""
    return _age(run.boot_id, run.progress_boot, run.progress_at, now)


def left_ms(run: Run, now: Now) -> int | None:
    """How long the run may go on; negative once it is overdue, None without a run_timeout."""
    limit = run.terms.run_timeout_ms
    return None if limit is None else limit - held_ms(run, now)


def busy_left_ms(run: Run, now: Now) -> int | None:
    """How long the run has said that it is still busy; None if it did not, or that has passed."""
    if run.busy_until_boot is None or run.boot_id != now.boot_id:
        return None
    left = run.busy_until_boot - now.boot
    return left if left > 0 else None


def asked_ms(run: Run, now: Now) -> int | None:
    """How long ago the run's abort was requested; None if it was not."""
    if run.abort_at is None:
        return None
    return _age(run.abort_boot_id, run.abort_boot or 0, run.abort_at, now)


def beat_ms(owner: Owner, now: Now) -> int:
    """How long ago the owner's last heartbeat was."""
    return _age(owner.boot_id, owner.heartbeat_boot, owner.heartbeat_at, now)


def lives(owner: Owner, now: Now, me: Identity) -> bool:
    """Whether the owner lives as far as this process can tell: not ended, not provably gone, not silent."""
    if owner.ended_at is not None or is_gone(owner, me):
        return False
    return beat_ms(owner, now) < owner.stale_after_ms


def _age(boot_id: str | None, boot: int, wall: int, now: Now) -> int:
    return max(0, now.boot - boot if boot_id == now.boot_id else now.wall - wall)
