"""The body of an alert: a JSON object with all facts, or a Slack message."""

import json
from typing import Any

from lanes.base.terminal import clean
from lanes.text.spans import span
from lanes.text.timestamps import moment
from lanes_storage.records import DueIncident

_ONE = {
    "held": "lane {} has been held for long",
    "silent": "the run of lane {} is silent",
    "waiting": "a message of lane {} has waited for long",
    "dead_letter": "a message of lane {} failed",
    "provider_down": "provider {} is down",
    "gateway_down": "gateway {} is down",
}
_SEVERAL = {
    "held": "{} more lanes have been held for long",
    "silent": "the runs of {} more lanes are silent",
    "waiting": "messages of {} more lanes have waited for long",
    "dead_letter": "messages of {} more lanes failed",
    "provider_down": "{} more providers are down",
    "gateway_down": "{} more gateways are down",
}


def body(incident: DueIncident, form: str) -> bytes:
    """The body to send, as ASCII JSON. Names are escaped, so that they are safe on a terminal."""
    payload = _payload(incident)
    if form == "slack":
        text = payload["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        payload = {"text": text, "mrkdwn": False}
    return json.dumps(payload).encode("ascii")


def _payload(incident: DueIncident) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(incident.facts)
    ends = incident.begin_sent_at is not None
    return {
        "alert": incident.alert,
        "incident": str(incident.id),
        "kind": incident.kind,
        "state": "ended" if ends else "began",
        "subject": clean(incident.subject) or None,
        "facts": {name: moment(value) if name == "since" else value for name, value in facts.items()},
        "began_at": moment(incident.began_at),
        "ended_at": None if incident.ended_at is None or not ends else moment(incident.ended_at),
        "text": _sentence(incident, facts, ends=ends),
    }


def _sentence(incident: DueIncident, facts: dict[str, Any], *, ends: bool) -> str:
    sentences = _SEVERAL if not incident.subject else _ONE
    name = facts.get("count", "") if not incident.subject else clean(incident.subject)
    text = sentences.get(incident.kind, incident.kind + " {}").format(name)
    cause = f" ({facts['cause']})" if facts.get("cause") else ""
    if ends and incident.ended_at is not None:
        return f"lanes: resolved after {span(incident.ended_at - incident.began_at)}: {text}{cause}"
    since = facts.get("since")
    return f"lanes: {text}{cause}" + (f", since {moment(since)}" if isinstance(since, int) else "")
