"""Records as people read them: ages, times, states and their looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lanes.commands.output.printing import Cell
from lanes.explain.phrases import failed, standing
from lanes.text.spans import span
from lanes_storage.clock import system_clock
from lanes_storage.law import SourceState, WatchedState

if TYPE_CHECKING:
    from lanes.records import Lane, NextLimit, OwnerDetail, WatchedLane

LOOKS = {
    "running": "busy", "idle": "good", "errored": "bad", "aborted": "warn",
    "aborting": "warn", "parked": "warn", "awaiting input": "warn", "ghost": "bad", "unseen": "warn",
    "paused": "warn",
    "queued": "", "done": "good", "failed": "bad", "dropped": "warn",
}  # fmt: skip


def state(name: str) -> Cell:
    """The state of a lane or of a message."""
    return Cell(name, LOOKS.get(name, ""))


def lane_state(lane: Lane) -> Cell:
    """The word that lists show for a lane, in its colour."""
    return state(standing(lane, system_clock().wall))


def stopped(owners: Iterable[OwnerDetail]) -> list[str]:
    """Each owner whose process is stopped, with the command that lets it go on."""
    return [f"owner {owner.id}: {owner.evidence}" for owner in owners if owner.is_stopped]


def took(ms: float | None) -> str:
    """A duration or age, ``3m 10s``; empty where there is none."""
    return "" if ms is None else span(ms)


def lasting(until: int | None) -> str:
    """`` for 8 s``: how long something goes on; empty where it has no end."""
    return "" if until is None else f" for {span(max(0, until - system_clock().wall))}"


def one_line(text: str | None, longest: int | None = 200) -> str:
    """The beginning of a text on one line, of at most ``longest`` characters; None: all of it."""
    if text is None:
        return ""
    if longest is None:
        return " ".join(text.split())
    first = " ".join(text[: 2 * longest].split())
    return first if len(first) <= longest else first[: longest - 1] + "…"


def note(lane: Lane) -> str:
    """The remarks about a lane in a list, the most urgent first."""
    remarks = []
    if lane.paused:
        remarks.append(f"paused{lasting(lane.paused.until)}: {lane.paused.reason}")
    if lane.seen is not None:
        remarks += _watched(lane, lane.seen)
    if lane.seen is not None and lane.run_id is None:
        return "; ".join(remarks)
    remarks += _held(lane) if lane.state == "running" else _released(lane)
    return "; ".join(remarks)


def _watched(lane: Lane, seen: WatchedLane) -> list[str]:
    """Remarks about a lane as it is seen in another program's gateway."""
    remarks = []
    if seen.gateway is not SourceState.CONNECTED:
        since = seen.gateway_since
        lasts = "" if since is None else f" for {took(max(0, system_clock().wall - since))}"
        remarks.append(f"its gateway is {seen.gateway}{lasts}{', read from its files' if seen.from_files else ''}")
    if seen.state is not WatchedState.RUNNING and seen.state is not WatchedState.IDLE:
        remarks.append(f"a {seen.state} there" if seen.state is WatchedState.GHOST else f"{seen.state} there")
    if lane.run_id is None and lane.progress_age_ms is not None:
        remarks.append(f"last sign of life {took(lane.progress_age_ms)} ago")
    if seen.outcome and not seen.runs:
        remarks.append(f"last run: {one_line(seen.outcome, 40)}")
    return remarks


def _held(lane: Lane) -> list[str]:
    remarks = []
    owner = lane.owner
    if owner is None:
        remarks.append("its owner has ended")
    elif not owner.alive:
        silent = took(lane.heartbeat_age_ms)
        remarks.append(f"no heartbeat for {silent}: owner {owner.id} (pid {owner.pid}) is dead or silent")
    if lane.question is not None:
        remarks.append(f"asks “{one_line(lane.question.text)}”, for another {took(lane.question.left_ms)}")
    remarks.append(f"{lane.progress} {took(lane.progress_age_ms)} ago")
    if lane.acts_next is not None and lane.acts_next.provider is not None:
        remarks.append(attempt_text(lane.acts_next))
    remarks += limits(lane)
    return remarks


def attempt_text(limit: NextLimit) -> str:
    """Which provider a run asks, and what acts next."""
    place = f"{limit.attempt} of {limit.attempts}"
    when = f"in {took(limit.left_ms)}" if limit.left_ms > 0 else "now"
    then = "then none is left" if limit.next_provider is None else f"then {limit.next_provider} is asked"
    return f"asks {limit.provider} ({place}): {limit.limit} {took(limit.limit_ms)} acts {when}, {then}"


def limits(lane: Lane) -> list[str]:
    """Remarks about the limits of a held lane: those that are off, and one that has passed."""
    off = [
        name
        for name, limit in (("run_timeout", lane.deadline_ms), ("stall_timeout", lane.stall_limit_ms))
        if limit is None
    ]
    if len(off) == 2:
        return ["no deadline (run_timeout and stall_timeout are off)"]
    remarks = [f"{name} is off" for name in off]
    if lane.deadline_ms is not None and lane.deadline_ms < 0:
        remarks.append(f"overdue by {took(-lane.deadline_ms)}")
    return remarks


def _released(lane: Lane) -> list[str]:
    remarks = []
    if lane.parked_until and lane.parked_until > system_clock().wall:
        remarks.append(f"parked{lasting(lane.parked_until)}")
    error = lane.last_error
    if error and lane.state != "idle":
        remarks.append(one_line(failed(error), 80))
    return remarks
