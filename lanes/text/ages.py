"""Ages, and the limit that acts next, for display. Judges use sightings instead.

For a run or an owner of the same boot, ages use the boot clock, which nobody can set, minus the time that the machine
slept; for others the wall clock. All results are whole milliseconds, and an age is never negative.
"""

from lanes_storage.clock import Now
from lanes_storage.law import Cause
from lanes_storage.records import AttemptPhase, OwnerRow, RunRow
from lanes_storage.tuples import NamedTuple


class Limit(NamedTuple):
    """A limit that ends a run, or its attempt at a provider, and the time left; negative: it has passed."""

    name: str
    of_ms: int
    left_ms: int
    attempt: AttemptPhase | None = None
    exhausted_ms: int | None = None  # until the whole chain has failed, if no provider answers


def limits(run: RunRow, now: Now) -> list[Limit]:
    """The limits that end a silent run, the one that acts next first: none once its work has ended or its abort was
    requested."""
    if run.body_ended_at is not None or run.abort_at is not None:
        return []
    terms, found = run.terms, []
    left = left_ms(run, now)
    if terms.run_timeout_ms is not None and left is not None:
        found.append(Limit(Cause.RUN_TIMEOUT, terms.run_timeout_ms, left + question_left_ms(run, now)))
    stalls = stall_left_ms(run, now)
    if terms.stall_timeout_ms is not None and stalls is not None and not run.waiting:
        found.append(Limit(Cause.STALL_TIMEOUT, terms.stall_timeout_ms, stalls))
    if run.attempt is not None:
        found.append(_of_attempt(run, run.attempt, left, now))
    return sorted(found, key=lambda limit: limit.left_ms)


def end(run: RunRow, now: Now) -> tuple[str, int] | None:
    """The limit that ends the run if it stays silent, and when (milliseconds); None if only an abort ends it."""
    first = next(iter(limits(run, now)), None)
    return first and (first.name, first.left_ms if first.exhausted_ms is None else first.exhausted_ms)


def _of_attempt(run: RunRow, attempt: AttemptPhase, run_left_ms: int | None, now: Now) -> Limit:
    """A piece of content moves the deadline of the attempt, and so does the start of a phase."""
    begun = _age(run.boot_id, attempt.boot, attempt.slept, attempt.at, now)
    left = attempt.limit_ms - min(begun, quiet_ms(run, now))
    rest = left + attempt.rest_ms
    return Limit(
        attempt.limit, attempt.limit_ms, left, attempt, rest if run_left_ms is None else min(rest, run_left_ms)
    )


def held_ms(run: RunRow, now: Now) -> int:
    """How long the run has held its lane."""
    return _age(run.boot_id, run.claimed_boot, run.claimed_slept_ms, run.claimed_at, now)


def quiet_ms(run: RunRow, now: Now) -> int:
    """How long ago the run last showed progress, as of its owner's last heartbeat."""
    return _age(run.boot_id, run.progress_boot, run.progress_slept_ms, run.progress_at, now)


def input_ms(run: RunRow, now: Now) -> int:
    """How long the run has waited for answers to its questions, which counts against no limit.

    An open question counts for at most its limit; for all of it if the run's boot clock cannot be read from here.
    """
    question = run.question
    if question is None:
        return run.input_ms
    return run.input_ms + (question.waited_ms(now) if run.boot_id == now.boot_id else question.limit_ms)


def question_left_ms(run: RunRow, now: Now) -> int:
    """How much longer the run may wait for the answer to its open question; 0 without one."""
    question = run.question
    return (
        0
        if question is None
        else max(0, question.limit_ms - _age(run.boot_id, question.boot, question.slept, question.at, now))
    )


def left_ms(run: RunRow, now: Now) -> int | None:
    """How long the run may continue; negative once it is overdue, None without a run_timeout."""
    limit = run.terms.run_timeout_ms
    return None if limit is None else limit + input_ms(run, now) - held_ms(run, now)


def busy_ms(run: RunRow) -> int:
    """How long after its last progress the run has declared itself busy, whatever boot it runs in; never negative."""
    return 0 if run.busy_until_boot is None else max(0, run.busy_until_boot - run.progress_boot)


def busy_left_ms(run: RunRow, now: Now) -> int | None:
    """How much longer the run has declared itself busy; None if it has not, or the time has passed."""
    if run.boot_id != now.boot_id:
        return None
    left = busy_ms(run) - quiet_ms(run, now)
    return left if left > 0 else None


def stall_left_ms(run: RunRow, now: Now) -> int | None:
    """How long the run may still be silent; negative once it is overdue, None without a stall_timeout."""
    limit = run.terms.stall_timeout_ms
    return None if limit is None else limit + busy_ms(run) - quiet_ms(run, now)


def abort_requested_ms(run: RunRow, now: Now) -> int | None:
    """How long ago the run's abort was requested; None if it was not."""
    if run.abort_at is None:
        return None
    return _age(run.abort_boot_id, run.abort_boot or 0, run.abort_slept_ms, run.abort_at, now)


def beat_ms(owner: OwnerRow, now: Now) -> int:
    """How long ago the owner's last heartbeat was."""
    return _age(owner.boot_id, owner.heartbeat_boot, owner.slept_ms, owner.heartbeat_at, now)


def _age(boot_id: str | None, boot: int, slept: int | None, wall: int, now: Now) -> int:
    return max(0, now.awake_since(boot, slept) if boot_id == now.boot_id else now.wall - wall)
