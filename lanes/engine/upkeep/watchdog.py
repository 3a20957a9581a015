"""The watchdog: ends the runs of this process that are past a limit, even if the event loop is blocked.

At the deadline the run is asked to stop; if it has not stopped within its grace, its lane is released by force. This
module contains only pure functions; the loop is in ``lanes.engine.upkeep.thread``.
"""

from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.stops import Stop, StopKind
from lanes.text.spans import span
from lanes_storage.clock import Now
from lanes_storage.law import Cause

#: The text after this in a message is the run's last sign of progress, which an agent or its tools may have worded.
LAST_SIGN = "the last sign was"


def judge(run: ActiveRun, now: Now, judged_from_mono: int) -> Stop | None:
    """The stop for a run of this process that is past a limit; None: it is fine, or was told to stop before. Time is
    that of the monotonic clock, which does not count the sleep of the machine.

    ``judged_from_mono``, here and below: since when the watchdog has been observing without a gap. Time before that
    counts neither as a stall nor as grace: the watchdog was suspended or late, or the database, for which a run may
    wait, failed. A run whose body has ended is fine: its release is stored as soon as the database accepts it.
    """
    if run.body_ended_at is not None or run.stop is not None:
        return None
    began = run.began_mono(now)
    if over(run.terms.run_timeout_ms, began, now):
        return _expire(run, Cause.RUN_TIMEOUT, run.terms.run_timeout_ms, now.mono - began, now)
    if run.waiting:
        return None
    sign = run.sign()
    since = max(sign.at_mono, judged_from_mono, sign.busy_until_mono or sign.at_mono)
    if over(run.terms.stall_timeout_ms, since, now):
        return _expire(run, Cause.STALL_TIMEOUT, run.terms.stall_timeout_ms, now.mono - sign.at_mono, now)
    return None


def over(limit_ms: int | None, since_mono: int, now: Now) -> bool:
    """Whether a limit has passed, by the monotonic clock."""
    return limit_ms is not None and now.mono - since_mono >= limit_ms


def is_stubborn(run: ActiveRun, now: Now, judged_from_mono: int) -> bool:
    """Whether a run was told to stop, and has not done so within its grace."""
    stop = run.stop
    if stop is None or run.body_ended_at is not None:
        return False
    return over(stop.grace_ms, max(stop.since_mono, judged_from_mono), now)


def look_again_at(run: ActiveRun, now: Now, judged_from_mono: int) -> int | None:
    """The time before which ``judge`` cannot stop a run that is healthy now; None: no limit ever ends it.

    Progress only moves that time later. If the run withdraws its announcement to be busy, or a wait ends, it has its
    whole ``stall_timeout`` from then on.
    """
    if run.body_ended_at is not None or run.stop is not None:
        return None
    ends = []
    if run.terms.run_timeout_ms is not None:
        ends.append(run.began_mono(now) + run.terms.run_timeout_ms)
    if run.terms.stall_timeout_ms is not None:
        sign = run.sign()
        excused = run.waiting or (sign.busy_until_mono or 0) > now.mono
        since = now.mono if excused else max(sign.at_mono, judged_from_mono)
        ends.append(since + run.terms.stall_timeout_ms)
    if run.question_over_mono is not None:
        ends.append(run.question_over_mono)
    return min(ends, default=None)


def _expire(run: ActiveRun, cause: Cause, budget_ms: int | None, elapsed_ms: int, now: Now) -> Stop:
    text = {
        Cause.RUN_TIMEOUT: f"ran for {span(elapsed_ms)}, its run_timeout is {span(budget_ms or 0)}",
        Cause.STALL_TIMEOUT: f"no progress for {span(elapsed_ms)}, its stall_timeout is {span(budget_ms or 0)};"
        f" {LAST_SIGN} {run.sign().progress!r}",
    }[cause]
    grace_ms = run.terms.abort_grace_ms
    return Stop(StopKind.EXPIRE, cause, text, grace_ms, now.mono, budget_ms, elapsed_ms)
