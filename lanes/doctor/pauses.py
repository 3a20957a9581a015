"""Pauses that hold every lane, or every lane whose key fits a glob: a cause of silence that is easily forgotten."""

from lanes.doctor.checks import Check, ok, warning
from lanes.explain.phrases import clock_time
from lanes.text.naming import all_lanes, resume_command
from lanes.text.spans import span
from lanes_storage import reads
from lanes_storage.clock import Clock, Now
from lanes_storage.interface import Reader
from lanes_storage.records import PauseRow


def check_pauses(reader: Reader, clock: Clock) -> list[Check]:
    """What is paused as a whole."""
    now = clock()
    found = [_paused(pause, now) for pause in reader.read(reads.glob_pauses(now.wall))]
    return found or [ok("pauses", "neither all lanes nor those of a glob are paused as a whole")]


def _paused(pause: PauseRow, now: Now) -> Check:
    glob = pause.pattern or ""
    until = "without an end" if pause.until is None else f"until {clock_time(pause.until)}"
    said = f"{all_lanes(glob)} have been paused by {pause.actor!a} for {span(now.wall - pause.at)}, {until}"
    return warning("pauses", said, f"nothing of theirs is claimed; `{resume_command(glob)}` ends that")
