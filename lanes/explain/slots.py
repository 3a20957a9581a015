"""Sentences about the runs that have the slots of a runner."""

from collections.abc import Iterable

from lanes.base.terminal import clean
from lanes.text import ages
from lanes.text.naming import abort_command
from lanes.text.spans import span
from lanes_storage.clock import Now
from lanes_storage.records import RunRow

#: How many of the lanes that hold the slots of a runner are named.
NAMED_HOLDERS = 3


def slot_sentences(running: Iterable[RunRow], now: Now) -> list[str]:
    """Which lanes hold the slots, the longest silent first, and what frees the first slot."""
    found = sorted(running, key=lambda run: ages.quiet_ms(run, now), reverse=True)
    if not found:
        return []
    named = [
        f"{clean(run.key)} (runner {clean(run.runner)}, silent for {span(ages.quiet_ms(run, now))})"
        for run in found[:NAMED_HOLDERS]
    ]
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    prefix = f"Slots are held by {len(found)} {'lane' if len(found) == 1 else 'lanes'}, longest silent first:"
    ends = [end for run in found if (end := ages.end(run, now)) is not None]
    if not ends:
        freed = "No limit frees one of them"
    else:
        name, left = min(ends, key=lambda each: each[1])
        freed = f"A limit frees the first of them within {span(max(0, left))} ({clean(name)})"
    return [f"{prefix} {', '.join(named)}{more}.", f"{freed}; `{abort_command(found[0])}` frees one now."]
