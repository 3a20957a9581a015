"""Forms as people read them: ages, times, states and their looks."""

from typing import Any

from lanes.commands.common.output import Cell
from lanes.forms import Form
from lanes.why import span
from lanes.words import clock_time

LOOKS = {
    "running": "busy", "idle": "good", "errored": "bad", "aborted": "warn",
    "queued": "", "done": "good", "failed": "bad", "dropped": "warn",
}  # fmt: skip


def state(name: str) -> Cell:
    """The state of a lane or of a message."""
    return Cell(name, LOOKS.get(name, ""))


def took(seconds: float | None) -> str:
    """A duration or age, ``3m 10s``; empty where there is none."""
    return "" if seconds is None else span(seconds * 1000)


def one_line(text: str | None, longest: int = 200) -> str:
    """The beginning of a text, its line ends as spaces."""
    if text is None:
        return ""
    first = " ".join(text[: 2 * longest].split())
    return first if len(first) <= longest else first[: longest - 1] + "…"


def note(lane: Form) -> str:
    """What is to be said of a lane in a list, the most urgent first."""
    said = []
    if lane["paused"]:
        until = lane["paused"]["until"]
        said.append(f"paused{' until ' + clock_time(until) if until else ''}: {lane['paused']['reason']}")
    if lane["abort_requested"]:
        said.append("abort requested")
    said += _held(lane) if lane["state"] == "running" else _released(lane)
    return "; ".join(said)


def _held(lane: Form) -> list[str]:
    said = []
    owner = lane["owner"]
    if owner is None:
        said.append("its owner has ended")
    elif not owner["alive"]:
        said.append(f"owner {owner['id']} (pid {owner['pid']}) is dead or silent for {took(lane['heartbeat_age_s'])}")
    said.append(f"{lane['progress']} {took(lane['progress_age_s'])} ago")
    said += limits(lane)
    return said


def limits(lane: Form) -> list[str]:
    """What is to be said of the limits of a held lane: those that are off, and one that has passed."""
    off = [
        name
        for name, field in (("run_timeout", "deadline_s"), ("stall_timeout", "stall_limit_s"))
        if lane[field] is None
    ]
    if len(off) == 2:
        return ["no deadline (run_timeout and stall_timeout are off)"]
    said = [f"{name} is off" for name in off]
    if lane["deadline_s"] is not None and lane["deadline_s"] < 0:
        said.append(f"overdue by {took(-lane['deadline_s'])}")
    return said


def _released(lane: Form) -> list[str]:
    said = []
    if lane["parked_until"]:
        said.append(f"parked until {clock_time(lane['parked_until'])}")
    error: dict[str, Any] | None = lane["last_error"]
    if error and lane["state"] != "idle":
        said.append(f"{error['cause']}: {one_line(error['message'], 80)}")
    return said
