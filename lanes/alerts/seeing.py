"""Finds in the database what alerts report. Their facts contain no text of messages or replies."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from lanes.config.declared.model import AlertConfig
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.globs import as_pattern
from lanes_storage.interface import Reads
from lanes_storage.records import SeenIncident

#: How long a dead letter that nobody retries, and a gateway that died without a successor, is reported.
RECENT_MS = 3_600_000
#: A provider is down while it cools for at least this long, or after this many refusals in a row. A refused key and an
#: exhausted quota always count.
DOWN_MS = 60_000
DOWN_TRIES = 5
#: How many silent runs one look reads, as many as of the other kinds: the glob of an alert may match only the last.
MOST_SILENT = 1_000


class AlertKind(StrEnum):
    """What an alert can report."""

    HELD = "held"
    SILENT = "silent"
    WAITING = "waiting"
    DEAD_LETTER = "dead_letter"
    PROVIDER_DOWN = "provider_down"
    GATEWAY_DOWN = "gateway_down"


def sightings(read: Reads, alerts: Sequence[AlertConfig], now: Now) -> list[SeenIncident]:
    """Everything that these alerts have to report at ``now``."""
    return [
        SeenIncident(alert.name, kind, subject, facts)
        for alert in alerts
        for kind in AlertKind
        if kind in alert.on
        for subject, facts in _LOOKS[kind](read, alert, now)
    ]


Seen = Iterator[tuple[str, dict[str, Any]]]


def _held(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    for key, run, since in read(reads.long_held(now, alert.after_ms, alert.glob)):
        yield key, {"run_id": str(run), "since": since}


def _silent(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    for run in read(reads.silent_runs(now, MOST_SILENT))[0]:
        if alert.glob is None or as_pattern(alert.glob).match(run.key):
            yield run.key, {"run_id": str(run.id), "limit": run.limit, "since": now.wall - run.silent_ms}


def _waiting(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    for key, message, since in read(reads.long_waiting(now.wall - alert.after_ms, alert.glob)):
        yield key, {"message_id": str(message), "since": since}


def _dead_letter(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    for key, message, cause in read(reads.recent_dead_letters(now.wall - RECENT_MS, alert.glob)):
        yield key, {"message_id": str(message), "cause": cause}


def _provider_down(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    del alert
    for provider, cause, since in read(reads.providers_down(now.wall, longer_ms=DOWN_MS, tries=DOWN_TRIES)):
        yield provider, {"cause": cause, "since": since}


def _gateway_down(read: Reads, alert: AlertConfig, now: Now) -> Seen:
    del alert
    for host, pid, cause, since in read(reads.gateways_down(now, now.wall - RECENT_MS)):
        yield f"{host}:{pid}", {"cause": cause, "since": since}


_LOOKS = {
    AlertKind.HELD: _held,
    AlertKind.SILENT: _silent,
    AlertKind.WAITING: _waiting,
    AlertKind.DEAD_LETTER: _dead_letter,
    AlertKind.PROVIDER_DOWN: _provider_down,
    AlertKind.GATEWAY_DOWN: _gateway_down,
}
