"""The thread that looks for incidents, and the threads that send alerts about them.

Every gateway with alerts looks. Only the gateway that claims an incident in the database sends it; the claim expires by
itself. Each send has a separate thread, so that one that hangs delays nothing.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lanes.alerts.seeing import sightings
from lanes.alerts.sending import NotSent, send
from lanes.alerts.wording import body
from lanes.config.declared.model import AlertConfig
from lanes.engine.background.loop import Duty, Loop
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore, Reader
from lanes_storage.logs import Log
from lanes_storage.records import DueIncident

log = Log("lanes.alerts")

LOOK_S = 2.0
#: The pause after a look is this many times as long as the look (with very many lanes or dead letters, one takes tenths
#: of a second), at least ``LOOK_S`` and at most ``LONGEST_LOOK_S``.
LOOK_PART = 50
LONGEST_LOOK_S = 15.0
#: An incident ends once it was not seen for this long, so that a condition that comes and goes is one incident.
CALM_MS = 30_000
#: How many alerts are sent at the same time.
AT_ONCE = 4
#: The pause before a failed send is repeated: after the first failure, and, doubled each time, at most.
AGAIN_FIRST_MS = 10_000
AGAIN_LONGEST_MS = 3_600_000
#: How much longer a claim lasts than the time limit of its alert.
LEASE_MS = 30_000
#: How long ended incidents are kept.
KEPT_MS = 14 * 86_400_000
#: How long a stop waits for sends in progress.
STOP_S = 2.0


class AlertWatch(Loop):
    """The alerts of one gateway; ``owner`` returns its id."""

    def __init__(
        self,
        store: AsyncStore,
        clock: Clock,
        alerts: Sequence[AlertConfig],
        owner: Callable[[], int],
        *,
        sender: Callable[[AlertConfig, bytes], None] = send,
    ) -> None:
        super().__init__("alerts", store, clock)
        self._alerts = {alert.name: alert for alert in alerts}
        self._owner = owner
        self._sender = sender
        self._sending: set[threading.Thread] = set()
        self._took_ms = 0  # duration of the last look

    def stop(self) -> None:
        """Stop, and wait a moment for sends in progress; another gateway repeats those that do not finish."""
        super().stop()
        for thread in list(self._sending):
            thread.join(STOP_S / AT_ONCE)

    def _duties(self, reader: Reader) -> list[Duty]:
        return [lambda now: self._look(reader, now), lambda now: self._deliver(reader, now)]

    def _pause_s(self) -> float:
        return min(max(LOOK_S, self._took_ms * LOOK_PART / 1000), LONGEST_LOOK_S)

    def _look(self, reader: Reader, now: Now) -> None:
        seen = sightings(reader.read, [*self._alerts.values()], now)
        self._took_ms = self._clock().mono - now.mono
        if bool(seen) or reader.read(reads.any_open_incident()):
            self._write(lambda tx: doors.see_incidents(tx, seen, [*self._alerts], now, calm_ms=CALM_MS))
        if reader.read(reads.any_old_incident(now.wall - KEPT_MS)):
            self._write(lambda tx: doors.prune_incidents(tx, now.wall - KEPT_MS))

    def _deliver(self, reader: Reader, now: Now) -> None:
        self._sending = {thread for thread in self._sending if thread.is_alive()}
        for incident in reader.read(reads.due_incidents(now.wall, [*self._alerts])):
            if len(self._sending) >= AT_ONCE:
                break
            alert = self._alerts[incident.alert]
            until, owner = now.wall + alert.timeout_ms + LEASE_MS, self._owner()
            if self._write(partial(doors.claim_incident, incident=incident.id, owner=owner, until=until, now=now)):
                name = f"lanes-alert-{incident.id}"
                thread = threading.Thread(target=self._send, args=(alert, incident, owner), name=name, daemon=True)
                self._sending.add(thread)
                thread.start()

    def _send(self, alert: AlertConfig, incident: DueIncident, owner: int) -> None:
        """Send one alert and store the result. Runs in a separate thread."""
        try:
            self._sender(alert, body(incident, alert.form))
        except NotSent as error:
            wait = min(AGAIN_FIRST_MS << min(incident.tries, 16), AGAIN_LONGEST_MS)
            log.warning("alert %a was not sent (%s): again in %d s", alert.name, error, wait // 1000)
            next_at = self._clock().wall + wait
            with suppress(StorageError, TimeoutError):  # the claim expires by itself
                self._write(lambda tx: doors.incident_not_sent(tx, incident.id, owner, next_at))
            return
        with suppress(StorageError, TimeoutError):
            self._write(lambda tx: doors.incident_sent(tx, incident.id, owner, self._clock()))
