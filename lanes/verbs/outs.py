"""The forms that verbs give, each made of what the effects give: the one place where rows become forms."""

from typing import NamedTuple

from lanes import forms
from lanes.verbs.verb import Out
from lanes_storage.moment import Now
from lanes_storage.records import Lane


class Acted(NamedTuple):
    """A lane after an action, and whether that changed it."""

    lane: Lane
    done: bool


def _acted(acted: Acted, now: Now) -> forms.Form:
    return forms.lane_form(acted.lane, now) | {"done": acted.done}


ABORTED = Out("AbortResult", False, lambda result, _: forms.abort_form(result))
ACTED = Out("Acted", False, _acted)
