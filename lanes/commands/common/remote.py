"""The desk of a gateway elsewhere: what ``LocalDesk`` does on a file, over HTTP, with the same records and errors."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from click import UsageError

from lanes import filters
from lanes.commands.common.client import GatewayClient
from lanes.config.durations import show
from lanes.drivers.remote import LONG_S, RemoteDriver
from lanes.operations.messages import EVERY
from lanes.records import (
    Check,
    Cut,
    Event,
    Finding,
    Lane,
    LaneDetail,
    LanePage,
    Message,
    OwnerDetail,
    Pruned,
    Status,
    ids_from_json,
)
from lanes_storage.law import Scope
from lanes_storage.records import LaneFilter

#: Lanes, messages or events of one answer.
PAGE = 1_000
#: The longest that one answer may be waited for; shorter than the patience of the client.
WAIT_S = 2.0
#: Between two questions whether something changed.
LOOK_EVERY_S = 0.5


class RemoteDesk(RemoteDriver):
    """What commands can do at a gateway. Raises LanesError as operations do, GatewayUnreachable, ConfigError."""

    def __init__(self, client: GatewayClient) -> None:
        super().__init__(client)
        self._newest: int | None = None
        self._run: dict[str, str] = {}  # the run that waits while this process does

    # ---------------------------------------------------------------------------------- looking

    def status(self) -> Status:
        """The database at a glance."""
        return Status.from_json(self._client.get("/api/status"))

    def a_gateway_lives(self) -> bool:
        """Whether something runs what waits there."""
        return any(gateway.alive for gateway in self.status().gateways)

    def changed(self, seconds: float) -> bool:
        """Wait until something was recorded since the last call, by whomever, at most so long; whether it was."""
        until = time.monotonic() + seconds
        while True:
            newest = self._last_event()
            left = until - time.monotonic()
            if newest != self._newest or left <= 0:
                break
            time.sleep(min(LOOK_EVERY_S, left))
        before, self._newest = self._newest, newest
        return newest != before

    def _last_event(self) -> int:
        found = self._events({"limit": 1})
        return found[-1].id if found else 0

    def _events(self, query: dict[str, Any]) -> list[Event]:
        return Event.all_from_json(self._client.get("/api/events", query))

    def lanes(self, chosen: LaneFilter, *, limit: int | None = None) -> list[Lane]:
        """The chosen lanes, sorted by harm."""
        return self._lanes(chosen, None, limit)

    def abortable(self, chosen: LaneFilter, scope: Scope) -> list[Lane]:
        """The chosen lanes of which an abort with that scope would end something."""
        return self._lanes(chosen, scope, None)

    def _lanes(self, chosen: LaneFilter, abortable: Scope | None, limit: int | None) -> list[Lane]:
        query: dict[str, Any] = {"filter": filters.written(chosen), "abortable": abortable}
        found: dict[str, Lane] = {}  # a lane that moves while pages are read may be on two of them
        cursor: str | None = "0"
        while cursor is not None and (limit is None or len(found) < limit):
            most = PAGE if limit is None else min(PAGE, limit - len(found))
            page = LanePage.from_json(self._client.get("/api/lanes", query | {"limit": most, "cursor": cursor}))
            found |= {lane.key: lane for lane in page.lanes}
            cursor = page.next
        return list(found.values())[:limit]

    def lane(self, key: str) -> Lane:
        """One lane."""
        return self.show(key).lane

    def show(self, key: str) -> LaneDetail:
        """One lane with its run, messages and events."""
        return LaneDetail.from_json(self._client.get("/api/lane", {"key": key}))

    def why(self, key: str) -> str:
        """One plain paragraph."""
        return self.show(key).why

    def messages(
        self, key: str, *, states: Sequence[str] = (), limit: int | None = None, chosen: LaneFilter = EVERY
    ) -> list[Message]:
        """The messages of a lane, newest first."""
        query = {"key": key, "state": list(states), "filter": filters.written(chosen)}
        return self._paged("/api/lane/messages", query, limit)

    def dead_letters(self, *, limit: int | None = None, chosen: LaneFilter = EVERY) -> list[Message]:
        """The failed messages of every lane, newest first."""
        return self._paged("/api/dead-letters", {"filter": filters.written(chosen)}, limit)

    def retriable(self, chosen: LaneFilter) -> list[int]:
        """The dead letters that a filter chooses, the oldest first."""
        return self._message_ids("retry", chosen)

    def droppable(self, chosen: LaneFilter) -> list[int]:
        """The waiting messages that a filter chooses, the oldest first."""
        return self._message_ids("drop", chosen)

    def _message_ids(self, action: str, chosen: LaneFilter) -> list[int]:
        query = {"for": action, "filter": filters.written(chosen)}
        return ids_from_json(self._client.get("/api/message-ids", query, patience_s=LONG_S))

    def _paged(self, path: str, query: dict[str, Any], limit: int | None) -> list[Message]:
        """Messages, the newest first, in pages that each begin before the last of the one before."""
        found: list[Message] = []
        while limit is None or len(found) < limit:
            most = PAGE if limit is None else min(PAGE, limit - len(found))
            before = found[-1].id if found else None
            page = Message.all_from_json(self._client.get(path, query | {"limit": most, "before": before}))
            found += page
            if not page:  # a short one may only have been long enough
                break
        return found

    def would_cut(self, gateway: int | None) -> list[Cut]:
        """The runs that a drain of one gateway, or of all, would cut now."""
        return Cut.all_from_json(self._client.get("/api/drain", {"gateway": gateway}))

    def events(
        self,
        *,
        key: str | None,
        after: int = 0,
        since_ms: int | None,
        type_: str | None,
        limit: int | None,
        chosen: LaneFilter | None = None,
    ) -> list[Event]:
        """The newest ``limit`` events behind event ``after`` and of the last ``since_ms``, oldest first."""
        since = None if since_ms is None else show(since_ms)
        typed = None if chosen is None else filters.written(chosen)
        query: dict[str, Any] = {"key": key, "type": type_, "since": since, "filter": typed}
        if limit is not None and limit <= PAGE and not after:
            return self._events(query | {"limit": limit})
        found: list[Event] = []
        last = after
        while True:
            page = self._events(query | {"limit": PAGE, "after": last})
            found += page
            if limit is not None:
                found = found[-limit:]
            if len(page) < PAGE:
                return found
            last = page[-1].id

    def doctor(self) -> list[Check]:
        """What the gateway finds when it looks at its database."""
        return Check.all_from_json(self._client.get("/api/doctor", patience_s=LONG_S))

    # ------------------------------------------------------------------------------------ acting

    def send(
        self,
        key: str,
        text: str,
        *,
        if_idle: bool = False,
        idempotency_key: str | None = None,
        waiting_run: int | None = None,
    ) -> Message:
        """Accept a message. Who asks, and the policy of the lane, are the gateway's to say."""
        body = {"text": text, "if_idle": if_idle, "idempotency_key": idempotency_key}
        if waiting_run is None:
            return Message.from_json(self._client.post("/api/lane/messages", body, {"key": key}))
        self._run = {"X-Lanes-Run": str(waiting_run)}
        # It is refused at once where it would wait for itself; ``wait`` goes on waiting.
        return Message.from_json(self._client.post("/api/lane/messages", body, {"key": key, "wait": "0"}, self._run))

    def wait(self, message_id: int, *, timeout_ms: int) -> Message:
        """The message once it has ended, or as it stands when the time is over."""
        until = time.monotonic() + timeout_ms / 1000
        while True:
            left = max(0.0, until - time.monotonic())
            query = {"wait": f"{min(left, WAIT_S):.3f}"}
            message = Message.from_json(self._client.get(f"/api/messages/{message_id}", query, self._run))
            if message.ended_at is not None or left <= WAIT_S:
                return message

    def end_wait(self, run: int, message_id: int) -> None:
        """Nothing is left to end: a run waits no longer than each request of ``wait`` does."""

    def retry(self, message_id: int) -> Message:
        """Accept a dead letter once more."""
        return Message.from_json(self._client.post(f"/api/messages/{message_id}/retry", {}))

    def drop(self, message_id: int, *, actor: str) -> Message:
        """End a waiting message."""
        del actor
        return Message.from_json(self._client.post(f"/api/messages/{message_id}/drop", {}))

    def prune_dead_letters(self, older_than_ms: int, *, actor: str) -> int:
        """Delete the dead letters of that age; how many went."""
        del actor
        body = {"older_than": show(older_than_ms)}
        return Pruned.from_json(self._client.post("/api/dead-letters/prune", body, patience_s=LONG_S)).pruned

    def drain(self, gateway: int | None, *, actor: str, for_ms: int) -> list[OwnerDetail]:
        """Let one gateway, or all, claim nothing more, and cut in ``for_ms`` what then still runs."""
        del actor
        body = {"gateway": None if gateway is None else str(gateway), "for": show(for_ms)}
        return OwnerDetail.all_from_json(self._client.post("/api/drain", body))

    def drained(self, gateways: Sequence[int], *, timeout_ms: int) -> list[OwnerDetail]:
        """These gateways once none of them holds a lane, or as they are when the time is over."""
        until = time.monotonic() + timeout_ms / 1000
        while True:
            found = OwnerDetail.all_from_json(self._client.get("/api/gateways", {"id": list(gateways)}))
            if not any(gateway.held for gateway in found) or time.monotonic() >= until:
                return found
            time.sleep(LOOK_EVERY_S)

    def reconcile(self, *, actor: str, dry_run: bool, wait: bool, talk: Callable[[str], None]) -> list[Finding]:
        """Every decision of one pass of the reconciler, carried out unless it is a rehearsal."""
        del actor, talk
        if wait:
            raise UsageError("a gateway watches silent owners all the time: leave --wait out with --url")
        return Finding.all_from_json(self._client.post("/api/reconcile", {"dry_run": dry_run}))

    def reconcile_on(self, interval_ms: int, *, actor: str, talk: Callable[[str], None]) -> Iterator[list[Finding]]:
        """Not for a gateway, whose own reconciler never stops."""
        del interval_ms, actor, talk
        raise UsageError("a gateway reconciles all the time: leave --watch out with --url")
