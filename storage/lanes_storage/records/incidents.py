"""Records of incidents, of which alerts tell."""

from typing import Any, NamedTuple


class SeenIncident(NamedTuple):
    """Something that an alert is about, as it is seen now. ``subject`` is empty for several together."""

    alert: str
    kind: str
    subject: str
    facts: dict[str, Any]


class DueIncident(NamedTuple):
    """An incident that is to be told: its beginning, or else its end."""

    id: int
    alert: str
    kind: str
    subject: str
    facts: str
    began_at: int
    ended_at: int | None
    begin_sent_at: int | None
    tries: int
