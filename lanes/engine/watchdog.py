"""The watchdog: ends the runs of this process that are past a limit, also when the event loop is blocked.

At the deadline the run is told to stop; when it has not stopped within its grace, its lane is released by
force. Pure judgement here; the loop is in ``lanes.engine.upkeep``.
"""

from dataclasses import dataclass
from enum import StrEnum

from lanes.engine.live import ActiveRun, Stop, StopKind, deadline_over
from lanes.why import span
from lanes_storage.law import Cause
from lanes_storage.moment import Now


class Verdict(StrEnum):
    """What to do about a run."""

    FINE = "fine"
    STOP = "stop"
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict; for ``stop`` with the order to give."""

    verdict: Verdict
    stop: Stop | None = None


FINE = Judgement(Verdict.FINE)


def judge(run: ActiveRun, now: Now, judged_from_boot: int) -> Judgement:
    """Judge one run of this process.

    ``judged_from_boot``: since when the watchdog has been looking without a break. Time before that counts
    neither as a stall nor as grace: the watchdog itself was suspended or late.
    """
    if run.stop is not None:
        since = max(run.stop.since_boot, judged_from_boot)
        return Judgement(Verdict.FORCE) if now.boot - since >= run.stop.grace_ms else FINE
    if deadline_over(run.claimed_boot, run.terms.run_timeout_ms, now):
        elapsed = now.boot - run.claimed_boot
        return _expire(run, Cause.RUN_TIMEOUT, run.terms.run_timeout_ms, elapsed, now)
    if run.waiting:
        return FINE
    beat = run.beat()
    since = max(beat.progress_boot, judged_from_boot, beat.busy_until_boot or 0)
    if deadline_over(since, run.terms.stall_timeout_ms, now):
        return _expire(run, Cause.STALL_TIMEOUT, run.terms.stall_timeout_ms, now.boot - beat.progress_boot, now)
    return FINE


def _expire(run: ActiveRun, cause: Cause, budget_ms: int | None, elapsed_ms: int, now: Now) -> Judgement:
    said = {
        Cause.RUN_TIMEOUT: f"ran for {span(elapsed_ms)}, its run_timeout is {span(budget_ms or 0)}",
        Cause.STALL_TIMEOUT: f"no progress for {span(elapsed_ms)}, its stall_timeout is {span(budget_ms or 0)};"
        f" the last sign was {run.beat().progress!r}",
    }[cause]
    grace_ms = run.terms.abort_grace_ms
    return Judgement(Verdict.STOP, Stop(StopKind.EXPIRE, cause, said, grace_ms, now.boot, budget_ms, elapsed_ms))
