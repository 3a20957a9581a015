"""The desk of a database file. Commands talk to this one object and get JSON forms, so that a desk of a gateway
elsewhere can take its place."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lanes import forms, operations
from lanes.drivers.local import LocalDriver
from lanes.forms import Form
from lanes.operations.messages import EVERY
from lanes_storage.law import MessageState, Scope
from lanes_storage.records import LaneFilter, Owner


class LocalDesk(LocalDriver):
    """What commands can do with a database. Methods raise LanesError and StorageError as operations do."""

    # ---------------------------------------------------------------------------------- looking

    def status(self) -> Form:
        """The database at a glance."""
        return forms.status_form(self.perform(operations.status(self.store.name)), self.ctx.clock())

    def a_gateway_lives(self) -> bool:
        """Whether something runs what waits here."""
        return any(view.alive for view in self.perform(operations.status(self.store.name)).gateways)

    def lanes(self, chosen: LaneFilter, *, limit: int | None = None) -> list[Form]:
        """The chosen lanes, sorted by harm."""
        return forms.lane_forms(self.perform(operations.lanes(chosen, limit=limit)), self.ctx.clock())

    def lane(self, key: str) -> Form:
        """One lane."""
        return forms.lane_form(self.perform(operations.lane(key)), self.ctx.clock())

    def abortable(self, chosen: LaneFilter, scope: Scope) -> list[Form]:
        """The chosen lanes of which an abort with that scope would end something."""
        return forms.lane_forms(self.perform(operations.abortable(chosen, scope)), self.ctx.clock())

    def show(self, key: str) -> Form:
        """One lane with its run, messages and events."""
        return forms.detail_form(self.perform(operations.detail(key)), self.ctx.clock())

    def why(self, key: str) -> str:
        """One plain paragraph."""
        return self.perform(operations.why(key))

    def messages(
        self, key: str, *, states: Sequence[str] = (), limit: int | None = None, chosen: LaneFilter = EVERY
    ) -> list[Form]:
        """The messages of a lane, newest first."""
        known = [MessageState(state) for state in states]
        found = self.perform(operations.messages(key, states=known, limit=limit, chosen=chosen))
        return [forms.message_form(m) for m in found]

    def dead_letters(self, *, limit: int | None = None, chosen: LaneFilter = EVERY) -> list[Form]:
        """The failed messages of every lane, newest first."""
        return [forms.message_form(m) for m in self.perform(operations.dead_letters(limit=limit, chosen=chosen))]

    def retriable(self, chosen: LaneFilter) -> list[int]:
        """The dead letters that a filter chooses, the oldest first."""
        return self.perform(operations.retriable(chosen))

    def droppable(self, chosen: LaneFilter) -> list[int]:
        """The waiting messages that a filter chooses, the oldest first."""
        return self.perform(operations.droppable(chosen))

    def would_cut(self, gateway: str | None) -> list[Form]:
        """The runs that a drain of one gateway, or of all, would cut now."""
        owner_id = None if gateway is None else int(gateway)
        return [forms.cut_form(cut, self.ctx.clock()) for cut in self.perform(operations.drain_rehearsal(owner_id))]

    def events(
        self,
        *,
        key: str | None,
        after: str | None = None,
        since_ms: int | None,
        type_: str | None,
        limit: int | None,
        chosen: LaneFilter | None = None,
    ) -> Iterator[Form]:
        """The newest ``limit`` events behind event ``after`` and of the last ``since_ms``, oldest first."""
        since = None if since_ms is None else self.ctx.clock().wall - since_ms
        behind = 0 if after is None else int(after)
        procedure = operations.events(
            key=key, after=behind, since=since, type=type_, limit=limit, newest=limit is not None, chosen=chosen
        )
        return map(forms.event_form, self.perform(procedure))

    # ------------------------------------------------------------------------------------ acting

    def send(self, key: str, text: str, **how: Any) -> Form:
        """Accept a message; ``how`` as ``operations.send`` takes it."""
        return forms.message_form(self.perform(operations.send(self.ctx, key, text, **how)))

    def wait(self, message_id: str, *, timeout_ms: int) -> Form:
        """The message once it has ended, or as it stands when the time is over."""
        return forms.message_form(self.perform(operations.wait(int(message_id), timeout=timeout_ms / 1000)))

    def end_wait(self, run: int, message_id: str) -> None:
        """The run, for which this process waited, waits for the message no longer."""
        self.perform(operations.end_wait(run, int(message_id)))

    def retry(self, message_id: int) -> Form:
        """Accept a dead letter once more."""
        return forms.message_form(self.perform(operations.retry(self.ctx, message_id)))

    def drop(self, message_id: int, *, actor: str) -> Form:
        """End a waiting message."""
        return forms.message_form(self.perform(operations.drop(message_id, actor=actor)))

    def prune_dead_letters(self, older_than_ms: int, *, actor: str) -> int:
        """Delete the dead letters of that age; how many went."""
        return self.perform(operations.prune_dead_letters(older_than_ms, actor=actor))

    def drain(self, gateway: str | None, *, actor: str, for_ms: int) -> list[Form]:
        """Let one gateway, or all, claim nothing more, and cut in ``for_ms`` what then still runs."""
        owner_id = None if gateway is None else int(gateway)
        until = self.ctx.clock().wall + for_ms
        return self._gateways(self.perform(operations.drain(owner_id, by=actor, until=until)))

    def drained(self, gateways: Sequence[str], *, timeout_ms: int) -> list[Form]:
        """These gateways once none of them holds a lane, or as they are when the time is over."""
        numbers = [int(gateway) for gateway in gateways]
        return self._gateways(self.perform(operations.drain_wait(numbers, timeout=timeout_ms / 1000)))

    def _gateways(self, owners: Sequence[Owner]) -> list[Form]:
        return forms.gateway_forms(owners, self.ctx.clock())

    def reconcile(self, *, actor: str, dry_run: bool, wait: bool, talk: Callable[[str], None]) -> list[Form]:
        """Every decision of one pass of the reconciler, carried out unless it is a rehearsal."""
        from lanes.commands.common.reconciling import reconcile

        return reconcile(self.store, self.ctx.clock, actor=actor, dry_run=dry_run, wait=wait, talk=talk)

    def reconcile_on(self, interval_ms: int, *, actor: str, talk: Callable[[str], None]) -> Iterator[list[Form]]:
        """What each pass of the reconciler did, for as long as it is asked for the next."""
        from lanes.commands.common.reconciling import reconcile_on

        return reconcile_on(self.store, self.ctx.clock, interval_ms, actor=actor, talk=talk)
