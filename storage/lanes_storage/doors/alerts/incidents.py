"""Incidents: they begin when something is seen, and end once it has not been seen for a while. Each is told once."""

import json
from collections.abc import Iterable, Sequence

from lanes_storage.clock import Now
from lanes_storage.interface import Transaction
from lanes_storage.records import SeenIncident
from lanes_storage.statements import guarding as sql

#: Incidents of one alert and kind that are told one by one. More are told together.
MANY = 20


def see(tx: Transaction, sightings: Sequence[SeenIncident], alerts: Sequence[str], now: Now, *, calm_ms: int) -> None:
    """Begin incidents that are new, and end those of these alerts that were not seen for ``calm_ms``."""
    open_ = {(alert, kind, subject): id_ for id_, alert, kind, subject, _ in tx.rows(sql.OPEN_INCIDENTS, {})}
    seen = {sighting[:3]: sighting for sighting in _together(sightings, open_)}
    for which, sighting in seen.items():
        if which in open_:
            tx.run(sql.SEE_INCIDENT, {"id": open_[which], "now": now.wall})
        else:
            values = sighting._asdict() | {"facts": json.dumps(sighting.facts), "now": now.wall}
            tx.run(sql.BEGIN_INCIDENT, values)
    for which, id_ in open_.items():
        if which not in seen and which[0] in alerts:
            tx.run(sql.END_INCIDENT, {"id": id_, "now": now.wall, "unseen_since": now.wall - calm_ms})


def _together(sightings: Sequence[SeenIncident], open_: Iterable[tuple[str, str, str]]) -> list[SeenIncident]:
    """The sightings; of each alert and kind a few one by one, first those that were told, and the others as one."""
    known, grouped = set(open_), dict[tuple[str, str], list[SeenIncident]]()
    for sighting in sorted(sightings, key=lambda each: each[:3] not in known):
        grouped.setdefault(sighting[:2], []).append(sighting)
    told: list[SeenIncident] = []
    for (alert, kind), group in grouped.items():
        told += group[:MANY]
        if len(group) > MANY:
            told.append(SeenIncident(alert, kind, "", {"count": len(group) - MANY}))
    return told


def claim_incident(tx: Transaction, incident: int, owner: int, until: int, now: Now) -> bool:
    """Let this owner send it, until that wall time at most. False: another one does, or it was sent."""
    values = {"id": incident, "owner": owner, "until": until, "now": now.wall}
    return tx.run(sql.CLAIM_INCIDENT, values) == 1


def incident_sent(tx: Transaction, incident: int, owner: int, now: Now) -> None:
    tx.run(sql.INCIDENT_SENT, {"id": incident, "owner": owner, "now": now.wall})


def incident_not_sent(tx: Transaction, incident: int, owner: int, next_at: int) -> None:
    """It could not be told; it is tried again at that wall time."""
    tx.run(sql.INCIDENT_NOT_SENT, {"id": incident, "owner": owner, "next_at": next_at})


def prune_incidents(tx: Transaction, before: int) -> int:
    """Forget incidents that were last seen before that wall time; returns how many."""
    return tx.run(sql.PRUNE_INCIDENTS, {"before": before})
