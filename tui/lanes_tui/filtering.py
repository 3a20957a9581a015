"""The filter: plain text that the key must contain, and ``state:`` words.

``feishu state:running,err`` chooses the running and the errored lanes whose key contains *feishu*.
"""

import re
from typing import NamedTuple

from lanes_storage.law import LaneState
from lanes_storage.records import LaneFilter

_STATE = re.compile(r"(?:^|(?<=\s))state:(\S*)")


class Parsed(NamedTuple):
    """What a typed filter means. ``problem`` says what in it means nothing; the rest holds all the same."""

    chosen: LaneFilter
    problem: str | None = None


def parse(typed: str) -> Parsed:
    """Read a filter. A state may be shortened to what tells it from the others."""
    named = [word for found in _STATE.findall(typed) for word in found.lower().split(",") if word]
    states = [state for word in named for state in LaneState if state.startswith(word)]
    unknown = next((word for word in named if not any(state.startswith(word) for state in LaneState)), None)
    contains = " ".join(_STATE.sub("", typed).split())
    problem = None if unknown is None else f"no state “{unknown}”: {', '.join(LaneState)}"
    return Parsed(LaneFilter(tuple(dict.fromkeys(states)), contains=contains or None), problem)
