"""The JSON of each row, as every surface tells it: the form's name, the case, and the object."""

from typing import Any

from lanes import forms
from lanes.bundle import Redaction
from tests.golden import rows
from tests.golden.rows import ME, NOW

Told = dict[str, dict[str, Any]]


def told() -> Told:
    """Each form with its cases."""
    lanes = {name: forms.lane_form(lane, NOW, me=ME) for name, lane in rows.LANES.items()}
    messages = {name: forms.message_form(message) for name, message in rows.MESSAGES.items()}
    events = {name: forms.event_form(event) for name, event in rows.EVENTS.items()}
    return {
        "Lane": lanes,
        "LaneDetail": {name: forms.detail_form(detail, NOW, me=ME) for name, detail in rows.DETAILS.items()},
        "Run": {name: forms.run_form(run, rows.OWNERS["alive"], NOW) for name, run in rows.RUNS.items()},
        "Message": messages,
        "Event": events | {name: forms.event_form(event) for name, event in rows.LATER_EVENTS.items()},
        "AbortResult": {name: forms.abort_form(result) for name, result in rows.ABORTS.items()},
        "Cut": {name: forms.cut_form(cut, NOW) for name, cut in rows.CUTS.items()},
        "Finding": {
            name: forms.finding_form(finding, NOW, done=name == "ghost", me=ME)
            for name, finding in rows.FINDINGS.items()
        },
        "Status": {name: forms.status_form(status, NOW) for name, status in rows.STATUSES.items()},
        "Gateway": {name: forms.gateway_form(view, NOW) for name, view in rows.VIEWS.items()},
        "Check": {name: check._asdict() for name, check in rows.CHECKS.items()},
        "Redacted": _redacted(lanes | messages | events),
    }


def _redacted(given: dict[str, Any]) -> dict[str, Any]:
    """Some of what a bundle without texts shows, its names for keys made from a salt that does not change."""
    hide = Redaction()
    hide._salt = b"golden"
    shown = ("idle, key wide", "errored, own cause", "running, something said", "failed", "a change of state", "notice")
    return {name: hide(given[name]) for name in shown}
