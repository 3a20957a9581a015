"""Sentences about a pause: until when, by whom and why."""

from lanes.base.terminal import clean
from lanes.text.naming import all_lanes, on_lane, resume_command
from lanes.text.spans import ago, span
from lanes_storage.clock import Now
from lanes_storage.law import PauseKind
from lanes_storage.records import PauseRow


def pause_sentence(pause: PauseRow | None, key: str, now: Now) -> str | None:
    """The sentence that a lane is paused, until when, by whom and why; None if it is not."""
    if pause is None or (pause.until is not None and pause.until <= now.wall):
        return None
    subject, end = "It is", f"`{on_lane('resume', key)}`"
    if pause.pattern is not None:
        subject, end = (
            f"{all_lanes(pause.pattern)[0].upper()}{all_lanes(pause.pattern)[1:]} are",
            f"`{resume_command(pause.pattern)}`",
        )
    until = f"until {end}" if pause.until is None else f"for another {span(pause.until - now.wall)}"
    if pause.kind is PauseKind.BUDGET:  # if it is only resumed, it is paused again at once
        until += f", or until its budget is raised and {end}"
    if pause.kind is PauseKind.SURVIVORS:
        where = "on the same host and in the same container"
        until = (
            f"until a lanes process {where} has ended what its last run left behind; if that host or container is"
            f" gone, until {end}"
        )
    return f"{subject} paused {until} (by {clean(pause.actor)}, {ago(now.wall - pause.at)}: {clean(pause.reason)})."
